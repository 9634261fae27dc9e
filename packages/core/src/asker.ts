/**
 * The asking side of a command: gives it an id, sends it until it is answered, and gives up at the deadline.
 *
 * 1. One command keeps one id through every resend, so it is applied once whoever answers.
 * 2. Errors that say "not here, ask again" (`Moved`, nobody there) are not told to the caller before the deadline.
 * 3. `settled` never covers a command that may still be sent; it is counted per receiver.
 * 4. When a node opens the shard of a receiver, what waits for it is sent again at once.
 * 5. A deadline tells `Timeout`, applied 'unknown', never "failed".
 */
import type { Address } from './address.ts'
import { LAST_MS } from './clock.ts'
import { decode, type Json } from './codec.ts'
import type { Envelope, EnvelopeCause, EnvelopeCommand, WireAnswer } from './envelope.ts'
import { Disconnected, fromWire, SystemStopped, Timeout, type TroupeError, TypeNotServed } from './errors.ts'
import type { Clock, Entropy, Timer } from './ports.ts'
import type { Order } from './supervision.ts'
import { type Place, WaitingList } from './waiting-list.ts'

/** How a message leaves: to an actor of this node directly, to another one over the bus. */
export interface Transport {
  /** The listener may be called more than once; `close` lets go of what waits for an answer on the bus. */
  send(envelope: Envelope, listener: (answer: WireAnswer | 'no-responders') => void): { close(): void }
  /** Silence: makes sure that somebody listens there. */
  doubt(address: Address): void
  readonly connected: boolean
}

export interface Question {
  readonly to: Address
  readonly event: Json
  /** Instead of the event: what an operator orders. */
  readonly order?: Order
  readonly cause: EnvelopeCause
  readonly timeoutMs: number
  readonly key?: string
  readonly signal?: AbortSignal
}

const TICK_MS = 25
const LATER = Number.POSITIVE_INFINITY
/** A script that awaits an answer must not end before it. */
const KEEP_ALIVE = { keepAlive: true }
/** What says "not here" is asked again after a quarter of the time that the ask has taken so far, within these bounds. */
const SOONEST_RESEND_MS = 50
const LONGEST_RESEND_MS = 2_000
/** No answer is asked for again after so long, then when the ask has taken twice as long: its node may have died. */
const SILENCE_MS = 500
/** After so long it is asked whether anybody is there at all. */
const DOUBT_MS = 100

interface Pending {
  readonly question: Question
  readonly command: EnvelopeCommand
  /** The numbers in flight to the same receiver. */
  readonly open: Set<number>
  readonly deadline: number
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: unknown) => void
  readonly stopListening: (() => void) | undefined
  /** Undefined before and after it waits. */
  place: Place<Pending> | undefined
  sent: { close(): void } | undefined
  sendAt: number
  doubtAt: number
  lastError: TroupeError | undefined
}

export class Asker {
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #client: string
  readonly #pending = new WaitingList<Pending>()
  /** Numbers in flight per receiver. */
  readonly #open = new Map<Address, Set<number>>()
  #n = 0
  #ticker: Timer | undefined
  #stopped = false

  constructor(transport: Transport, clock: Clock, entropy: Entropy) {
    this.#transport = transport
    this.#clock = clock
    this.#client = entropy.hex(64)
  }

  /** The decoded reply. Rejects with RangeError for a time that is none; the error that answered, or Timeout, Disconnected, SystemStopped; the signal's reason when it aborts. */
  ask(question: Question): Promise<unknown> {
    return new Promise((resolve, reject) => {
      checkTimeout(question.timeoutMs)
      if (this.#stopped) throw new SystemStopped('this system has stopped', {}, 'no')
      if (!this.#transport.connected) throw new Disconnected('there is no connection to NATS; nothing was sent')
      question.signal?.throwIfAborted()
      this.#begin(question, resolve, reject)
    })
  }

  #begin(question: Question, resolve: Pending['resolve'], reject: Pending['reject']): void {
    const { to, timeoutMs, signal } = question
    const n = ++this.#n
    const open = this.#openAt(to)
    open.add(n)
    const command = { client: this.#client, n, settled: oldest(open) - 1 }
    const pending: Pending = {
      question,
      command,
      open,
      deadline: this.#clock.monotonic() + timeoutMs,
      resolve,
      reject,
      stopListening: signal && onAbort(signal, (reason) => this.#end(pending) && reject(reason)),
      place: undefined,
      sent: undefined,
      sendAt: 0,
      doubtAt: 0,
      lastError: undefined,
    }
    pending.place = this.#pending.add(pending)
    this.#send(pending, timeoutMs)
    this.#tickSoon()
  }

  stop(): void {
    this.#stopped = true
    this.#ticker?.cancel()
    for (const pending of this.#pending) {
      this.#end(pending)
      pending.reject(new SystemStopped('this system stopped while it waited for an answer'))
    }
  }

  #openAt(to: Address): Set<number> {
    const known = this.#open.get(to)
    if (known !== undefined) return known
    const fresh = new Set<number>()
    this.#open.set(to, fresh)
    return fresh
  }

  #send(pending: Pending, remainingMs: number): void {
    const { connected } = this.#transport
    const waited = pending.question.timeoutMs - remainingMs
    const pauseMs = connected ? within(SILENCE_MS, waited, LONGEST_RESEND_MS) : SOONEST_RESEND_MS
    const now = this.#clock.monotonic()
    pending.sendAt = now + pauseMs
    pending.doubtAt = now + DOUBT_MS
    if (!connected) return
    try {
      pending.sent = this.#transport.send(envelopeOf(pending, remainingMs), (answer) => this.#answered(pending, answer))
    } catch (error) {
      // Too large, or stopped: the same bytes would meet the same. A lost connection is waited for.
      if (!(error instanceof Disconnected) && this.#end(pending)) pending.reject(error)
    }
    if (pending.place === undefined) pending.sent?.close()
  }

  #sendAgain(pending: Pending, now: number): void {
    pending.sent?.close()
    this.#send(pending, Math.max(0, Math.round(pending.deadline - now)))
  }

  #doubt(pending: Pending): void {
    pending.doubtAt = LATER
    this.#transport.doubt(pending.question.to)
  }

  /** Whoever is there now knows nothing of what was sent to the one before. */
  wake(isThere: (address: Address) => boolean): void {
    const now = this.#clock.monotonic()
    for (const pending of this.#pending) if (isThere(pending.question.to)) this.#sendAgain(pending, now)
  }

  #answered(pending: Pending, answer: WireAnswer | 'no-responders'): void {
    if (pending.place === undefined) return
    if (answer === 'no-responders') {
      pending.lastError = new TypeNotServed(`no node serves the shard of '${pending.question.to}' now`)
      return this.#again(pending)
    }
    if (!answer.ok && AGAIN.has(answer.error.code)) {
      pending.lastError = fromWire(answer.error)
      return this.#again(pending)
    }
    if (!this.#end(pending)) return
    if (!answer.ok) return pending.reject(fromWire(answer.error))
    try {
      pending.resolve(answer.value == null ? undefined : decode(answer.value))
    } catch (error) {
      pending.reject(error)
    }
  }

  #again(pending: Pending): void {
    const now = this.#clock.monotonic()
    const waited = now - pending.deadline + pending.question.timeoutMs
    pending.sendAt = now + within(SOONEST_RESEND_MS, waited / 4, LONGEST_RESEND_MS)
    pending.doubtAt = LATER
  }

  /** @returns false when it had ended before */
  #end(pending: Pending): boolean {
    if (pending.place === undefined || !this.#pending.leave(pending.place)) return false
    pending.place = undefined
    pending.sent?.close()
    pending.stopListening?.()
    const { open, command, question } = pending
    open.delete(command.n)
    if (open.size === 0) this.#open.delete(question.to)
    return true
  }

  /** One ticker for all: a timer per ask costs more than the ask. */
  #tickSoon(): void {
    if (this.#ticker !== undefined || this.#stopped) return
    this.#ticker = this.#clock.after(
      TICK_MS,
      () => {
        this.#ticker = undefined
        const now = this.#clock.monotonic()
        for (const pending of this.#pending) {
          if (pending.deadline > now) {
            if (pending.sendAt <= now) this.#sendAgain(pending, now)
            else if (pending.doubtAt <= now) this.#doubt(pending)
          } else if (this.#end(pending)) pending.reject(timeoutOf(pending))
        }
        if (!this.#pending.empty) this.#tickSoon()
      },
      KEEP_ALIVE,
    )
  }
}

const within = (least: number, value: number, most: number): number => Math.max(least, Math.min(value, most))

/** Longer than any clock may be set ahead: what an ask leaves in the log ends at a time that can be written. */
const LONGEST_TIMEOUT_MS = LAST_MS / 2

/** @throws RangeError: a deadline that is not a number never comes */
export function checkTimeout(timeoutMs: number): void {
  if (timeoutMs >= 0 && timeoutMs <= LONGEST_TIMEOUT_MS) return
  throw new RangeError(`timeoutMs is ${timeoutMs}; it must be a number of milliseconds, 0 or more, and end some day`)
}

function envelopeOf({ question, command }: Pending, remainingMs: number): Envelope {
  const { to, event, order, cause, key } = question
  const envelope: Envelope =
    order === undefined
      ? { v: 1, kind: 'event', to, cause, command, remainingMs, event }
      : { v: 1, kind: 'operator', to, cause, command, remainingMs, order }
  return key === undefined ? envelope : { ...envelope, key }
}

/** @returns ends the listening: a signal may live longer than what it can abort */
function onAbort(signal: AbortSignal, run: (reason: unknown) => void): () => void {
  const listener = () => run(signal.reason)
  signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}

/** Answers of a node that no longer, or not yet, has the actor: the same command goes out again. */
const AGAIN: ReadonlySet<string> = new Set([
  'Moved',
  'SystemStopped',
  'LogUnavailable',
  'TypeNotServed',
  'TypeNotYetServed',
])

/** Numbers only grow, so the first that was put in is the lowest. */
function oldest(open: ReadonlySet<number>): number {
  const [first = 0] = open
  return first
}

function timeoutOf({ question, lastError }: Pending): Timeout {
  const last = lastError === undefined ? 'nobody answered' : `the last word was ${lastError.code}: ${lastError.message}`
  return new Timeout(
    `'${question.to}' gave no answer within ${question.timeoutMs} ms (${last}); it may have been applied: ask again with an idempotencyKey`,
    { to: question.to, timeoutMs: question.timeoutMs, ...(lastError !== undefined && { last: lastError.code }) },
    lastError,
  )
}
