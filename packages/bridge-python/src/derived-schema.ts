/**
 * Schemas that are made of others.
 *
 * A zod `transform` that throws is run by zod once more, asynchronously, and then rejects with nobody to hear it. These
 * hand on issues instead, of whatever library's schema is inside.
 */
import type { AnySchema, In, Out } from '@troupe/core'

export interface DerivedSchema<I, O> extends AnySchema {
  readonly '~standard': AnySchema['~standard'] & { readonly types?: { readonly input: I; readonly output: O } }
}

/** What `schema` makes of a value, and then `make` of that. */
export function derived<S extends AnySchema, T>(schema: S, make: (value: Out<S>) => T): DerivedSchema<In<S>, T> {
  const isMade = (result: unknown): result is { readonly value: Out<S> } => {
    return typeof result === 'object' && result !== null && !issuesIn(result)
  }
  return derivedBy((value) => {
    const result = schema['~standard'].validate(value)
    if (result instanceof Promise) return result // an asynchronous schema: whoever asked refuses it
    return isMade(result) ? { value: make(result.value) } : result
  })
}

/** `record` with one more member, which has a schema of its own. */
export function withMember<S extends AnySchema, M extends AnySchema, K extends string>(
  record: S,
  name: K,
  member: M,
): DerivedSchema<In<S> & { readonly [key in K]: In<M> }, Out<S> & { readonly [key in K]: Out<M> }> {
  return derivedBy((value) => {
    const whole = record['~standard'].validate(value)
    const given = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
    const part = member['~standard'].validate(given)
    const waiting = [whole, part].find((result) => result instanceof Promise)
    if (waiting !== undefined) return waiting
    const issues = [...(issuesIn(whole) ?? []), ...(issuesIn(part) ?? []).map((issue) => within(name, issue))]
    if (issues.length > 0) return { issues }
    return { value: { ...recordIn(whole), [name]: Reflect.get(Object(part), 'value') } }
  })
}

function derivedBy<I, O>(validate: (value: unknown) => unknown): DerivedSchema<I, O> {
  return { '~standard': { version: 1, vendor: 'troupe', validate } }
}

function issuesIn(result: unknown): readonly unknown[] | undefined {
  if (typeof result !== 'object' || result === null || !('issues' in result)) return undefined
  return Array.isArray(result.issues) && result.issues.length > 0 ? result.issues : undefined
}

function recordIn(result: unknown): object {
  return typeof result === 'object' && result !== null && 'value' in result ? Object(result.value) : {}
}

function within(name: string, issue: unknown): object {
  const path = typeof issue === 'object' && issue !== null && 'path' in issue ? issue.path : []
  return { ...Object(issue), path: [name, ...(Array.isArray(path) ? path : [])] }
}
