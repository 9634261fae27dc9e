/**
 * Types that a signature names and the user brings: any Standard Schema (zod, valibot, arktype) that can say its JSON Schema.
 *
 * 1. What the user's schema makes of a value is what travels; it must be JSON.
 * 2. Everything a JSON Schema refers to stands in the `defs` of the signature, under names that belong to its type.
 */
import type { Customs, Issue } from './fit.ts'
import { SignatureRefused, says } from './refusal.ts'
import type { Json, JsonSchema } from './spec.ts'

/** The part of Standard Schema (v1) that is used here. */
export interface CustomSchema {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => unknown
    readonly types?: { readonly input: unknown; readonly output: unknown } | undefined
    /** Standard JSON Schema; zod has it from 4.2 on. */
    readonly jsonSchema?: {
      readonly output: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>
    }
  }
}

/** A schema, or one that cannot describe itself together with its description. */
export type CustomType = CustomSchema | { readonly schema: CustomSchema; readonly jsonSchema: Record<string, unknown> }
export type CustomTypes = { readonly [name: string]: CustomType }

export type CustomOutput<T extends CustomType> = T extends CustomSchema
  ? NonNullable<T['~standard']['types']>['output']
  : T extends { readonly schema: infer S extends CustomSchema }
    ? NonNullable<S['~standard']['types']>['output']
    : never

/** The descriptions of those of `types` that are `used`, each with what it refers to. @throws SignatureRefused */
export function defsOf(
  types: CustomTypes,
  used: ReadonlySet<string>,
  text: string,
): { readonly [name: string]: JsonSchema } {
  const entries = Object.entries(types).filter(([name]) => used.has(name))
  return Object.fromEntries(entries.flatMap(([name, type]) => [...definitions(name, type, text)]))
}

export function customsOf(types: CustomTypes): Customs {
  return new Map(
    Object.entries(types).map(([name, type]) => {
      const schema = '~standard' in type ? type : type.schema
      return [name, (value: unknown) => resultOf(schema['~standard'].validate(value), name)]
    }),
  )
}

function* definitions(name: string, type: CustomType, text: string): Iterable<[string, JsonSchema]> {
  const described = descriptionOf(name, type, text)
  const { $schema: _, $defs = {}, ...own } = described
  yield [name, rebased(own, name)]
  if (typeof $defs !== 'object' || $defs === null) return
  for (const [part, schema] of Object.entries($defs)) yield [partName(name, part), rebased(schema, name)]
}

/** @throws SignatureRefused for a schema that has none, or whose library throws: a date or a transformation has no JSON Schema */
function descriptionOf(name: string, type: CustomType, text: string): Record<string, unknown> {
  if (!('~standard' in type)) return type.jsonSchema
  let cause: unknown
  try {
    const described = type['~standard'].jsonSchema?.output({ target: 'draft-2020-12' })
    if (described !== undefined) return described
  } catch (error) {
    cause = error
  }
  throw new SignatureRefused(says.noJsonSchema(name), text, undefined, cause)
}

/** References point into the `defs` of the signature. */
function rebased(schema: unknown, name: string): JsonSchema {
  const json: unknown = JSON.parse(JSON.stringify(schema), (key, value: unknown) => {
    if (key !== '$ref' || typeof value !== 'string') return value
    const part = /^#\/\$defs\/(.+)$/.exec(value)?.[1]
    return `#/$defs/${part === undefined ? name : partName(name, part)}`
  })
  if (!isJsonSchema(json)) throw new Error(`the JSON Schema of ${name} is no object`)
  return json
}

function partName(name: string, part: string): string {
  return `${name}_${part.replace(/[^A-Za-z0-9_]/g, '_')}`
}

function isJsonSchema(json: unknown): json is { [keyword: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function resultOf(result: unknown, name: string): { readonly value: unknown } | { readonly issues: readonly Issue[] } {
  if (result instanceof Promise) throw new Error(`the schema of ${name} is asynchronous; use a synchronous one`)
  if (typeof result !== 'object' || result === null) throw new Error(`the schema of ${name} gave no result`)
  if ('issues' in result && Array.isArray(result.issues) && result.issues.length > 0) {
    return { issues: result.issues.map(issueOf) }
  }
  return { value: 'value' in result ? result.value : undefined }
}

function issueOf(issue: unknown): Issue {
  if (typeof issue !== 'object' || issue === null) return { message: String(issue), path: [] }
  const message = 'message' in issue ? String(issue.message) : 'invalid'
  const path = 'path' in issue && Array.isArray(issue.path) ? issue.path.map(pathPart) : []
  return { message, path }
}

function pathPart(part: unknown): string | number {
  const key = typeof part === 'object' && part !== null && 'key' in part ? part.key : part
  return typeof key === 'number' ? key : String(key)
}
