/** The figures of a breaker, with those that were not given, for a breaker of this process and for one of a gate. */
import type { BreakerTerms } from './gate-protocol.ts'
import { check, FINITE, SHARE, WHOLE_FROM_1 } from './ranges.ts'

export type BreakerFigures = { readonly [K in keyof BreakerTerms]?: BreakerTerms[K] }

const LONGEST_REST_MS = 300_000

/** @throws RangeError for figures that mean nothing */
export function breakerTerms(given: BreakerFigures, of = 'a breaker'): BreakerTerms {
  const { windowMs = 30_000, leastCalls = 10, ratio = 0.5, restMs = 10_000, probeMs = 60_000 } = given
  const { longestRestMs = Math.max(LONGEST_REST_MS, restMs) } = given
  check(of, FINITE, { windowMs, restMs, longestRestMs, probeMs })
  check(of, WHOLE_FROM_1, { leastCalls })
  check(of, SHARE, { ratio })
  if (longestRestMs < restMs) {
    throw new RangeError(`${of}: longestRestMs is ${longestRestMs}; give at least restMs, which is ${restMs}`)
  }
  return { windowMs, leastCalls, ratio, restMs, longestRestMs, probeMs }
}
