/**
 * The clocks of one simulated process, as wrong as real ones: its monotonic clock runs fast or slow, its wall clock is off and
 * is set anew now and then.
 *
 * 1. The rate is a process's own for its whole life: how much of its time passes in one millisecond of the server's.
 * 2. Only the server's time orders what happens in the simulation.
 */
import type { Clock, Timer } from '../ports.ts'
import type { VirtualTime } from './clock.ts'

export class ProcessClock implements Clock {
  /** How far the wall clock is ahead of the server's. */
  skewMs = 0
  readonly #time: VirtualTime
  readonly #rate: number
  readonly #run: (task: () => void) => void

  /** @param run how a timer of this process is run */
  constructor(time: VirtualTime, rate: number, run: (task: () => void) => void) {
    this.#time = time
    this.#rate = rate
    this.#run = run
  }

  now(): number {
    return Math.floor(this.#time.wallMs + this.skewMs)
  }

  monotonic(): number {
    return this.#time.elapsedMs * this.#rate
  }

  after(delayMs: number, run: () => void): Timer {
    let cancelled = false
    const timer = this.#time.at(delayMs / this.#rate, () => {
      this.#run(() => {
        if (!cancelled) run()
      })
    })
    return {
      cancel: () => {
        cancelled = true
        timer.cancel()
      },
    }
  }
}
