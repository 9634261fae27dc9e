/** A clock for tests that moves when told. */
import type { Clock } from '@troupe/core'

export interface ManualClock extends Clock {
  /** Moves on and runs what is due, in order. */
  advance(ms: number): void
}

export function manualClock(): ManualClock {
  let nowMs = 0
  const timers = new Set<{ readonly dueMs: number; readonly run: () => void }>()
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    after: (delayMs, run) => {
      const timer = { dueMs: nowMs + delayMs, run }
      timers.add(timer)
      return { cancel: () => timers.delete(timer) }
    },
    advance: (ms) => {
      const endMs = nowMs + ms
      for (;;) {
        const next = [...timers].sort((a, b) => a.dueMs - b.dueMs)[0]
        if (next === undefined || next.dueMs > endMs) break
        timers.delete(next)
        nowMs = next.dueMs
        next.run()
      }
      nowMs = endMs
    },
  }
}
