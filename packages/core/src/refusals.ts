/** How a resident words what it cannot go on from, for whoever asked. */
import type { Address } from './address.ts'
import type { WireAnswer } from './envelope.ts'
import {
  LogUnavailable,
  MailboxFull,
  MessageTooLarge,
  Moved,
  StateDiverged,
  TooManyOutstanding,
  type TroupeError,
  toWire,
} from './errors.ts'
import { ANSWERS_PER_CLIENT } from './settlement.ts'

/** The journal refuses what it was given, for good. */
export function refusal(address: Address, cause: Error): TroupeError {
  const what = `the journal refused a step of '${address}': ${cause.message}`
  // Asking again would meet the same refusal; nothing was stored.
  return cause instanceof MessageTooLarge ? new MessageTooLarge(what, {}, cause) : new LogUnavailable(what, {}, cause)
}

/** This code cannot reach the state that the log holds. */
export function divergence(
  address: Address,
  error: TroupeError,
  servedBy?: (logic: string) => readonly string[],
): StateDiverged {
  const { logic } = error.details
  const nodes = typeof logic === 'string' ? (servedBy?.(logic) ?? []) : []
  const who = nodes.length === 0 ? 'nodes with' : `${nodes.join(', ')} and other nodes with`
  const what = `${error.message}; ${who} the code that recorded it can serve it, or an operator resets '${address}'`
  return new StateDiverged(what, { ...error.details, ...(nodes.length > 0 && { nodes }) }, error)
}

/** What was asked is applied by nobody yet: it may be asked again. */
export function movedAway(address: Address): WireAnswer {
  return { v: 1, ok: false, error: { ...toWire(new Moved(`'${address}' moves to another node`)), applied: 'no' } }
}

export function fullMailbox(address: Address, depth: number): WireAnswer {
  return {
    v: 1,
    ok: false,
    error: toWire(new MailboxFull(`'${address}' has ${depth} messages waiting; send slower or later`)),
  }
}

export function tooManyOutstanding(address: Address, client: string): TooManyOutstanding {
  return new TooManyOutstanding(`client '${client}' has ${ANSWERS_PER_CLIENT} unsettled commands at '${address}'`)
}
