/**
 * Limits and a breaker that a whole cluster shares: declared once, used wherever calls of the account begin.
 *
 *     const openAi = gate('openai/gpt-5/main-key', { limits: { requests: { cap: 500 } }, breaker: {} })
 *     createSystem({ actors: [gates, …] })
 *     protect(ask, { limits: { by: openAi, cost } })
 */
import type { EffectRuntime } from '@troupe/core'
import { type BreakerOptions, countsAsFailure } from './breaker.ts'
import { breakerTerms } from './breaker-terms.ts'
import { type Limits, openBuckets } from './buckets.ts'
import type { Terms } from './gate-protocol.ts'
import { GateView } from './gate-view.ts'
import type { Granting } from './grant.ts'

export interface GateOptions<Name extends string> {
  readonly limits: Limits<Name>
  readonly breaker?: BreakerOptions
}

/** Of one account: a provider, key and model. */
export class Gate<Name extends string> {
  readonly name: string
  readonly #terms: Terms
  readonly #counts: (error: unknown) => boolean

  /** @throws RangeError for a limit that is none, and for a breaker that means nothing */
  constructor(name: string, { limits, breaker }: GateOptions<Name>) {
    openBuckets(limits, 0)
    this.name = name
    this.#terms = { limits, ...(breaker && { breaker: breakerTerms(breaker, `the breaker of gate '${name}'`) }) }
    this.#counts = breaker?.counts ?? countsAsFailure
  }

  /** What grants on this node. The nodes of the system serve `gates`. */
  in(runtime: EffectRuntime): Granting<Name> {
    return runtime.shared(GateView, this.name).agree(this.#terms, this.#counts)
  }
}

/**
 * @param name that of the account, for whoever shares it: no key, but it may hold a hash of one
 * @throws RangeError for a limit that is none, and for a breaker that means nothing
 */
export function gate<const Name extends string>(name: string, options: GateOptions<Name>): Gate<Name> {
  return new Gate(name, options)
}
