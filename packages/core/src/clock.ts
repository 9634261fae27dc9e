/**
 * The real clock. Code under the runtime takes a `Clock`; only this file reads the machine's time.
 *
 * 1. Timers do not keep the process alive unless they are asked to.
 * 2. `after` never fires early: Node may fire up to a millisecond too soon, so what is left is waited for again.
 */
import type { Clock, Timer } from './ports.ts'

/** The last time anything may wait for, in the year 2262: NATS counts nanoseconds in 64 bits, and fires a later one at once. */
export const LAST_MS = 9_223_372_036_000

/** Node fires a longer timer at once. Longer waits are made of several. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export function realClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    after: (delayMs, run, options) => timer(performance.now() + delayMs, run, options?.keepAlive === true),
  }
}

function timer(dueMs: number, run: () => void, keepAlive: boolean): Timer {
  let handle: NodeJS.Timeout
  const arm = (): void => {
    const leftMs = Math.min(Math.max(Math.ceil(dueMs - performance.now()), 0), LONGEST_TIMER_MS)
    handle = setTimeout(() => (performance.now() < dueMs ? arm() : run()), leftMs)
    if (!keepAlive) handle.unref()
  }
  arm()
  return { cancel: () => clearTimeout(handle) }
}
