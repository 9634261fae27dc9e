/**
 * At most so many at a time; the rest wait in order of arrival.
 *
 * 1. A place is free again when the work has really ended, not when its caller has given up.
 * 2. A wait ends by its turn or its signal and leaves no listener; more than may wait are refused with `Busy`.
 */
import { Busy } from './errors.ts'
import { Lines } from './lines.ts'
import { onAbort } from './on-abort.ts'
import { COUNT_FROM_0, check, WHOLE_FROM_1 } from './ranges.ts'

export interface BulkheadOptions {
  readonly concurrent: number
  /** @defaultValue 1_000 */
  readonly maxWaiting?: number
}

export class Bulkhead {
  readonly #concurrent: number
  readonly #maxWaiting: number
  readonly #lines = new Lines<() => void>()
  #running = 0

  /** @throws RangeError for options that mean nothing */
  constructor({ concurrent, maxWaiting = 1_000 }: BulkheadOptions) {
    check('a bulkhead', WHOLE_FROM_1, { concurrent })
    check('a bulkhead', COUNT_FROM_0, { maxWaiting })
    this.#concurrent = concurrent
    this.#maxWaiting = maxWaiting
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#lines.size
  }

  /** @throws Busy, or the reason of the signal while it waits */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    if (this.#running < this.#concurrent) this.#running += 1
    else await this.#turn(signal)
    try {
      // It may have aborted between its turn and now.
      signal?.throwIfAborted()
      return await work()
    } finally {
      const next = this.#lines.next()
      if (next === undefined) this.#running -= 1
      else {
        // The place goes over without becoming free: nobody who comes now is faster.
        this.#lines.served(next)
        next.value()
      }
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    const waiting = this.#lines.size
    if (waiting >= this.#maxWaiting) {
      throw new Busy(`${this.#running} run and ${waiting} wait already`, { waiting })
    }
    return new Promise((resolve, reject) => {
      const place = this.#lines.add(() => {
        listening()
        resolve()
      }, 0)
      const listening = onAbort(signal, () => {
        listening()
        this.#lines.leave(place)
        reject(signal?.reason)
      })
    })
  }
}
