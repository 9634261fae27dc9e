/**
 * The part of Standard Schema (v1) that we use: zod, valibot, arktype and our own domains all fit.
 * Validators run once, at the edge, synchronously; what they return is what is recorded.
 */
import { InvalidEvent, LogicRefused } from './errors.ts'

export interface AnySchema {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => unknown
    readonly types?: { readonly input: unknown; readonly output: unknown } | undefined
  }
}

export type In<S extends AnySchema> = NonNullable<S['~standard']['types']>['input']
export type Out<S extends AnySchema> = NonNullable<S['~standard']['types']>['output']

export type Schemas = { readonly [type: string]: AnySchema }

/** A schema made of a type guard, for the protocols of the runtime itself: core brings no schema library. */
export interface GuardSchema<T> extends AnySchema {
  readonly '~standard': AnySchema['~standard'] & { readonly types?: { readonly input: T; readonly output: T } }
}

export function guarded<T>(what: string, is: (value: unknown) => value is T): GuardSchema<T> {
  const validate = (value: unknown) => (is(value) ? { value } : { issues: [{ message: `must be ${what}` }] })
  return { '~standard': { version: 1, vendor: 'troupe', validate } }
}

/**
 * What the schema makes of a value (defaults filled, coerced). `what` names the value in the message.
 * @throws InvalidEvent when it does not fit; LogicRefused when the schema is asynchronous.
 */
export function parse(schema: AnySchema, value: unknown, what: string): unknown {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise) throw new LogicRefused(`the schema of ${what} is asynchronous; use a synchronous one`)
  if (typeof result !== 'object' || result === null) throw new LogicRefused(`the schema of ${what} gave no result`)
  if ('issues' in result && Array.isArray(result.issues) && result.issues.length > 0) {
    const issues = result.issues.map(issueText)
    throw new InvalidEvent(`${what} does not fit its schema: ${issues.join('; ')}`, { issues })
  }
  return 'value' in result ? result.value : undefined
}

function issueText(issue: unknown): string {
  if (typeof issue !== 'object' || issue === null) return String(issue)
  const message = 'message' in issue ? String(issue.message) : 'invalid'
  if (!('path' in issue) || !Array.isArray(issue.path) || issue.path.length === 0) return message
  const keys = issue.path.map((part: unknown) =>
    typeof part === 'object' && part !== null && 'key' in part ? String(part.key) : String(part),
  )
  return `${keys.join('.')}: ${message}`
}
