/**
 * Every error that crosses our border. The closed set:
 *
 *   TroupeError
 *   ├ before anything happened (applied 'no')
 *   │   InvalidAddress · InvalidEvent · NotSerializable · MessageTooLarge · EventNotAccepted · TypeNotServed
 *   │   TypeNotYetServed · GroupTypesMissing
 *   │   MailboxFull · TooManyOutstanding · IdempotencyMismatch · ActorDone · ActorStopped · ActorQuarantined
 *   │   ActorNotFound · ActorDestroyed · ActorErased · ActorFailed · Poison · LetterExpired · Disconnected
 *   │   UnsupportedVersion · DurabilityRefused · LogicRefused · CallCycle · EffectNotServed
 *   └ outcome unknown (applied 'unknown'): ask again with the same id or idempotency key
 *       Timeout · Moved · SystemStopped · AskUnanswered · RetryWindowPassed · LogDamaged · StateDiverged
 *       LogUnavailable · EffectFailed · EffectOutcomeUnknown
 *
 * 1. Recognise an error by `code`, never by message, nor across processes by `instanceof`.
 * 2. `retryable` and `applied` alone decide what a client does next.
 * 3. `toWire`/`fromWire` lose nothing but the stack; an unknown code becomes `RemoteError` with the same fields.
 */

export type Applied = 'no' | 'unknown'
export type Details = { readonly [name: string]: unknown }

/** The wire form; also what a step record keeps of an error. */
export interface WireError {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  readonly applied: Applied
  readonly details?: Details
}

export abstract class TroupeError extends Error {
  abstract readonly code: string
  readonly retryable: boolean = false
  readonly applied: Applied = 'no'
  readonly details: Details

  constructor(message: string, details: Details = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.details = details
    this.name = new.target.name
  }
}

export class InvalidAddress extends TroupeError {
  readonly code = 'InvalidAddress'
}
/** The payload does not fit the protocol's schema; `details.issues` holds the schema's own messages. */
export class InvalidEvent extends TroupeError {
  readonly code = 'InvalidEvent'
}
/** A value that is not plain data; `details.path` says where. */
export class NotSerializable extends TroupeError {
  readonly code = 'NotSerializable'
}
export class MessageTooLarge extends TroupeError {
  readonly code = 'MessageTooLarge'
}
/** The present state has no transition for the event. `details`: `reason: 'state' | 'guard'`, `accepts: string[]`. */
export class EventNotAccepted extends TroupeError {
  readonly code = 'EventNotAccepted'
}
/** No node of this namespace serves the actor's type now. */
export class TypeNotServed extends TroupeError {
  readonly code = 'TypeNotServed'
  override readonly retryable = true
}
/** Some nodes of the type's group do not know it yet, as in a rolling upgrade: it is served once all of them do. */
export class TypeNotYetServed extends TroupeError {
  readonly code = 'TypeNotYetServed'
  override readonly retryable = true
}
/** A node would join a group whose other nodes serve more: its share of those actors would be without a home. */
export class GroupTypesMissing extends TroupeError {
  readonly code = 'GroupTypesMissing'
}
export class MailboxFull extends TroupeError {
  readonly code = 'MailboxFull'
  override readonly retryable = true
}
export class TooManyOutstanding extends TroupeError {
  readonly code = 'TooManyOutstanding'
  override readonly retryable = true
}
/** The same idempotency key came with another payload. */
export class IdempotencyMismatch extends TroupeError {
  readonly code = 'IdempotencyMismatch'
}
/** The machine has reached its final state; `details.output` is its output. */
export class ActorDone extends TroupeError {
  readonly code = 'ActorDone'
}
export class ActorStopped extends TroupeError {
  readonly code = 'ActorStopped'
}
/** It failed more often than its supervision allows; an operator or a reset brings it back. */
export class ActorQuarantined extends TroupeError {
  readonly code = 'ActorQuarantined'
}
/** `get(…, { mustExist: true })` of an address that no message has reached yet. */
export class ActorNotFound extends TroupeError {
  readonly code = 'ActorNotFound'
}
/** It was destroyed; its address is free again 30 days later, or after a `start`. */
export class ActorDestroyed extends TroupeError {
  readonly code = 'ActorDestroyed'
}
/** Its key is destroyed: nothing of its log can be read, and its address is never used again. */
export class ActorErased extends TroupeError {
  readonly code = 'ActorErased'
}
/** The step for this message threw; the message is consumed and the state is as before. `details.failure` is the cause. */
export class ActorFailed extends TroupeError {
  readonly code = 'ActorFailed'
}
/** It ended its process three times; it is not tried again. */
export class Poison extends TroupeError {
  readonly code = 'Poison'
}
/** A letter that no step had taken in the time that its sender gave it. */
export class LetterExpired extends TroupeError {
  readonly code = 'LetterExpired'
}
/** The actor ended with this ask still open; the step that opened it stands. */
export class AskUnanswered extends TroupeError {
  readonly code = 'AskUnanswered'
  override readonly applied = 'unknown'
}
export class Disconnected extends TroupeError {
  readonly code = 'Disconnected'
  override readonly retryable = true
}
/** This system, or the node that had the actor, ended before the answer; 'no' when it had ended before the question. */
export class SystemStopped extends TroupeError {
  readonly code = 'SystemStopped'
  override readonly applied: Applied

  constructor(message: string, details: Details = {}, applied: Applied = 'unknown') {
    super(message, details)
    this.applied = applied
  }
}
export class UnsupportedVersion extends TroupeError {
  readonly code = 'UnsupportedVersion'
}
/** The backend is less durable than what was asked for; the message says which setting to change. */
export class DurabilityRefused extends TroupeError {
  readonly code = 'DurabilityRefused'
}
/** A logic that cannot survive a restart as written; found when it is defined or, at the latest, before its step commits. */
export class LogicRefused extends TroupeError {
  readonly code = 'LogicRefused'
}
/** Actors that wait for each other; `details.cycle` names them. */
export class CallCycle extends TroupeError {
  readonly code = 'CallCycle'
}
/** No answer before the deadline. The event may have been applied: ask again with the same idempotency key. */
export class Timeout extends TroupeError {
  readonly code = 'Timeout'
  override readonly retryable = true
  override readonly applied = 'unknown'
}
/** A send that could not be stored within 12 h; it is not tried again. */
export class RetryWindowPassed extends TroupeError {
  readonly code = 'RetryWindowPassed'
  override readonly applied = 'unknown'
}
/** The actor lives elsewhere now; what this incarnation had not released is decided by the log. */
export class Moved extends TroupeError {
  readonly code = 'Moved'
  override readonly retryable = true
  override readonly applied = 'unknown'
}
/** The log does not hold what was acknowledged. Nothing activates the actor until an operator has looked. */
export class LogDamaged extends TroupeError {
  readonly code = 'LogDamaged'
  override readonly applied = 'unknown'
}
/** Folding the log gives another state than the recorded one. */
export class StateDiverged extends TroupeError {
  readonly code = 'StateDiverged'
  override readonly applied = 'unknown'
}
export class LogUnavailable extends TroupeError {
  readonly code = 'LogUnavailable'
  override readonly retryable = true
  override readonly applied = 'unknown'
}
/** The node of a run knows no effect of that name and class. */
export class EffectNotServed extends TroupeError {
  readonly code = 'EffectNotServed'
}
/** Work outside the machine failed; `details.effect` names it. */
export class EffectFailed extends TroupeError {
  readonly code = 'EffectFailed'
  override readonly applied = 'unknown'
}
/**
 * A `write` effect had begun when its actor left that node, by death, by a lost lease or by a move that waited for it in vain:
 * whether it happened cannot be known here.
 */
export class EffectOutcomeUnknown extends TroupeError {
  readonly code = 'EffectOutcomeUnknown'
  override readonly applied = 'unknown'
}

/** An error of a newer peer whose code this version does not know. */
export class RemoteError extends TroupeError {
  readonly code: string
  override readonly retryable: boolean
  override readonly applied: Applied
  constructor(wire: WireError) {
    super(wire.message, wire.details)
    this.code = wire.code
    this.retryable = wire.retryable
    this.applied = wire.applied
  }
}

const classes = {
  InvalidAddress,
  InvalidEvent,
  NotSerializable,
  MessageTooLarge,
  EventNotAccepted,
  TypeNotServed,
  TypeNotYetServed,
  GroupTypesMissing,
  MailboxFull,
  TooManyOutstanding,
  IdempotencyMismatch,
  ActorDone,
  ActorStopped,
  ActorQuarantined,
  ActorNotFound,
  ActorDestroyed,
  ActorErased,
  ActorFailed,
  Poison,
  LetterExpired,
  AskUnanswered,
  Disconnected,
  SystemStopped,
  UnsupportedVersion,
  DurabilityRefused,
  LogicRefused,
  CallCycle,
  Timeout,
  RetryWindowPassed,
  Moved,
  LogDamaged,
  StateDiverged,
  LogUnavailable,
  EffectNotServed,
  EffectFailed,
  EffectOutcomeUnknown,
} as const

export type ErrorCode = keyof typeof classes

export function toWire(error: unknown): WireError {
  if (error instanceof TroupeError) {
    const { code, message, retryable, applied, details } = error
    return Object.keys(details).length
      ? { code, message, retryable, applied, details }
      : { code, message, retryable, applied }
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { code: 'ActorFailed', message, retryable: false, applied: 'no' }
}

export function fromWire(wire: WireError): TroupeError {
  if (!Object.hasOwn(classes, wire.code)) return new RemoteError(wire)
  const Class = classes[wire.code as ErrorCode]
  // The peer knows what became of this message; the class knows only what is usual.
  return Object.assign(new Class(wire.message, wire.details), { retryable: wire.retryable, applied: wire.applied })
}

/** A bug of ours, never a user's mistake: says which promise of the file is broken. */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${what}`)
}

/** Closes a switch over a union on `kind`. */
export function assertNever(value: never): never {
  throw new Error(`unreachable case: ${JSON.stringify(value)}`)
}
