/** For the tests: virtual time in which everything that follows from a timer has happened before the next one runs. */
import { setImmediate } from 'node:timers/promises'
import { type Clock, cryptoEntropy } from '@troupe/core'
import { manualClock } from '@troupe/core/testing'

export interface SteppedClock extends Clock {
  /** Runs what is due until then, each timer and all promises that follow from it at its own time. */
  run(ms: number): Promise<void>
  /** Timers that wait. */
  readonly waiting: number
}

export function steppedClock(): SteppedClock {
  const clock = manualClock()
  const dues = new Set<{ readonly atMs: number }>()
  return {
    now: clock.now,
    monotonic: clock.monotonic,
    after: (delayMs, work) => {
      const due = { atMs: clock.monotonic() + Math.max(0, delayMs) }
      dues.add(due)
      const timer = clock.after(delayMs, () => {
        dues.delete(due)
        work()
      })
      return {
        cancel: () => {
          dues.delete(due)
          timer.cancel()
        },
      }
    },
    async run(ms) {
      const endMs = clock.monotonic() + ms
      for (;;) {
        await setImmediate()
        const nextMs = Math.min(...[...dues].map(({ atMs }) => atMs))
        if (nextMs > endMs) break
        clock.advance(nextMs - clock.monotonic())
      }
      clock.advance(endMs - clock.monotonic())
      await setImmediate()
    },
    get waiting() {
      return dues.size
    },
  }
}

/** The seeds of a property: fixed ones and a fresh one, or that of `RESILIENCE_SEED` alone. A failing test has its seed in its name. */
export function seeds(count: number): readonly string[] {
  const given = process.env['RESILIENCE_SEED']
  if (given !== undefined) return [given]
  return [...Array.from({ length: count - 1 }, (_, n) => `${n + 1}`), cryptoEntropy().hex(32)]
}

/** Sums of times differ by less, however they are added up. */
const ROUNDING_MS = 1e-6

/** The largest sum of what happened in any `windowMs` long span. */
export function fullestWindow(
  events: readonly { readonly atMs: number; readonly amount: number }[],
  windowMs: number,
): number {
  const sorted = events.toSorted((a, b) => a.atMs - b.atMs)
  let [sum, from, fullest] = [0, 0, 0]
  for (const { atMs, amount } of sorted) {
    sum += amount
    for (
      let oldest = sorted[from];
      oldest !== undefined && atMs - oldest.atMs > windowMs - ROUNDING_MS;
      oldest = sorted[from]
    ) {
      sum -= oldest.amount
      from += 1
    }
    fullest = Math.max(fullest, sum)
  }
  return fullest
}
