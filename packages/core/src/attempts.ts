/** Messages that may end their process: how they are named in the log, and when they are not tried again (turn/9). */
import type { Address } from './address.ts'
import { hashOf } from './codec.ts'
import type { Envelope } from './envelope.ts'
import { Poison } from './errors.ts'
import { askIdOf } from './step.ts'

export const ATTEMPTS = 3

/** What a message is called in the record of its attempts. Every letter has a command. */
export function nameOf({ command, event }: Extract<Envelope, { kind: 'event' }>): string {
  return command === undefined ? `event:${hashOf(event)}` : askIdOf(command)
}

export function poison(address: Address, message: string): Poison {
  const what = `message '${message}' to '${address}' ended its process ${ATTEMPTS} times; it is not tried again`
  return new Poison(what)
}
