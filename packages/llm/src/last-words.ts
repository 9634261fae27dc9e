/**
 * What a stream says after the end of its answer: usage, and that it is over. Some servers never say it, and keep the connection.
 *
 * 1. It is waited for `LAST_WORDS_MS`, counted from the end of the answer; more than the answer is no reason to lose it.
 * 2. A connection that breaks off now has ended. An abort of the call is none of this, and ends it as ever.
 */
import type { Clock, Timer } from '@troupe/core'
import { ModelError } from './model.ts'

export const LAST_WORDS_MS = 1_000

export class LastWords {
  readonly #late = Promise.withResolvers<undefined>()
  readonly #timer: Timer

  constructor(clock: Clock) {
    this.#timer = clock.after(LAST_WORDS_MS, () => this.#late.resolve(undefined))
  }

  /** What `read` gives; undefined when nothing more is to come. */
  async of<T>(read: Promise<T>): Promise<T | undefined> {
    const brokenOff = (error: unknown): undefined => {
      if (!(error instanceof ModelError && error.code === 'Unreachable')) throw error
    }
    return Promise.race([read.catch(brokenOff), this.#late.promise])
  }

  stop(): void {
    this.#timer.cancel()
  }
}
