/** Messages that may end their process: how they are named in the log, and when they are not tried again (turn/9). */
import type { Address } from './address.ts'
import { hashOf } from './codec.ts'
import type { Envelope } from './envelope.ts'
import { Poison } from './errors.ts'
import type { Settlement } from './settlement.ts'
import { askIdOf } from './step.ts'

export const ATTEMPTS = 3

type EventEnvelope = Extract<Envelope, { kind: 'event' }>

/** What a message is called in the record of its attempts. Every letter has a command. */
export function nameOf({ command, event }: EventEnvelope): string {
  return command === undefined ? `event:${hashOf(event)}` : askIdOf(command)
}

/**
 * Whether it may be what has ended the process. Not looks, which change nothing; nor what was applied before: that is answered from
 * the record however often its answer is lost, and would count as an attempt at each move.
 */
export function isSuspected(envelope: Envelope, settlement: Settlement): envelope is EventEnvelope {
  if (envelope.kind !== 'event') return false
  const { command, key, event } = envelope
  return command === undefined || settlement.look(command, key, event).kind === 'new'
}

export function poison(address: Address, message: string): Poison {
  const what = `message '${message}' to '${address}' ended its process ${ATTEMPTS} times; it is not tried again`
  return new Poison(what)
}
