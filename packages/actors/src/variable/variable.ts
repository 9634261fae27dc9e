/**
 * One shared value as its user holds it: typed by a schema, read and set through the actor of its space.
 *
 * 1. What leaves a handle has passed the schema, and so has what is sent.
 * 2. Reading writes nothing: it is a snapshot of the owner. Before anyone has set it, a variable has its initial value at
 *    revision 0.
 */
import { InvalidEvent, type System, TroupeError } from '@troupe/core'
import type { Changed } from './revisions.ts'
import { variables } from './variables.ts'

/** A synchronous Standard Schema, as far as it is used here. */
export interface SchemaOf<T> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => Checked<T> | Promise<Checked<T>>
  }
}

type Checked<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] }

export interface Revision<T> {
  readonly value: T
  readonly revision: number
  readonly by: string
}

export interface SetOptions {
  /** Who sets it. @defaultValue the name of the node */
  readonly by?: string
  /** Only when the value has not changed since. */
  readonly ifRevision?: number
  /** Why, as plain data. */
  readonly note?: unknown
}

export interface VariableHandle<T> {
  get(): Promise<Revision<T>>
  /** @throws RevisionConflict when it has changed since `ifRevision`; InvalidEvent when the value does not fit the schema */
  set(value: T, options?: SetOptions): Promise<Revision<T>>
}

export interface Variable<T> {
  readonly name: string
  readonly schema: SchemaOf<T>
  readonly initial: T
  in(system: System): VariableHandle<T>
}

/** Somebody else was faster. `details`: the space's revision and the values that have changed. */
export class RevisionConflict extends TroupeError {
  readonly code = 'RevisionConflict'
}

/** @param name `<space>.<variable>`; the space is the part before the first dot */
export function variable<T>(name: string, schema: SchemaOf<T>, initial: NoInfer<T>): Variable<T> {
  const cut = name.indexOf('.')
  if (cut < 1 || cut === name.length - 1) throw new RangeError(`variable '${name}': give it as '<space>.<variable>'`)
  const [space, own] = [name.slice(0, cut), name.slice(cut + 1)]
  const check = (value: unknown): T => checked(schema, value, name)
  check(initial)
  return {
    name,
    schema,
    initial,
    in(system) {
      const ref = system.get(variables, space)
      return {
        async get() {
          const { context } = await ref.snapshot()
          const entry = context.values[own]
          return entry === undefined
            ? { value: initial, revision: 0, by: 'initial' }
            : { ...entry, value: check(entry.value) }
        },
        async set(value, { by = system.node, ...options } = {}) {
          const sent = check(value)
          const reply = await ref.ask({ type: 'set', values: { [own]: sent }, by, ...options })
          if (!reply.ok) throw conflict(name, reply)
          return { value: sent, revision: reply.revision, by }
        },
      }
    },
  }
}

function conflict(name: string, reply: Exclude<Changed, { ok: true }>): RevisionConflict {
  const { ok: _, code: __, ...details } = reply
  return new RevisionConflict(`'${name}' was not set: it has changed since; read it again`, details)
}

function checked<T>(schema: SchemaOf<T>, value: unknown, name: string): T {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise)
    throw new InvalidEvent(`the schema of '${name}' is asynchronous; use a synchronous one`)
  if (result.issues === undefined) return result.value
  const issues = result.issues.map(({ message }) => message)
  throw new InvalidEvent(`'${name}': ${issues.join('; ')}`, { issues })
}
