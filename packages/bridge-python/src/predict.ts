/**
 * A signature as an effect: a module of DSPy answers it in a worker, with model calls over the bus, and without Python code
 * of the user's.
 *
 * 1. The spec travels with every call: half a kilobyte against a second round trip, and a worker can have forgotten nothing.
 * 2. Python makes one class of a spec per process, and never parses a text for it.
 */
import type { AnySchema, Effect, In, Out } from '@troupe/core'
import { derived } from './derived-schema.ts'
import { pythonFunction } from './function.ts'

/** What of a signature of `@troupe/signatures` is needed. */
export interface SignatureLike<I extends AnySchema, O extends AnySchema> {
  readonly input: I
  readonly output: O
  readonly spec: { readonly name: string }
}

export interface PredictOptions {
  /** `ChainOfThought` has the model reason first. @defaultValue 'Predict' */
  readonly module?: 'Predict' | 'ChainOfThought'
  /** @defaultValue the model's own */
  readonly temperature?: number
  /** For the whole call, waiting included. @defaultValue 60_000 */
  readonly timeoutMs?: number
}

export function predictor<I extends AnySchema, O extends AnySchema>(
  pool: string,
  { input, output, spec }: SignatureLike<I, O>,
  { module = 'Predict', temperature, timeoutMs }: PredictOptions = {},
): Effect<In<I>, Out<O>> {
  const name = `${pool}.predict.${spec.name}`
  const config = temperature === undefined ? {} : { temperature }
  const args = derived(input, (inputs) => ({ spec, inputs, module, config }))
  return pythonFunction(pool, 'signature.predict', { input: args, output, ...(timeoutMs && { timeoutMs }) }, name)
}
