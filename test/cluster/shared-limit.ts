/** The limit that the processes of `shared-limit.test.ts` share. */

import type { ModelLimitName } from '@troupe/llm'
import { type Gate, gate } from '@troupe/resilience'

export const CAP = 60
export const WINDOW_MS = 3_000
/** From a call's leave to its arrival, on a machine that does much else. */
const LAG_MS = 600

export function sharedLimit(account: string): Gate<ModelLimitName> {
  const requests = { cap: CAP, windowMs: WINDOW_MS, lagMs: LAG_MS }
  return gate(account, { limits: { requests, tokens: { cap: 1_000_000_000 } }, breaker: {} })
}
