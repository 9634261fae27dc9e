/** What an effect is given where there is no system around it. */
import type { EffectContext } from '@troupe/core'

export function bareContext(): EffectContext {
  return {
    effectId: 'e',
    signal: new AbortController().signal,
    attempt: 1,
    cause: { correlation: 'c', causation: 'c' },
    evidence: () => {},
    runtime: undefined,
  }
}
