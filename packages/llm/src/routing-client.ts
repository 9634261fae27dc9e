/**
 * The owner of a signature's routes as an effect asks it.
 *
 * 1. An owner that cannot be asked costs nothing but its evidence: the choice is then made here, as without any, and says why.
 */
import { type Clock, type EffectContext, TroupeError } from '@troupe/core'
import type { RouteOutcome } from './route-evidence.ts'
import { routingSays } from './routing.ts'
import { type Needs, type Policy, type RouteFacts, type Selection, select } from './select.ts'

const ASK_MS = 5_000

export interface RoutingOptions {
  readonly name: string
  readonly routes: readonly RouteFacts[]
  readonly policy: Policy
  readonly pin: string | undefined
}

export interface Chosen {
  readonly selection: Selection
  /** Why the owner was not asked. */
  readonly unasked?: string
}

export interface Told {
  readonly route: string
  readonly outcome: RouteOutcome
}

export class Routing {
  readonly #o: RoutingOptions

  constructor(options: RoutingOptions) {
    this.#o = options
  }

  /** @throws the reason of the context's signal */
  async choose(needs: Needs, { runtime, effectId, signal, cause }: EffectContext, clock: Clock): Promise<Chosen> {
    const { name, routes, policy, pin } = this.#o
    const alone = (unasked: string): Chosen => {
      const about = { routes, needs, policy, pinned: pin ?? null, evidence: {}, seed: effectId, nowMs: clock.now() }
      return { selection: select(about), unasked }
    }
    if (runtime === undefined) return alone('there is no system')
    const seed = runtime.entropy.hex(64)
    const event = { type: 'choose', routes, needs, policy, seed, ...(pin !== undefined && { pin }) }
    try {
      const reply = await runtime.ask(routingSays, name, event, { timeoutMs: ASK_MS, signal, cause })
      return { selection: routingSays.replies.choose.parse(reply) }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof TroupeError) return alone(error.code)
      throw error
    }
  }

  /** What is not heard is one outcome less to judge by. */
  async tell(outcomes: readonly Told[], { runtime, cause }: EffectContext): Promise<void> {
    if (runtime === undefined || outcomes.length === 0) return
    const event = { type: 'tell', outcomes }
    await runtime.ask(routingSays, this.#o.name, event, { timeoutMs: ASK_MS, cause }).catch(() => {})
  }
}
