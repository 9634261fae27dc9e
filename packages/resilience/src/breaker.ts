/**
 * Leaves alone what fails: counts outcomes and asks the machine.
 *
 * 1. Closed, it opens when at least `leastCalls` of the window have ended and `ratio` of them failed.
 * 2. Half-open, exactly one call is let through; what it ends with decides (breaker-machine/1 to 4).
 * 3. An outcome counts only for the state in which its call was let through, and once: what comes late changes nothing.
 * 4. A failure is what may have reached the other side (`applied: 'unknown'`, or no error of ours). A refusal, 429 among them, and a
 *    call that its caller gave up are no verdict.
 * 5. The abort of the signal is an outcome too: a timeout counts at once, also when the work ignores it, and whoever has set it
 *    (`timeout`, or `AbortSignal.timeout`).
 */
import { type Clock, TroupeError } from '@troupe/core'
import { initialTransition, type SnapshotFrom, transition } from 'xstate'
import { type BreakerEvent, breakerMachine } from './breaker-machine.ts'
import { breakerTerms } from './breaker-terms.ts'
import { BreakerOpen, tookTooLong } from './errors.ts'
import { areMany, count, type FailureRule, type Failures, openFailures, recent } from './failures.ts'
import { onAbort } from './on-abort.ts'

export interface BreakerOptions {
  /** @defaultValue 30_000 */
  readonly windowMs?: number
  /** @defaultValue 10 */
  readonly leastCalls?: number
  /** @defaultValue 0.5 */
  readonly ratio?: number
  /** @defaultValue 10_000 */
  readonly restMs?: number
  /** @defaultValue 300_000, or `restMs` if that is longer */
  readonly longestRestMs?: number
  /** When a probe without an answer is given up. @defaultValue 60_000 */
  readonly probeMs?: number
  /** Whether an error says that the other side fails. @defaultValue `countsAsFailure` */
  readonly counts?: (error: unknown) => boolean
}

export type BreakerState = 'closed' | 'open' | 'halfOpen'
export type Verdict = 'succeeded' | 'failed' | 'void'

/** One call that was let through. */
export interface Pass {
  readonly probe: boolean
  /** The first word counts. */
  end(verdict: Verdict): void
}

export class Breaker {
  readonly counts: (error: unknown) => boolean
  readonly #clock: Clock
  readonly #rule: FailureRule
  readonly #windowMs: number
  #failures: Failures
  #snapshot: SnapshotFrom<typeof breakerMachine>
  /** Grows with each change of state: a pass of an older one has nothing to say. */
  #era = 0

  /** @throws RangeError for options that mean nothing */
  constructor(clock: Clock, { counts = countsAsFailure, ...figures }: BreakerOptions = {}) {
    const { windowMs, leastCalls, ratio, ...times } = breakerTerms(figures)
    this.counts = counts
    this.#clock = clock
    this.#rule = { leastCalls, ratio }
    this.#windowMs = windowMs
    this.#failures = openFailures(windowMs)
    this.#snapshot = initialTransition(breakerMachine, times)[0]
  }

  get state(): BreakerState {
    return this.#snapshot.value
  }

  /** @throws BreakerOpen */
  admit(): Pass {
    if (this.#snapshot.value === 'closed') return this.#pass(false)
    const nowMs = this.#clock.monotonic()
    if (this.#move({ type: 'call', atMs: nowMs })) return this.#pass(true)
    const { value, context } = this.#snapshot
    if (value !== 'open') throw new BreakerOpen('the breaker is half-open, and its one probe runs')
    const retryAfterMs = Math.ceil(context.untilMs - nowMs)
    throw new BreakerOpen(`the breaker is open for another ${retryAfterMs} ms`, { retryAfterMs })
  }

  /** @param signal of the work; @param counts instead of the breaker's own, for this call */
  async run<T>(
    work: () => Promise<T>,
    signal?: AbortSignal,
    counts: (error: unknown) => boolean = this.counts,
  ): Promise<T> {
    return judged(this.admit(), work, signal, counts)
  }

  #pass(probe: boolean): Pass {
    const era = this.#era
    let ended = false
    return {
      probe,
      end: (verdict) => {
        if (!ended && era === this.#era) this.#ended(verdict, probe)
        ended = true
      },
    }
  }

  #ended(verdict: Verdict, probe: boolean): void {
    const atMs = this.#clock.monotonic()
    if (probe) {
      this.#move({ type: `probe.${verdict}`, atMs })
      this.#failures = openFailures(this.#windowMs)
      return
    }
    if (verdict === 'void') return
    count(this.#failures, atMs, verdict === 'failed')
    if (verdict === 'succeeded') return
    if (areMany(recent(this.#failures, atMs), this.#rule)) this.#move({ type: 'failures.many', atMs })
  }

  /** @returns whether the event led anywhere */
  #move(event: BreakerEvent): boolean {
    const before = this.#snapshot
    const [after] = transition(breakerMachine, before, event)
    this.#snapshot = after
    if (after.value === before.value && after.context === before.context) return false
    this.#era += 1
    return true
  }
}

/** Ends a pass as its work ends, or as its signal says before that. */
export async function judged<T>(
  pass: Pass,
  work: () => Promise<T>,
  signal: AbortSignal | undefined,
  counts: (error: unknown) => boolean,
): Promise<T> {
  const failed = (error: unknown) => pass.end(counts(error) ? 'failed' : 'void')
  const listening = onAbort(signal, () => (tookTooLong(signal?.reason) ? failed(signal?.reason) : pass.end('void')))
  try {
    const value = await work()
    pass.end('succeeded')
    return value
  } catch (error) {
    failed(error)
    throw error
  } finally {
    listening()
  }
}

export function countsAsFailure(error: unknown): boolean {
  return !(error instanceof TroupeError) || (error.applied === 'unknown' && error.code !== 'Cancelled')
}
