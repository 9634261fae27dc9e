/** What one call holds of its limits. The first of `settle` and `release` counts; what comes later changes nothing. */
import type { Clock } from '@troupe/core'
import { type Buckets, begin, type Cost, release, settle, type Taken } from './buckets.ts'

export interface Grant<Name extends string> {
  readonly waitedMs: number
  /** The call leaves now. Without it the whole time until `settle` counts, which is safe and slower. */
  begin(): void
  /** The call has ended; what it really used, where that is known. */
  settle(actual?: Cost<Name>): void
  /** The call never left. */
  release(): void
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
