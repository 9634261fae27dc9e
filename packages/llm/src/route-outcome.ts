/** What an error says about the route that it came from. Pure. */
import { TroupeError } from '@troupe/core'
import { codeOf } from '@troupe/resilience'
import { LONGEST_REST_MS, type RouteOutcome } from './route-evidence.ts'

/** Codes of refusals that hold for every call: the route rests. */
const RESTS = new Set(['RateLimited', 'Busy', 'BreakerOpen', 'BudgetExceeded', 'QuotaExhausted'])
/** Codes of what one input came to: the route may be as good as ever for the others. */
const OF_THE_INPUT = new Set([
  ...['ContextTooLong', 'InvalidRequest', 'Unsupported', 'MessageTooLarge', 'NotSerializable', 'InvalidArguments'],
])

/** @returns undefined for what says nothing about the route */
export function outcomeOf(
  error: unknown,
  spent: { readonly ms: number; readonly costUsd?: number },
): RouteOutcome | undefined {
  const code = codeOf(error)
  if (OF_THE_INPUT.has(code)) return undefined
  if (!(error instanceof TroupeError) || !RESTS.has(code)) return { kind: 'failed', code, ...spent }
  const { retryAfterMs } = error.details
  const asked = typeof retryAfterMs === 'number' && retryAfterMs >= 0
  return { kind: 'refused', code, ...(asked && { retryAfterMs: Math.min(retryAfterMs, LONGEST_REST_MS) }) }
}
