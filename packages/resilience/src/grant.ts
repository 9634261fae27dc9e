/** What one call holds of its limits. The first of `settle` and `release` counts; what comes later changes nothing. */
import type { Clock } from '@troupe/core'
import { type Buckets, begin, type Cost, release, settle, type Taken, type Told } from './buckets.ts'
import type { WaitOptions } from './waiting-line.ts'

export interface Grant<Name extends string> {
  readonly waitedMs: number
  /** The call leaves now. Without it the whole time until `settle` counts, which is safe and slower. */
  begin(): void
  /** The call has ended; what it really used, where that is known. */
  settle(actual?: Cost<Name>): void
  /** The call never left. */
  release(): void
}

/** Whoever grants: the limits of this process (`limiter.ts`), or those of a whole cluster (`gate.ts`). */
export interface Granting<Name extends string> {
  readonly waiting: number
  /** A grant, if there is one without waiting. */
  tryTake(cost: Cost<Name>): Grant<Name> | undefined
  /** @throws CostRefused, LimitReached, Busy, BreakerOpen, or the reason of the signal */
  wait(cost: Cost<Name>, options?: WaitOptions): Promise<Grant<Name>>
  /** What `work` has neither settled nor released counts in full when it ends. */
  run<T>(cost: Cost<Name>, options: WaitOptions, work: (grant: Grant<Name>) => Promise<T>): Promise<T>
  /** What the provider's headers say; see `readHeaders`. */
  learn(told: Told): void
  /** The provider has refused a call for its rate. */
  drain(retryAfterMs?: number): void
}

/** Its limiter hears of each change: somebody may wait for it. */
export class Held<Name extends string> implements Grant<Name> {
  readonly waitedMs: number
  readonly #buckets: Buckets<Name>
  readonly #clock: Clock
  readonly #taken: Taken
  readonly #moved: () => void

  constructor(buckets: Buckets<Name>, clock: Clock, taken: Taken, waitedMs: number, moved: () => void) {
    this.waitedMs = waitedMs
    this.#buckets = buckets
    this.#clock = clock
    this.#taken = taken
    this.#moved = moved
  }

  begin(): void {
    begin(this.#buckets, this.#clock.monotonic(), this.#taken)
    // What was held without an end has one now.
    this.#moved()
  }

  settle(actual?: Cost<Name>): void {
    settle(this.#buckets, this.#clock.monotonic(), this.#taken, actual)
    this.#moved()
  }

  release(): void {
    release(this.#buckets, this.#clock.monotonic(), this.#taken)
    this.#moved()
  }
}
