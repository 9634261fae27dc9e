/**
 * Waits for buckets: one queue before all limits of a provider, key and model, for the calls of this process.
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
  forgive,
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
import { type Grant, type Granting, Held } from './grant.ts'
import { COUNT_FROM_0, check } from './ranges.ts'
import { tooLate, WaitingLine, type WaitOptions } from './waiting-line.ts'

export interface LimiterOptions<Name extends string> {
  readonly limits: Limits<Name>
  readonly clock: Clock
  /** Calls that may wait; more are refused with `Busy`. @defaultValue 10_000 */
  readonly maxWaiting?: number
}

export class Limiter<Name extends string> implements Granting<Name> {
  readonly #buckets: Buckets<Name>
  readonly #clock: Clock
  readonly #line: WaitingLine<Name, Grant<Name>>
  #timer: Timer | undefined

  /** @throws RangeError for a limit that is none, or options that mean nothing */
  constructor({ limits, clock, maxWaiting = 10_000 }: LimiterOptions<Name>) {
    check('a limiter', COUNT_FROM_0, { maxWaiting })
    this.#clock = clock
    this.#buckets = openBuckets(limits, clock.monotonic())
    const pump = () => this.#pump()
    const late = (cost: Cost<Name>, leftMs: number) => tooLate(limitOf(this.check(cost)), leftMs, undefined)
    this.#line = new WaitingLine({ clock, maxWaiting, pump, late })
  }

  get waiting(): number {
    return this.#line.size
  }

  /** What could be taken of each limit if its pace allowed it; below 0 when more was used than reserved. */
  rooms(): ReadonlyMap<Name, number> {
    return rooms(this.#buckets, this.#clock.monotonic())
  }

  /** When a call could leave; with others before it, the earliest time. Takes nothing. */
  check(cost: Cost<Name>, { priority = 0 }: Pick<WaitOptions, 'priority'> = {}): Outlook<Name> {
    return look(this.#buckets, this.#clock.monotonic(), cost, this.#line.ahead(priority))
  }

  tryTake(cost: Cost<Name>): Grant<Name> | undefined {
    if (this.#line.size > 0) return undefined
    const taking = take(this.#buckets, this.#clock.monotonic(), cost)
    return taking.kind === 'taken' ? this.#grant(taking.taken, 0) : undefined
  }

  async wait(cost: Cost<Name>, options: WaitOptions = {}): Promise<Grant<Name>> {
    options.signal?.throwIfAborted()
    return this.tryTake(cost) ?? this.#queue(cost, options)
  }

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

  learn(told: Told): void {
    learn(this.#buckets, this.#clock.monotonic(), told)
    this.#pump()
  }

  drain(retryAfterMs = 0): void {
    close(this.#buckets, this.#clock.monotonic(), retryAfterMs)
    this.#pump()
  }

  async #queue(cost: Cost<Name>, options: WaitOptions): Promise<Grant<Name>> {
    const { priority = 0, deadlineMs } = options
    this.#line.checkRoom()
    const nowMs = this.#clock.monotonic()
    forgive(this.#buckets, nowMs, cost)
    const outlook = look(this.#buckets, nowMs, cost, deadlineMs === undefined ? undefined : this.#line.ahead(priority))
    if (outlook.kind === 'never') throw outlook.error
    if (deadlineMs !== undefined) {
      const untilMs = outlook.kind === 'now' ? nowMs : outlook.untilMs
      if (deadlineMs <= nowMs || (untilMs > deadlineMs && untilMs < Infinity)) {
        throw tooLate(limitOf(outlook), deadlineMs - nowMs, untilMs - nowMs)
      }
    }
    return this.#line.join(cost, options)
  }

  /** Serves everybody whose turn has come, and sets the timer for the next one. */
  #pump(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (let place = this.#line.next(); place !== undefined; place = this.#line.next()) {
      const nowMs = this.#clock.monotonic()
      const taking = take(this.#buckets, nowMs, place.value.cost)
      if (taking.kind === 'later') {
        const run = () => this.#pump()
        if (taking.untilMs < Infinity) {
          this.#timer = this.#clock.after(taking.untilMs - nowMs, run, { keepAlive: true })
        }
        return
      }
      if (taking.kind === 'never') this.#line.fail(place, taking.error)
      else this.#line.serve(place, this.#grant(taking.taken, nowMs - place.value.sinceMs))
    }
  }

  #grant(taken: Taken, waitedMs: number): Grant<Name> {
    return new Held(this.#buckets, this.#clock, taken, waitedMs, this.#moved)
  }

  readonly #moved = (): void => {
    if (this.#line.size > 0) this.#pump()
  }
}

function limitOf<Name extends string>(outlook: Outlook<Name>): Name | undefined {
  return outlook.kind === 'later' ? outlook.limit : undefined
}
