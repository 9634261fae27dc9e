/**
 * The breaker of a gate: the states of `breaker-machine.ts` and the counts of all holders, as plain data. Pure.
 *
 * 1. As in `breaker.ts`: half-open lets exactly one call through, what it ends with decides, and an outcome counts only for the state
 *    in which its call was let through.
 */
import { type SnapshotFrom, transition } from 'xstate'
import type { BreakerState } from './breaker.ts'
import { type BreakerEvent, breakerMachine } from './breaker-machine.ts'
import { areMany, count, type Failures, openFailures, recent } from './failures.ts'
import type { BreakerTerms } from './gate-protocol.ts'

export interface GateBreaker {
  readonly terms: BreakerTerms
  readonly value: BreakerState
  readonly context: SnapshotFrom<typeof breakerMachine>['context']
  readonly failures: Failures
  /** Grows with each change of state. */
  readonly era: number
}

export type Entrance =
  | { readonly kind: 'free' }
  /** One call may pass, and decides. */
  | { readonly kind: 'probe' }
  | { readonly kind: 'shut'; readonly retryAfterMs: number | undefined }

/** What calls of one allowance ended with, since it was last told. */
export interface Verdicts {
  readonly succeeded: number
  readonly failed: number
  readonly probe: boolean
  /** The state in which they were let through. */
  readonly era: number
  /** None of its calls runs any more. */
  readonly over: boolean
}

export function openGateBreaker(terms: BreakerTerms, era = 0): GateBreaker {
  const { restMs, longestRestMs, probeMs } = terms
  const context = { times: { restMs, longestRestMs, probeMs }, opens: 0, untilMs: 0 }
  return { terms, value: 'closed', context, failures: openFailures(terms.windowMs), era }
}

/** The same breaker under other terms: its state and what it has counted stay. */
export function retermedBreaker(breaker: GateBreaker, terms: BreakerTerms): GateBreaker {
  const { restMs, longestRestMs, probeMs } = terms
  const failures = terms.windowMs === breaker.terms.windowMs ? breaker.failures : openFailures(terms.windowMs)
  return { ...breaker, terms, failures, context: { ...breaker.context, times: { restMs, longestRestMs, probeMs } } }
}

export function entrance({ value, context }: GateBreaker, nowMs: number): Entrance {
  if (value === 'closed') return { kind: 'free' }
  if (nowMs >= context.untilMs) return { kind: 'probe' }
  return { kind: 'shut', retryAfterMs: value === 'open' ? Math.ceil(context.untilMs - nowMs) : undefined }
}

/** A call passes that `entrance` has called a probe. */
export function probing(breaker: GateBreaker, nowMs: number): GateBreaker {
  return moved(breaker, { type: 'call', atMs: nowMs })
}

export function judged(breaker: GateBreaker, nowMs: number, verdicts: Verdicts): GateBreaker {
  const { succeeded, failed, probe, era, over } = verdicts
  if (era !== breaker.era) return breaker
  if (probe) {
    if (failed > 0) return afresh(moved(breaker, { type: 'probe.failed', atMs: nowMs }))
    if (succeeded > 0) return afresh(moved(breaker, { type: 'probe.succeeded', atMs: nowMs }))
    return over ? moved(breaker, { type: 'probe.void', atMs: nowMs }) : breaker
  }
  if (succeeded + failed === 0) return breaker
  const failures = structuredClone(breaker.failures)
  count(failures, nowMs, false, succeeded)
  count(failures, nowMs, true, failed)
  const counted = { ...breaker, failures }
  return failed > 0 && areMany(recent(failures, nowMs), breaker.terms)
    ? moved(counted, { type: 'failures.many', atMs: nowMs })
    : counted
}

function afresh(breaker: GateBreaker): GateBreaker {
  return { ...breaker, failures: openFailures(breaker.terms.windowMs) }
}

function moved(breaker: GateBreaker, event: BreakerEvent): GateBreaker {
  const before = breakerMachine.resolveState({ value: breaker.value, context: breaker.context })
  const [{ value, context }] = transition(breakerMachine, before, event)
  if (value === breaker.value && context === before.context) return breaker
  return { ...breaker, value, context, era: breaker.era + 1 }
}
