/**
 * The inputs, or the outputs, of a signature as one schema: a Standard Schema that can say its JSON Schema.
 *
 * 1. What fits is given back as it is, unless a custom type makes something else of a part of it.
 * 2. Every field is there and no other.
 */
import { type Fits, holds, isRecord } from './checks.ts'
import { hasCustom } from './field-type.ts'
import { type Customs, fits, type Issue, read } from './fit.ts'
import type { JsonSchema, SpecField } from './spec.ts'

export interface SideSchema<T> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: 'troupe'
    readonly validate: (value: unknown) => { readonly value: T } | { readonly issues: readonly Issue[] }
    readonly types?: { readonly input: T; readonly output: T }
    readonly jsonSchema: { readonly input: () => JsonSchema; readonly output: () => JsonSchema }
  }
}

/** `compiled`: the check of a plan; without one it is made of the types, and not at all when some of them are custom. */
export function sideSchema<T>(
  fields: readonly SpecField[],
  customs: Customs,
  describe: () => JsonSchema,
  compiled?: Fits,
): SideSchema<T> {
  const guard = compiled ?? (fields.some(({ type }) => hasCustom(type)) ? undefined : fitsAll(fields))
  const isWhole = (value: unknown): value is T => guard?.(value) === true
  const validate = (value: unknown) => {
    if (isWhole(value)) return { value }
    const issues: Issue[] = []
    const made = readAll(fields, value, issues, customs)
    return isMade<T>(made, issues) ? { value: made } : { issues }
  }
  return { '~standard': { version: 1, vendor: 'troupe', validate, jsonSchema: { input: describe, output: describe } } }
}

function fitsAll(fields: readonly SpecField[]): Fits {
  const checks = fields.map(({ name, type }) => [name, fits(type)] as const)
  return (value) => holds(checks.length, value) && checks.every(([name, fits]) => fits(value[name]))
}

function readAll(fields: readonly SpecField[], value: unknown, issues: Issue[], customs: Customs): unknown {
  if (!isRecord(value)) {
    issues.push({ message: 'must be an object with the fields by name', path: [] })
    return undefined
  }
  const names = new Set(fields.map(({ name }) => name))
  for (const name of Object.keys(value)) {
    if (!names.has(name)) issues.push({ message: 'is no field of the signature', path: [name] })
  }
  return Object.fromEntries(
    fields.map(({ name, type }) => {
      if (Object.hasOwn(value, name)) return [name, read(type, value[name], [name], issues, customs)]
      issues.push({ message: 'is missing', path: [name] })
      return [name, undefined]
    }),
  )
}

/** What was read without an issue has the types that the text says. */
function isMade<T>(_made: unknown, issues: readonly Issue[]): _made is T {
  return issues.length === 0
}
