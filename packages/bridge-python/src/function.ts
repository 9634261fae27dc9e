/**
 * A Python function as an effect.
 *
 * 1. Both schemas run on this side: the input before anything is sent, the output before anybody sees it.
 * 2. Arguments are plain data, as everywhere: what could not be recorded is not sent either.
 * 3. A run after a crash makes its calls under the same ids, so it re-attaches to what still runs and repeats no model call.
 */
import {
  type AnySchema,
  decode,
  type Effect,
  type EffectClass,
  effect,
  encode,
  type In,
  InvalidEvent,
  type Json,
  LogicRefused,
  type Out,
} from '@troupe/core'
import { ResultRefused } from './errors.ts'
import { parseAs } from './parse-as.ts'
import { PoolView } from './pool-view.ts'
import { Trails } from './trail.ts'

export interface FunctionOptions<I extends AnySchema, O extends AnySchema> {
  /** Of the keyword arguments: a record. */
  readonly input: I
  readonly output: O
  /** What a lost worker or node does to a running call. @defaultValue 'idempotent' */
  readonly class?: EffectClass
  /** For the whole call, waiting included. @defaultValue 60_000 */
  readonly timeoutMs?: number
}

export const TIMEOUT_MS = 60_000

export function pythonFunction<I extends AnySchema, O extends AnySchema>(
  pool: string,
  fn: string,
  { input, output, class: effectClass = 'idempotent', timeoutMs = TIMEOUT_MS }: FunctionOptions<I, O>,
  name = `${pool}.${fn}`,
): Effect<In<I>, Out<O>> {
  return effect(name, effectClass, async (given: In<I>, context) => {
    const { runtime, effectId, cause, signal, evidence } = context
    if (runtime === undefined) throw new LogicRefused(`'${name}' can be called inside a Troupe system only`)
    const recorded = encode(parseAs(input, given, `the input of ${name}`), undefined, `${name} input`)
    const args = recordOf(recorded, name)
    const view = runtime.shared(PoolView, pool)
    const trails = runtime.shared(Trails, 'python calls')
    const record = trails.recordOf(context)
    const value = await view.call({
      ...{
        id: trails.idsOf(context).of(effectId, fn, recorded),
        fn,
        args,
        class: effectClass,
        timeoutMs,
        cause,
        signal,
      },
      evidence: (data) => evidence({ ...record.add(data) }),
    })
    try {
      return parseAs(output, value, `the result of ${name}`)
    } catch (error) {
      if (error instanceof InvalidEvent) throw new ResultRefused(error.message, error.details)
      throw error
    }
  })
}

/** What was recorded as Python sees it: without undefined fields, which it would take for None. */
function recordOf(recorded: Json, name: string): { readonly [key: string]: unknown } {
  const plain = decode(recorded)
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) {
    throw new InvalidEvent(`the input of ${name} must be a record: its fields are the keyword arguments`)
  }
  return { ...plain }
}
