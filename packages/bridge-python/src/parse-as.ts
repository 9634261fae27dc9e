import { type AnySchema, type Out, parse } from '@troupe/core'

/** `parse` with the schema's own type. @throws InvalidEvent when the value does not fit */
export function parseAs<S extends AnySchema>(schema: S, value: unknown, what: string): Out<S> {
  // A Standard Schema's type is its promise about what `validate` returns; the interface cannot express it.
  return parse(schema, value, what) as Out<S>
}
