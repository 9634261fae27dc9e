/**
 * The owner of a signature's routes as an effect asks it.
 *
 * 1. An owner that cannot be asked costs nothing but its evidence: the choice is then made here, as without any, and says why.
 * 2. One that has not answered in time is not asked by this node again for `SILENT_MS`: it may not be served at all.
 * 3. Nobody waits for what is told. It is sent, also to an owner that was silent; what is not heard is one outcome less to judge by.
 */
import { addressOf, type Clock, type EffectContext, type Shared, TroupeError } from '@troupe/core'
import type { RouteOutcome } from './route-evidence.ts'
import { routingSays } from './routing.ts'
import { type Needs, type Policy, type RouteFacts, type Selection, select } from './select.ts'

const CHOOSE_MS = 1_000
const TELL_MS = 5_000
const SILENT_MS = 10_000

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

  /** @throws InvalidAddress */
  constructor(options: RoutingOptions) {
    addressOf(routingSays.type, options.name)
    this.#o = options
  }

  /** @throws the reason of the context's signal */
  async choose(needs: Needs, { runtime, effectId, signal, cause }: EffectContext, clock: Clock): Promise<Chosen> {
    const { name, routes, policy, pin } = this.#o
    const alone = (unasked: string): Chosen => {
      const about = { routes, needs, policy, pinned: null, pin, evidence: {}, seed: effectId, nowMs: clock.now() }
      return { selection: select(about), unasked }
    }
    if (runtime === undefined) return alone('there is no system')
    const silence = runtime.shared(Silence, name)
    const silentFor = silence.why(clock)
    if (silentFor !== undefined) return alone(silentFor)
    const seed = runtime.entropy.hex(64)
    const event = { type: 'choose', routes, needs, policy, seed, ...(pin !== undefined && { pin }) }
    try {
      const reply = await runtime.ask(routingSays, name, event, { timeoutMs: CHOOSE_MS, signal, cause })
      return { selection: routingSays.replies.choose.parse(reply) }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof TroupeError)) throw error
      silence.begin(error.code, clock)
      return alone(error.code)
    }
  }

  tell(outcomes: readonly Told[], context: EffectContext): void {
    if (outcomes.length > 0) this.#send(outcomes, context).catch(() => {})
  }

  async #send(outcomes: readonly Told[], { runtime, cause }: EffectContext): Promise<void> {
    const event = { type: 'tell', outcomes }
    await runtime?.ask(routingSays, this.#o.name, event, { timeoutMs: TELL_MS, cause })
  }
}

/** How long one owner is left alone by this node. */
class Silence implements Shared {
  #since: { readonly code: string; readonly untilMs: number } | undefined

  begin(code: string, clock: Clock): void {
    this.#since = { code, untilMs: clock.monotonic() + SILENT_MS }
  }

  /** Undefined when it can be asked. */
  why(clock: Clock): string | undefined {
    const since = this.#since
    return since !== undefined && clock.monotonic() < since.untilMs ? `${since.code}, a while ago` : undefined
  }

  close(): void {}
}
