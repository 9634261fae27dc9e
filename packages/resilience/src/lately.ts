/** What was taken of late, to ask for about as much again: counts of this span of time and the one before it. */
import type { Clock } from '@troupe/core'
import type { Cost } from './buckets.ts'

export interface Some {
  calls: number
  readonly amounts: { [limit: string]: number }
}

export class Lately {
  readonly #clock: Clock
  readonly #spanMs: number
  #sinceMs: number
  #now: Some = { calls: 0, amounts: {} }
  #before: Some = { calls: 0, amounts: {} }

  constructor(clock: Clock, spanMs: number) {
    this.#clock = clock
    this.#spanMs = spanMs
    this.#sinceMs = clock.monotonic()
  }

  add(cost: Cost<string>): void {
    this.#turn()
    addTo(this.#now, cost)
  }

  /** Per span. */
  get usual(): Some {
    this.#turn()
    return this.#now.calls > this.#before.calls ? this.#now : this.#before
  }

  #turn(): void {
    const spans = Math.floor((this.#clock.monotonic() - this.#sinceMs) / this.#spanMs)
    if (spans === 0) return
    this.#sinceMs += spans * this.#spanMs
    this.#before = spans === 1 ? this.#now : { calls: 0, amounts: {} }
    this.#now = { calls: 0, amounts: {} }
  }
}

export function addTo(some: Some, cost: Cost<string>): void {
  some.calls += 1
  for (const [name, amount = 0] of Object.entries(cost)) some.amounts[name] = (some.amounts[name] ?? 0) + amount
}
