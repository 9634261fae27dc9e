/** What an effect tells its tree, as an input that can be recorded. */
import type { Json } from './codec.ts'
import { MessageTooLarge, NotSerializable } from './errors.ts'
import type { Input } from './input.ts'
import { fitting } from './tree-effects.ts'
import type { InsideEvent } from './xstate-inside.ts'

const RESULTS: { readonly [type: string]: 'effect.done' | 'effect.error' } = {
  'xstate.promise.resolve': 'effect.done',
  'xstate.promise.reject': 'effect.error',
  'xstate.observable.error': 'effect.error',
}

/**
 * A result that no record can hold is a failure of its effect.
 * @throws NotSerializable, MessageTooLarge for an event that it sends of its own accord: its sender is there to hear it
 */
export function inputFrom(
  from: string,
  path: string,
  event: InsideEvent,
  evidence: Json | undefined,
  encode: (event: InsideEvent) => Json,
): Input {
  const about = { from, path, ...(evidence !== undefined && { evidence }) }
  const kind = RESULTS[event.type] ?? 'effect.event'
  try {
    return { kind, ...about, event: fitting(encode(event)) }
  } catch (error) {
    const unfit = error instanceof NotSerializable || error instanceof MessageTooLarge
    if (!unfit || kind === 'effect.event') throw error
    return { kind: 'effect.error', ...about, event: encode(failureOf(kind, event, error)) }
  }
}

/** An error that cannot be recorded is named; a result becomes the error that says so. */
function failureOf(kind: 'effect.done' | 'effect.error', event: InsideEvent, unfit: Error): InsideEvent {
  if (kind === 'effect.done') return { type: 'xstate.promise.reject', data: unfit }
  return { ...event, data: unfit instanceof NotSerializable ? errorOf(event['data']) : unfit }
}

export function errorOf(value: unknown): Error {
  return value instanceof Error ? value : new Error(typeof value === 'string' ? value : JSON.stringify(value))
}
