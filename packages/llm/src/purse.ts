/**
 * Money that a whole cluster shares, and stops at: `purse('session/seed-7', { limitUsd: 2 })`. One owner actor each, `purse/<name>`.
 *
 *     const model = charged(openAiCompatible(…), purse('study/triage', { limitUsd: 5 }).in(system.runtime), price)
 *
 * 1. The most that a call can cost is held before it is made, in the log, so no limit is passed by calls of two nodes at once.
 * 2. What a call did cost is settled after it; a node that dies leaves a hold, which counts in full after an hour.
 * 3. Who raises the limit goes on; a spent purse stays spent.
 */
import { defineActor, type EffectRuntime, protocol, TroupeError } from '@troupe/core'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { bounded, costNanoUsd, dollars, type Price, upperNanoUsd, usdOf } from './budget.ts'
import type { Totals } from './ledger.ts'
import { type Model, ModelError } from './model.ts'
import { emptyPurse, type Holding, heldNanoUsd, hold, type PurseBook, type Settled, settleHeld } from './purse-book.ts'

const ASK_MS = 10_000
const id = z.string().min(1).max(100)
const whole = z.int().min(0)
const spent = z.object({
  calls: whole,
  failed: whole,
  promptTokens: whole,
  completionTokens: whole,
  withoutUsage: whole,
  nanoUsd: whole,
})

const says = protocol('purse', {
  events: {
    hold: z.object({ id, nanoUsd: whole, limitNanoUsd: whole }),
    settle: z.object({
      id,
      nanoUsd: whole.optional(),
      model: z.string().max(200),
      failed: z.boolean(),
      promptTokens: whole.optional(),
      completionTokens: whole.optional(),
    }),
    status: z.object({}),
  },
  replies: {
    hold: z.discriminatedUnion('ok', [
      z.object({ ok: z.literal(true) }),
      z.object({ ok: z.literal(false), leftNanoUsd: whole, heldNanoUsd: whole }),
    ]),
    status: z.object({ spentNanoUsd: whole, heldNanoUsd: whole, models: z.record(z.string(), spent) }),
  },
})

interface PurseContext {
  readonly book: PurseBook
  readonly holding: Holding
}

/** While a step runs this is the step's recorded time, not the machine's clock. */
function stepTime(): number {
  return Date.now()
}

/** The owners of purses, to be served by the cluster's nodes. */
export const purses = defineActor(says, {
  logic: setup({ types: says.types<PurseContext>() }).createMachine({
    context: { book: emptyPurse, holding: { ok: true } },
    on: {
      hold: {
        actions: [
          assign(({ context, event }) => hold(context.book, event, stepTime())),
          says.reply('hold', ({ context }) => context.holding),
        ],
      },
      settle: { actions: assign(({ context, event }) => ({ book: settleHeld(context.book, event.id, event) })) },
      status: {
        actions: says.reply('status', ({ context: { book } }) => ({
          spentNanoUsd: book.spentNanoUsd,
          heldNanoUsd: heldNanoUsd(book),
          models: { ...book.models },
        })),
      },
    },
  }),
})

export interface PurseStatus {
  readonly limitUsd: number
  readonly spentUsd: number
  readonly heldUsd: number
  readonly models: { readonly [model: string]: Omit<Totals, 'cacheHits'> }
}

/** @param name whose money it is: a session, a study, a tenant. @throws ModelError `InvalidRequest` for a limit that is none */
export function purse(name: string, { limitUsd }: { readonly limitUsd: number }): Purse {
  if (!Number.isFinite(limitUsd) || limitUsd < 0) {
    throw new ModelError('InvalidRequest', `the limit of purse '${name}' is ${limitUsd}; give US dollars, 0 or more`)
  }
  return new Purse(name, Math.floor(limitUsd * 1e9))
}

export class Purse {
  readonly name: string
  readonly limitNanoUsd: number

  constructor(name: string, limitNanoUsd: number) {
    this.name = name
    this.limitNanoUsd = limitNanoUsd
  }

  in(runtime: EffectRuntime): PurseView {
    return new PurseView(this, runtime)
  }
}

/** A purse as one node asks it. */
export class PurseView {
  readonly #purse: Purse
  readonly #runtime: Pick<EffectRuntime, 'ask' | 'entropy'>

  constructor(purse: Purse, runtime: Pick<EffectRuntime, 'ask' | 'entropy'>) {
    this.#purse = purse
    this.#runtime = runtime
  }

  /** @returns the id to settle. @throws ModelError `BudgetExceeded`, or `Busy` when the purse cannot be asked */
  async hold(nanoUsd: number, signal: AbortSignal): Promise<string> {
    const { name, limitNanoUsd } = this.#purse
    const id = this.#runtime.entropy.hex(96)
    const reply = await this.#ask({ type: 'hold', id, nanoUsd, limitNanoUsd }, signal).catch((error: unknown) => {
      if (signal.aborted || !(error instanceof TroupeError)) throw error
      throw new ModelError('Busy', `purse '${name}' cannot be asked: ${error.message}`, {}, error)
    })
    const holding = says.replies.hold.parse(reply)
    if (holding.ok) return id
    throw new ModelError(
      'BudgetExceeded',
      `the next call may cost up to ${dollars(nanoUsd)} and ${dollars(holding.leftNanoUsd)} of the ${dollars(limitNanoUsd)} of ` +
        `purse '${name}' are left (${dollars(holding.heldNanoUsd)} held for running calls): raise its limit to go on`,
    )
  }

  /** Resolves also when the purse cannot be told: the hold then counts in full. */
  async settle(id: string, settled: Settled): Promise<void> {
    await this.#ask({ type: 'settle', id, ...settled }).catch((error: unknown) => {
      if (!(error instanceof TroupeError)) throw error
    })
  }

  async status(): Promise<PurseStatus> {
    const { spentNanoUsd, heldNanoUsd: held, models } = says.replies.status.parse(await this.#ask({ type: 'status' }))
    const shown = Object.entries(models).map(([model, { nanoUsd, ...rest }]) => [
      model,
      { ...rest, costUsd: usdOf(nanoUsd) },
    ])
    return {
      limitUsd: usdOf(this.#purse.limitNanoUsd),
      spentUsd: usdOf(spentNanoUsd),
      heldUsd: usdOf(held),
      models: Object.fromEntries(shown),
    }
  }

  #ask(event: { readonly type: string; readonly [field: string]: unknown }, signal?: AbortSignal): Promise<unknown> {
    return this.#runtime.ask(says, this.#purse.name, event, { timeoutMs: ASK_MS, ...(signal && { signal }) })
  }
}

/** A model whose calls are paid from a purse. Put it around `limited`: what waits for limits holds its money, and its money is there. */
export function charged(model: Model, purse: PurseView, price: Price): Model {
  return {
    name: model.name,
    provider: model.provider,
    async complete(given, options) {
      const request = bounded(given)
      const id = await purse.hold(upperNanoUsd(request, price), options.signal)
      const by = { model: `${model.provider}/${model.name}` }
      try {
        const answer = await model.complete(request, options)
        const nanoUsd = costNanoUsd(answer, price)
        await purse.settle(id, { ...by, failed: false, ...answer.usage, ...(nanoUsd !== undefined && { nanoUsd }) })
        return answer
      } catch (error) {
        const isFree = error instanceof ModelError && error.applied === 'no'
        await purse.settle(id, { ...by, failed: true, ...(isFree && { nanoUsd: 0 }) })
        throw error
      }
    },
  }
}
