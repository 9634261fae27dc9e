/**
 * A clock for tests that moves when told.
 *
 * 1. `advance` runs what is due in order of its time, then in the order it was set, each at its own time; what a callback sets
 *    within the span runs too. Promises are not waited for: a test that needs them awaits between two steps.
 */
import type { Clock } from '../ports.ts'

export interface ManualClock extends Clock {
  /** Moves on and runs what is due. */
  advance(ms: number): void
  /** Moves the wall clock alone, as an administrator or NTP does; `monotonic` and timers do not notice. */
  shiftWall(ms: number): void
  /** Timers that wait. */
  readonly waiting: number
}

interface Entry {
  readonly dueMs: number
  readonly run: () => void
}

export function manualClock(startMs = 0): ManualClock {
  let elapsedMs = 0
  let wallMs = startMs
  const timers = new Set<Entry>()
  const next = (untilMs: number): Entry | undefined => {
    let first: Entry | undefined
    for (const timer of timers) if (timer.dueMs <= untilMs && timer.dueMs < (first?.dueMs ?? Infinity)) first = timer
    return first
  }
  return {
    now: () => wallMs + elapsedMs,
    monotonic: () => elapsedMs,
    after: (delayMs, run) => {
      const timer = { dueMs: elapsedMs + Math.max(0, delayMs), run }
      timers.add(timer)
      return { cancel: () => timers.delete(timer) }
    },
    advance: (ms) => {
      const endMs = elapsedMs + ms
      for (let timer = next(endMs); timer !== undefined; timer = next(endMs)) {
        timers.delete(timer)
        elapsedMs = timer.dueMs
        timer.run()
      }
      elapsedMs = endMs
    },
    shiftWall: (ms) => {
      wallMs += ms
    },
    get waiting() {
      return timers.size
    },
  }
}
