/**
 * Waits for buckets: one queue before all limits of a provider, key and model.
 *
 * 1. Turns go as `lines.ts` says, and who has the turn is waited for: a large call is not starved by small ones.
 * 2. A wait that cannot end before its deadline is refused at once with what it would have taken; one that cannot end at all too.
 *    What is ahead counts as reserved, so a wait that is refused might have been shorter by what others give back.
 * 3. A wait ends by its grant, its deadline, its signal or a lowered cap, whichever is first, and leaves no timer and no listener.
 * 4. A grant is held until it is settled or released: whoever loses one loses its concurrency for good.
 */
import type { Clock, Timer } from '@troupe/core'
import {
  type Buckets,
  type Cost,
  close,
  type Limits,
  learn,
  look,
  type Outlook,
  openBuckets,
  rooms,
  type Taken,
  type Told,
  take,
} from './buckets.ts'
import { Busy, LimitReached } from './errors.ts'
import { type Grant, Held } from './grant.ts'
import { Lines, type Place } from './lines.ts'

export interface LimiterOptions<Name extends string> {
  readonly limits: Limits<Name>
  readonly clock: Clock
  /** Calls that may wait; more are refused with `Busy`. @defaultValue 10_000 */
  readonly maxWaiting?: number
}

export interface WaitOptions {
  /** Higher goes first. @defaultValue 0 */
  readonly priority?: number | undefined
  /** On `clock.monotonic()`. */
  readonly deadlineMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

interface Waiting<Name extends string> {
  readonly cost: Cost<Name>
  readonly sinceMs: number
  readonly resolve: (grant: Grant<Name>) => void
  readonly reject: (reason: unknown) => void
  readonly options: WaitOptions
  onAbort?: () => void
  deadline?: Timer
}

export class Limiter<Name extends string> {
  readonly #buckets: Buckets<Name>
  readonly #clock: Clock
  readonly #maxWaiting: number
  readonly #lines = new Lines<Waiting<Name>>()
  #timer: Timer | undefined

  /** @throws RangeError for a limit that is none */
  constructor({ limits, clock, maxWaiting = 10_000 }: LimiterOptions<Name>) {
    this.#clock = clock
    this.#maxWaiting = maxWaiting
    this.#buckets = openBuckets(limits, clock.monotonic())
  }

  get waiting(): number {
    return this.#lines.size
  }

  /** What could be taken of each limit if its pace allowed it; below 0 when more was used than reserved. */
  rooms(): ReadonlyMap<Name, number> {
    return rooms(this.#buckets, this.#clock.monotonic())
  }

  /** When a call could leave; with others before it, the earliest time. Takes nothing. */
  check(cost: Cost<Name>, { priority = 0 }: Pick<WaitOptions, 'priority'> = {}): Outlook<Name> {
    return look(this.#buckets, this.#clock.monotonic(), cost, this.#ahead(priority))
  }

  /** A grant, if there is one without waiting. */
  tryTake(cost: Cost<Name>): Grant<Name> | undefined {
    if (this.#lines.size > 0) return undefined
    const taking = take(this.#buckets, this.#clock.monotonic(), cost)
    return taking.kind === 'taken' ? this.#grant(taking.taken, 0) : undefined
  }

  /** @throws CostRefused, LimitReached, Busy, or the reason of the signal */
  async wait(cost: Cost<Name>, options: WaitOptions = {}): Promise<Grant<Name>> {
    options.signal?.throwIfAborted()
    return this.tryTake(cost) ?? this.#queue(cost, options)
  }

  /** What `work` has neither settled nor released counts in full when it ends. */
  async run<T>(cost: Cost<Name>, options: WaitOptions, work: (grant: Grant<Name>) => Promise<T>): Promise<T> {
    options.signal?.throwIfAborted()
    const grant = this.tryTake(cost) ?? (await this.#queue(cost, options))
    try {
      // Its signal may have aborted between its turn and now.
      if (options.signal?.aborted) grant.release()
      options.signal?.throwIfAborted()
      return await work(grant)
    } finally {
      grant.settle()
    }
  }

  /** What the provider's headers say; see `readHeaders`. */
  learn(told: Told): void {
    learn(this.#buckets, this.#clock.monotonic(), told)
    this.#pump()
  }

  /** The provider has refused a call for its rate. */
  drain(retryAfterMs = 0): void {
    close(this.#buckets, this.#clock.monotonic(), retryAfterMs)
    this.#pump()
  }

  async #queue(cost: Cost<Name>, options: WaitOptions): Promise<Grant<Name>> {
    const { priority = 0, deadlineMs, signal } = options
    if (Number.isNaN(priority)) throw new RangeError('a priority is a number')
    const nowMs = this.#clock.monotonic()
    const size = this.#lines.size
    if (size >= this.#maxWaiting) throw new Busy(`${size} calls wait for these limits already`, { waiting: size })
    const outlook = look(this.#buckets, nowMs, cost, deadlineMs === undefined ? undefined : this.#ahead(priority))
    if (outlook.kind === 'never') throw outlook.error
    if (deadlineMs !== undefined) {
      const untilMs = outlook.kind === 'now' ? nowMs : outlook.untilMs
      if (deadlineMs <= nowMs || (untilMs > deadlineMs && untilMs < Infinity)) {
        throw tooLate(outlook, deadlineMs - nowMs, untilMs - nowMs)
      }
    }
    return new Promise((resolve, reject) => {
      const place = this.#lines.add({ cost, sinceMs: nowMs, resolve, reject, options }, priority)
      const waiting = place.value
      if (deadlineMs !== undefined) {
        const late = () => {
          // A turn that comes at the deadline itself is in time.
          this.#pump()
          if (place.waits) this.#end(place, tooLate(this.check(cost), deadlineMs - nowMs, undefined))
        }
        waiting.deadline = this.#clock.after(deadlineMs - nowMs, late, { keepAlive: true })
      }
      if (signal !== undefined) {
        waiting.onAbort = () => this.#end(place, signal.reason)
        signal.addEventListener('abort', waiting.onAbort)
      }
      if (this.#lines.next() === place) this.#pump()
    })
  }

  /** Serves everybody whose turn has come, and sets the timer for the next one. */
  #pump(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (let place = this.#lines.next(); place !== undefined; place = this.#lines.next()) {
      const nowMs = this.#clock.monotonic()
      const { cost, resolve, reject, sinceMs } = place.value
      const taking = take(this.#buckets, nowMs, cost)
      if (taking.kind === 'later') {
        const run = () => this.#pump()
        if (taking.untilMs < Infinity) {
          this.#timer = this.#clock.after(taking.untilMs - nowMs, run, { keepAlive: true })
        }
        return
      }
      this.#lines.served(place)
      forget(place.value)
      if (taking.kind === 'taken') resolve(this.#grant(taking.taken, nowMs - sinceMs))
      else reject(taking.error)
    }
  }

  #end(place: Place<Waiting<Name>>, reason: unknown): void {
    this.#lines.leave(place)
    forget(place.value)
    place.value.reject(reason)
    this.#pump()
  }

  #grant(taken: Taken, waitedMs: number): Grant<Name> {
    return new Held(this.#buckets, this.#clock, taken, waitedMs, this.#moved)
  }

  readonly #moved = (): void => {
    if (this.#lines.size > 0) this.#pump()
  }

  /** What those before a newcomer cost. */
  #ahead(priority: number): ReadonlyMap<Name, number> {
    const sums = new Map<Name, number>()
    for (const { cost } of this.#lines.before(priority)) {
      for (const { name } of this.#buckets.meters) sums.set(name, (sums.get(name) ?? 0) + (cost[name] ?? 0))
    }
    return sums
  }
}

function forget({ options: { signal }, onAbort, deadline }: Waiting<string>): void {
  deadline?.cancel()
  if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
}

function tooLate(outlook: Outlook<string>, leftMs: number, waitMs: number | undefined): LimitReached {
  const limit = outlook.kind === 'later' ? outlook.limit : undefined
  const what = limit === undefined ? 'these limits' : `limit '${limit}'`
  const wait = waitMs === undefined ? '' : `, earliest in ${Math.ceil(waitMs)} ms`
  return new LimitReached(`${what}: no room within the ${Math.max(0, Math.round(leftMs))} ms left${wait}`, {
    ...(limit !== undefined && { limit }),
    ...(waitMs !== undefined && { retryAfterMs: Math.ceil(waitMs) }),
  })
}
