/**
 * What models were asked, and what that took, from the causal log: by model, by the actor whose effect asked, by every actor on whose
 * behalf it asked, and by trace. Pure: events in, a ledger out; no node has to run.
 *
 * 1. A call counts once in each of the four. In `trees` it counts for every actor above it, once for each: a session and a study each
 *    show all that was asked for them, directly or through others, so the rows of `trees` add up to more than the total.
 * 2. Above an effect are its actor and, step by step from the one that began it, the actors of the steps that led there. Of a cause that
 *    is not in the log only its own actor is known, which its id names.
 * 3. A call that the model service knows by an id, and has answered, counts once in the whole log: told again, it was not asked again.
 * 4. Only recorded costs are added. A call without one is counted (`withoutPrice`), as is one without tokens (`withoutUsage`).
 */
import type { LoggedEvent } from './logged-event.ts'
import { type AskedModel, modelCallsIn } from './model-calls.ts'

export interface Spent {
  readonly calls: number
  /** Of the calls: those without an answer. */
  readonly failed: number
  readonly promptTokens: number
  readonly completionTokens: number
  /** Calls of which no tokens are known, failed ones among them: the tokens are a lower bound then. */
  readonly withoutUsage: number
  readonly costUsd: number
  /** Calls of which no cost was recorded, failed ones among them. */
  readonly withoutPrice: number
  /** Spans, calls and tries that the records of effects only count: model calls may be among them. */
  readonly unseen: number
}

export interface SpentBy extends Spent {
  /** An actor, a correlation, or `provider/model`. */
  readonly name: string
}

export interface Spending {
  readonly total: Spent
  /** Each with the most calls first. */
  readonly models: readonly SpentBy[]
  readonly actors: readonly SpentBy[]
  readonly trees: readonly SpentBy[]
  readonly traces: readonly SpentBy[]
}

export interface SpendingFilter {
  /** Only what was asked on behalf of this actor, directly or through others. */
  readonly actor?: string | undefined
}

/** @param events in the order of the log, with their evidence; from its beginning, or some actors above are not known (spending/2) */
export function spendingOf(events: Iterable<LoggedEvent>, { actor }: SpendingFilter = {}): Spending {
  const above = new Above()
  const answered = new Set<string>()
  const total = zero()
  const [models, actors, trees, traces] = [new Accounts(), new Accounts(), new Accounts(), new Accounts()]
  for (const event of events) {
    const actorsAbove = above.of(event)
    if (event.evidence === undefined) continue
    const { calls, unseen } = modelCallsIn(event.evidence)
    const fresh = calls.filter((call) => isFresh(call, answered))
    if (actor !== undefined && !actorsAbove.has(actor)) continue
    if (fresh.length === 0 && unseen === 0) continue
    const lists = [total, actors.of(event.actor), traces.of(event.correlation), ...[...actorsAbove].map(trees.of)]
    for (const sums of lists) sums.unseen += unseen
    for (const call of fresh)
      for (const sums of [...lists, models.of(`${call.provider}/${call.model}`)]) add(sums, call)
  }
  return { total, models: models.rows(), actors: actors.rows(), trees: trees.rows(), traces: traces.rows() }
}

/** A failed call under the id of another one has reached its provider again. */
function isFresh({ id, failed }: AskedModel, answered: Set<string>): boolean {
  if (id === undefined || failed) return true
  const { size } = answered
  return answered.add(id).size > size
}

// ── Who is above ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface Chain {
  readonly actors: ReadonlySet<string>
  /** With one more. */
  readonly longer: Map<string, Chain>
}

const STEP_ID = /#\d+:\d+$/

/** Steps of one way through the same actors share one set, so the memory is a pointer per step. */
class Above {
  readonly #top: Chain = { actors: new Set(), longer: new Map() }
  readonly #chains = new Map<string, Chain>()

  /** The actor of a step and all those above it. */
  of({ id, actor, causation }: LoggedEvent): ReadonlySet<string> {
    const chain = this.#with(this.#chains.get(causation) ?? this.#unknown(causation, id), actor)
    this.#chains.set(id, chain)
    return chain.actors
  }

  #unknown(causation: string, id: string): Chain {
    const isStep = causation !== id && STEP_ID.test(causation)
    return isStep ? this.#with(this.#top, causation.replace(STEP_ID, '')) : this.#top
  }

  #with(chain: Chain, actor: string): Chain {
    if (chain.actors.has(actor)) return chain
    const known = chain.longer.get(actor)
    if (known !== undefined) return known
    const longer: Chain = { actors: new Set([...chain.actors, actor]), longer: new Map() }
    chain.longer.set(actor, longer)
    return longer
  }
}

// ── Sums ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Sums = { -readonly [K in keyof Spent]: Spent[K] }

class Accounts {
  readonly #sums = new Map<string, Sums>()

  readonly of = (name: string): Sums => {
    const sums = this.#sums.get(name) ?? zero()
    this.#sums.set(name, sums)
    return sums
  }

  rows(): SpentBy[] {
    const rows = [...this.#sums].map(([name, sums]) => ({ name, ...sums }))
    return rows.sort((a, b) => b.calls - a.calls || (a.name < b.name ? -1 : 1))
  }
}

function add(sums: Sums, { failed, usage, costUsd }: AskedModel): void {
  sums.calls += 1
  if (failed) sums.failed += 1
  if (usage === undefined) sums.withoutUsage += 1
  sums.promptTokens += usage?.promptTokens ?? 0
  sums.completionTokens += usage?.completionTokens ?? 0
  if (costUsd === undefined) sums.withoutPrice += 1
  sums.costUsd += costUsd ?? 0
}

function zero(): Sums {
  return {
    calls: 0,
    failed: 0,
    promptTokens: 0,
    completionTokens: 0,
    withoutUsage: 0,
    costUsd: 0,
    withoutPrice: 0,
    unseen: 0,
  }
}
