/**
 * Tries again: a pure decision, and the loop that follows it.
 *
 * 1. `retryable` of the error decides; with `applied: 'unknown'` a `write` is never tried again, whatever else is said.
 *    An error that is none of ours is not tried again unless `when` says so.
 * 2. The deadline is the budget: no try begins after it, and no pause is begun that would end after it.
 * 3. The pause is uniform between 0 and `firstMs` doubled per try, up to `longestMs`: full jitter. It is added to what the
 *    error asks for (`details.retryAfterMs`).
 * 4. After the signal's abort nothing is tried, not even once.
 */
import { type Clock, type EffectClass, type Entropy, TroupeError } from '@troupe/core'
import { retryAfterOf } from './errors.ts'
import { pause } from './pause.ts'
import { ABOVE_0, COUNT_FROM_1, check, FROM_0 } from './ranges.ts'

export interface RetryOptions {
  /** The first one included. @defaultValue 4 */
  readonly attempts?: number | undefined
  /** For all attempts and pauses together. @defaultValue 60_000 */
  readonly withinMs?: number | undefined
  /** @defaultValue 250 */
  readonly firstMs?: number | undefined
  /** @defaultValue 20_000 */
  readonly longestMs?: number | undefined
  /** Instead of `retryable`. It cannot allow what rule 1 forbids a `write`. */
  readonly when?: ((error: unknown) => boolean) | undefined
}

export interface Failed {
  readonly error: unknown
  /** 1 for the first. */
  readonly attempt: number
  readonly class: EffectClass
  readonly nowMs: number
  readonly deadlineMs: number
}

export type RetryDecision =
  | { readonly kind: 'again'; readonly inMs: number; readonly why: 'backoff' | 'retry-after' }
  | { readonly kind: 'end'; readonly why: 'not retryable' | 'outcome unknown' | 'attempts' | 'deadline' }

export const WITHIN_MS = 60_000

/** @param random uniform in [0, 1) */
export function decideRetry(options: RetryOptions, failed: Failed, random: number): RetryDecision {
  const { attempts = 4, firstMs = 250, longestMs = 20_000, when = isRetryable } = options
  const { error, attempt, nowMs, deadlineMs } = failed
  if (failed.class === 'write' && mayBeApplied(error)) return { kind: 'end', why: 'outcome unknown' }
  if (!when(error)) return { kind: 'end', why: 'not retryable' }
  if (attempt >= attempts) return { kind: 'end', why: 'attempts' }
  const askedMs = retryAfterOf(error)
  const inMs = (askedMs ?? 0) + random * Math.min(longestMs, firstMs * 2 ** (attempt - 1))
  if (nowMs + inMs >= deadlineMs) return { kind: 'end', why: 'deadline' }
  return { kind: 'again', inMs, why: askedMs === undefined ? 'backoff' : 'retry-after' }
}

/** @throws RangeError */
export function checkRetry(of: string, { attempts, withinMs, firstMs, longestMs }: RetryOptions): void {
  check(of, COUNT_FROM_1, { attempts })
  check(of, ABOVE_0, { withinMs })
  check(of, FROM_0, { firstMs, longestMs })
}

export interface RetryWith extends RetryOptions {
  readonly clock: Clock
  readonly entropy: Entropy
  readonly class: EffectClass
  readonly signal?: AbortSignal | undefined
  readonly decided?: ((decision: RetryDecision, error: unknown) => void) | undefined
  /** Asked before each further try. */
  readonly may?: (() => boolean) | undefined
}

/** @throws the last error, or the reason of the signal before a try or during a pause; RangeError for options that mean nothing */
export async function retry<T>(
  work: (attempt: number, deadlineMs: number) => Promise<T>,
  options: RetryWith,
): Promise<T> {
  const { clock, entropy, signal, decided, may } = options
  checkRetry('a retry', options)
  const deadlineMs = clock.monotonic() + (options.withinMs ?? WITHIN_MS)
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await work(attempt, deadlineMs)
    } catch (error) {
      if (signal?.aborted || may?.() === false) throw error
      const failed = { error, attempt, class: options.class, nowMs: clock.monotonic(), deadlineMs }
      const decision = decideRetry(options, failed, entropy.random())
      decided?.(decision, error)
      if (decision.kind === 'end') throw error
      await pause(clock, decision.inMs, signal)
      // A timer may be late, or the machine may have slept.
      if (clock.monotonic() >= deadlineMs) throw error
    }
  }
}

/** Whether the work may have been done although it failed. */
export function mayBeApplied(error: unknown): boolean {
  return !(error instanceof TroupeError) || error.applied === 'unknown'
}

function isRetryable(error: unknown): boolean {
  return error instanceof TroupeError && error.retryable
}
