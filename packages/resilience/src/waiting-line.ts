/**
 * Calls that wait for a grant, whoever gives it: turns as `lines.ts` says, with deadlines and aborts.
 *
 * 1. A wait ends once: by its grant, its deadline, its signal or a refusal, and leaves no timer and no listener.
 * 2. A turn that comes at the deadline itself is in time: whoever grants is asked once more before a wait is late.
 */
import type { Cause, Clock, Timer } from '@troupe/core'
import { Ahead } from './ahead.ts'
import type { Cost } from './buckets.ts'
import { Busy, LimitReached } from './errors.ts'
import { Lines, type Place } from './lines.ts'

export interface WaitOptions {
  /** Higher goes first. @defaultValue 0 */
  readonly priority?: number | undefined
  /** On `clock.monotonic()`. */
  readonly deadlineMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** What the call is a part of, for the causal log, where granting is recorded. */
  readonly cause?: Cause | undefined
}

export interface Waiting<Name extends string> {
  readonly cost: Cost<Name>
  readonly sinceMs: number
  readonly options: WaitOptions
}

interface Waiter<Name extends string, G> extends Waiting<Name> {
  readonly resolve: (grant: G) => void
  readonly reject: (reason: unknown) => void
  onAbort?: () => void
  deadline?: Timer
}

export type Waits<Name extends string, G> = Place<Waiter<Name, G>>

export interface WaitingLineOptions<Name extends string> {
  readonly clock: Clock
  readonly maxWaiting: number
  /** Somebody may have their turn now. */
  readonly pump: () => void
  /** What a wait ends with whose deadline has come. @param leftMs it had when it began */
  readonly late: (cost: Cost<Name>, leftMs: number) => LimitReached
}

/** `G`: what those who wait are given. */
export class WaitingLine<Name extends string, G> {
  readonly #o: WaitingLineOptions<Name>
  readonly #lines = new Lines<Waiter<Name, G>>()
  readonly #ahead = new Ahead<Name>()

  constructor(options: WaitingLineOptions<Name>) {
    this.#o = options
  }

  get size(): number {
    return this.#lines.size
  }

  /** @throws Busy */
  checkRoom(): void {
    const { size } = this.#lines
    if (size >= this.#o.maxWaiting) throw new Busy(`${size} calls wait for these limits already`, { waiting: size })
  }

  /** @throws the refusal that ends the wait, or the reason of its signal */
  join(cost: Cost<Name>, options: WaitOptions): Promise<G> {
    const { priority = 0, deadlineMs, signal } = options
    if (Number.isNaN(priority)) throw new RangeError('a priority is a number')
    const { clock, pump, late } = this.#o
    const sinceMs = clock.monotonic()
    return new Promise((resolve, reject) => {
      const place = this.#lines.add({ cost, sinceMs, resolve, reject, options }, priority)
      this.#ahead.add(cost, priority)
      const waiter = place.value
      if (deadlineMs !== undefined) {
        const end = () => {
          pump()
          if (place.waits) this.refuse(place, late(cost, deadlineMs - sinceMs))
        }
        waiter.deadline = clock.after(deadlineMs - sinceMs, end, { keepAlive: true })
      }
      if (signal !== undefined) {
        waiter.onAbort = () => this.refuse(place, signal.reason)
        signal.addEventListener('abort', waiter.onAbort)
      }
      if (this.#lines.next() === place) pump()
    })
  }

  /** Whose turn it is. */
  next(): Waits<Name, G> | undefined {
    return this.#lines.next()
  }

  serve(place: Waits<Name, G>, grant: G): void {
    this.#lines.served(place)
    this.#forget(place)
    place.value.resolve(grant)
  }

  /** It had its turn, and no grant will come of it. */
  fail(place: Waits<Name, G>, reason: unknown): void {
    this.#lines.served(place)
    this.#forget(place)
    place.value.reject(reason)
  }

  /** Leaves the line; the next one may have its turn now. */
  refuse(place: Waits<Name, G>, reason: unknown): void {
    this.#lines.leave(place)
    this.#forget(place)
    place.value.reject(reason)
    this.#o.pump()
  }

  /** All for which there is a reason leave. Nobody is served by that. */
  refuseAll(reasonFor: (waiting: Waiting<Name>) => unknown): void {
    for (const place of [...this.#lines.places()]) {
      const reason = reasonFor(place.value)
      if (reason === undefined) continue
      this.#lines.leave(place)
      this.#forget(place)
      place.value.reject(reason)
    }
  }

  /** Everybody, in the order of priorities. */
  *everybody(): Generator<Waiting<Name>> {
    for (const { value } of this.#lines.places()) yield value
  }

  /** What those cost that a newcomer of this priority would have before it. */
  ahead(priority: number): ReadonlyMap<Name, number> {
    return this.#ahead.of(priority)
  }

  /** It has left its line. */
  #forget({ priority, value: { cost, deadline, onAbort, options } }: Waits<Name, G>): void {
    this.#ahead.remove(cost, priority)
    deadline?.cancel()
    if (onAbort !== undefined) options.signal?.removeEventListener('abort', onAbort)
  }
}

export function tooLate(limit: string | undefined, leftMs: number, waitMs: number | undefined): LimitReached {
  const what = limit === undefined ? 'these limits' : `limit '${limit}'`
  const wait = waitMs === undefined ? '' : `, earliest in ${Math.ceil(waitMs)} ms`
  return new LimitReached(`${what}: no room within the ${Math.max(0, Math.round(leftMs))} ms left${wait}`, {
    ...(limit !== undefined && { limit }),
    ...(waitMs !== undefined && { retryAfterMs: Math.ceil(waitMs) }),
  })
}
