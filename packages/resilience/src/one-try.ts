/**
 * One try of a protected effect: timeout(breaker(limiter(bulkhead(work)))), each where there is one.
 *
 * 1. The timeout covers the waiting for limits and for a place.
 * 2. A limit's grant begins when the work does, so waiting for a place does not spoil the window. Work that never began gives
 *    everything back; work that failed counts in full.
 * 3. The breaker hears only of work that began.
 * 4. On an aborted signal nothing begins.
 */
import type { Clock, Effect, EffectContext } from '@troupe/core'
import type { Breaker } from './breaker.ts'
import type { Cost } from './buckets.ts'
import type { Bulkhead } from './bulkhead.ts'
import { codeOf } from './errors.ts'
import type { Grant, Granting } from './grant.ts'
import { type Protection, within } from './protection.ts'
import type { RetryDecision } from './retry.ts'
import { timeout } from './timeout.ts'

export interface TryParts<Name extends string> {
  readonly clock: Clock
  readonly limiter: Granting<Name> | undefined
  readonly breaker: Breaker | undefined
  readonly bulkhead: Bulkhead | undefined
}

export interface TryOptions<I, O, Name extends string> {
  readonly limits?: {
    /** At most: what is held back before the call. */
    readonly cost: (input: I) => Cost<NoInfer<Name>>
    /** What the answer says was used. */
    readonly used?: (output: O) => Cost<NoInfer<Name>>
    readonly priority?: (input: I) => number
  }
  /** Of each try. */
  readonly timeoutMs?: number
}

/** As the record shows it. */
export interface TryNote {
  ended?: string
  waitedMs?: number
  /** Why the figures of what was used could not be had. */
  unread?: string
  next?: RetryDecision
}

export class OneTry<I, O, Name extends string> {
  readonly #inner: Effect<I, O>
  readonly #options: TryOptions<I, O, Name>
  readonly #parts: TryParts<Name>
  readonly #note: TryNote
  readonly #layer: Protection
  #begun = false

  constructor(
    inner: Effect<I, O>,
    options: TryOptions<I, O, Name>,
    parts: TryParts<Name>,
    note: TryNote,
    layer: Protection,
  ) {
    this.#inner = inner
    this.#options = options
    this.#parts = parts
    this.#note = note
    this.#layer = layer
  }

  /** @param deadlineMs on the monotonic clock */
  async run(input: I, context: EffectContext, deadlineMs: number): Promise<O> {
    context.signal.throwIfAborted()
    const { timeoutMs = Infinity } = this.#options
    const { clock } = this.#parts
    const at = (signal: AbortSignal) => within(context, this.#layer, signal)
    if (timeoutMs === Infinity && deadlineMs === Infinity) return this.#judged(input, at(context.signal), Infinity)
    const nowMs = clock.monotonic()
    const leftMs = Math.max(0, Math.min(timeoutMs, deadlineMs - nowMs))
    const work = (signal: AbortSignal) => this.#judged(input, at(signal), nowMs + leftMs)
    return timeout(work, { clock, timeoutMs: leftMs, signal: context.signal })
  }

  #judged(input: I, context: EffectContext, untilMs: number): Promise<O> {
    const { breaker } = this.#parts
    if (breaker === undefined) return this.#limited(input, context, untilMs)
    const counts = (error: unknown) => this.#begun && breaker.counts(error)
    return breaker.run(() => this.#limited(input, context, untilMs), context.signal, counts)
  }

  #limited(input: I, context: EffectContext, deadlineMs: number): Promise<O> {
    const { limiter } = this.#parts
    const { limits } = this.#options
    if (limiter === undefined || limits === undefined) return this.#placed(input, context)
    const { signal, cause } = context
    const waiting = { signal, deadlineMs, priority: limits.priority?.(input), cause }
    return limiter.run(limits.cost(input), waiting, async (grant) => {
      if (grant.waitedMs > 0) this.#note.waitedMs = grant.waitedMs
      try {
        return await this.#placed(input, context, grant)
      } finally {
        if (!this.#begun) grant.release()
      }
    })
  }

  #placed(input: I, context: EffectContext, grant?: Grant<Name>): Promise<O> {
    const { bulkhead } = this.#parts
    if (bulkhead === undefined) return this.#work(input, context, grant)
    return bulkhead.run(() => this.#work(input, context, grant), context.signal)
  }

  async #work(input: I, context: EffectContext, grant: Grant<Name> | undefined): Promise<O> {
    this.#begun = true
    grant?.begin()
    const value = await this.#inner.effect.run(input, context)
    this.#settle(value, grant)
    return value
  }

  /** What is done is done: figures that cannot be had count in full, and the record says so. */
  #settle(value: O, grant: Grant<Name> | undefined): void {
    const { limits } = this.#options
    try {
      if (limits?.used !== undefined) grant?.settle(limits.used(value))
    } catch (error) {
      this.#note.unread = codeOf(error)
    }
  }
}
