/**
 * What one holder may use without asking the gate again, and what it has to say about it afterwards.
 *
 * 1. An allowance closes when its time is over or its calls are used up, but not before every call that took of it has begun or was
 *    given back: its gate then lets it leave the window.
 * 2. What it says are sums, so it may say them as often as it likes. It is over when its gate has heard of its last call.
 */
import type { Clock, Timer } from '@troupe/core'
import type { Cost } from './buckets.ts'
import type { Drawn, Entry } from './gate-protocol.ts'
import type { Grant } from './grant.ts'

type Granted = Extract<Drawn, { readonly kind: 'granted' }>
type Amounts = { [limit: string]: number }

export class Allowance {
  readonly id: number
  readonly #untilMs: number
  readonly #timer: Timer
  readonly #left: Amounts
  readonly #spent: Amounts = {}
  readonly #used: Amounts = {}
  readonly #changed: () => void
  #calls: number
  #unbegun = 0
  #running = 0
  #ended = false
  #closed = false
  #succeeded = 0
  #failed = 0

  /** @param askedMs when its gate was asked, on the holder's clock: its time began then. @param changed there is something to tell */
  constructor({ id, calls, amounts, forMs }: Granted, clock: Clock, askedMs: number, changed: () => void) {
    this.id = id
    this.#untilMs = askedMs + forMs
    this.#timer = clock.after(this.#untilMs - clock.monotonic(), () => this.end())
    this.#left = { ...amounts }
    this.#calls = calls
    this.#changed = changed
    for (const name of Object.keys(amounts)) this.#spent[name] = this.#used[name] = 0
  }

  /** None of its calls runs any more, and none will. */
  get over(): boolean {
    return this.#closed && this.#running === 0
  }

  get entry(): Entry {
    return {
      id: this.id,
      ...(this.#closed && { spent: { ...this.#spent } }),
      ...(this.over && { used: { ...this.#used } }),
      succeeded: this.#succeeded,
      failed: this.#failed,
    }
  }

  covers(cost: Cost<string>, nowMs: number): boolean {
    if (this.#ended || this.#calls === 0 || nowMs >= this.#untilMs) return false
    return Object.keys(this.#left).every((name) => (cost[name] ?? 0) <= (this.#left[name] ?? 0))
  }

  /** For a cost that it covers. */
  take(cost: Cost<string>, waitedMs: number): HeldCall {
    this.#calls -= 1
    this.#unbegun += 1
    this.#running += 1
    this.#move(cost, this.#left, -1)
    this.#move(cost, this.#spent, 1)
    return new HeldCall(this, cost, waitedMs)
  }

  /** No further call may begin with it. */
  end(): void {
    this.#ended = true
    this.#tend()
  }

  /** @internal For its calls. */
  begun(): void {
    this.#unbegun -= 1
    this.#tend()
  }

  /** @internal For its calls. `used` is undefined for one that never left. */
  settled(cost: Cost<string>, used: Cost<string> | undefined, begun: boolean): void {
    this.#running -= 1
    if (!begun) this.#unbegun -= 1
    if (used !== undefined) {
      for (const name of Object.keys(this.#used)) {
        const sum = (this.#used[name] ?? 0) + plausible(used[name], cost[name] ?? 0)
        this.#used[name] = Math.min(sum, Number.MAX_SAFE_INTEGER)
      }
    } else if (!this.#closed) {
      this.#calls += 1
      this.#move(cost, this.#left, 1)
      this.#move(cost, this.#spent, -1)
    }
    this.#tend()
    this.#changed()
  }

  /** @internal For its calls. */
  judged(verdict: 'succeeded' | 'failed'): void {
    if (verdict === 'succeeded') this.#succeeded += 1
    else this.#failed += 1
    // Work that ignores its signal may not end for long.
    this.#changed()
  }

  #tend(): void {
    if (this.#closed || this.#unbegun > 0 || !(this.#ended || this.#calls === 0)) return
    this.#ended = true
    this.#closed = true
    this.#timer.cancel()
    this.#changed()
  }

  #move(cost: Cost<string>, amounts: Amounts, sign: 1 | -1): void {
    for (const name of Object.keys(amounts)) amounts[name] = (amounts[name] ?? 0) + sign * (cost[name] ?? 0)
  }
}

/** What one call holds of an allowance. */
export class HeldCall implements Grant<string> {
  readonly waitedMs: number
  readonly #allowance: Allowance
  readonly #cost: Cost<string>
  #state: 'held' | 'begun' | 'ended' = 'held'
  #begun = false

  constructor(allowance: Allowance, cost: Cost<string>, waitedMs: number) {
    this.waitedMs = waitedMs
    this.#allowance = allowance
    this.#cost = cost
  }

  /** Whether the call has left. */
  get hasLeft(): boolean {
    return this.#begun
  }

  begin(): void {
    if (this.#state !== 'held') return
    this.#state = 'begun'
    this.#begun = true
    this.#allowance.begun()
  }

  settle(actual: Cost<string> = {}): void {
    this.#end(actual)
  }

  release(): void {
    this.#end(undefined)
  }

  /** How the call went, for the breaker of its gate. */
  judge(verdict: 'succeeded' | 'failed'): void {
    this.#allowance.judged(verdict)
  }

  #end(used: Cost<string> | undefined): void {
    if (this.#state === 'ended') return
    const begun = this.#state === 'begun'
    this.#state = 'ended'
    this.#allowance.settled(this.#cost, used, begun)
  }
}

/** A figure that is none counts as all that was reserved. */
function plausible(used: number | undefined, reserved: number): number {
  const whole = Math.ceil(Math.max(0, used ?? reserved))
  return Number.isSafeInteger(whole) ? whole : reserved
}
