/**
 * What the parts refuse with. `Timeout` is core's; every other error of a call passes through as it is.
 *
 *   CostRefused    no wait would help: the cost is above a limit's cap, or no whole number
 *   LimitReached   the limits have no room before the deadline; nothing was begun
 *   BreakerOpen    what is called has failed too often; nothing was begun
 *   Busy           as many calls wait as may; nothing was begun
 *
 * 1. `details.retryAfterMs`, where it is known, says when the same call can succeed.
 */
import { TroupeError } from '@troupe/core'

/** `details`: `limit`, `cost`, `cap`. */
export class CostRefused extends TroupeError {
  readonly code = 'CostRefused'
}
/** `details`: `limit`, `retryAfterMs`. */
export class LimitReached extends TroupeError {
  readonly code = 'LimitReached'
  override readonly retryable = true
}
/** `details`: `retryAfterMs`; absent while the one probe runs. */
export class BreakerOpen extends TroupeError {
  readonly code = 'BreakerOpen'
  override readonly retryable = true
}
/** `details`: `waiting`. */
export class Busy extends TroupeError {
  readonly code = 'Busy'
  override readonly retryable = true
}

/** What an error says about when to come back: `details.retryAfterMs`, if it is a number. */
export function retryAfterOf(error: unknown): number | undefined {
  if (!(error instanceof TroupeError)) return undefined
  const { retryAfterMs } = error.details
  return typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : undefined
}

/** Whether time has run out: that of a `timeout`, of an `AbortSignal.timeout`, or of whoever calls its error so. */
export function tookTooLong(reason: unknown): boolean {
  if (reason instanceof TroupeError) return reason.code === 'Timeout'
  return reason instanceof DOMException && reason.name === 'TimeoutError'
}

/** How records name an error. */
export function codeOf(error: unknown): string {
  if (error instanceof TroupeError) return error.code
  return error instanceof Error ? error.name : typeof error
}
