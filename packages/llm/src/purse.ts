/**
 * Money that a whole cluster shares, and stops at: `purse('session/seed-7', { limitUsd: 2 })`. One owner actor each, `purse/<name>`.
 *
 *     const model = charged(openAiCompatible(…), purse('study/triage', { limitUsd: 5 }).in(system.runtime), price)
 *
 * 1. The most that a call can cost is held before it is made, in the log, so no limit is passed by calls of two nodes at once.
 * 2. What a call did cost is settled after it; a node that dies leaves a hold, which counts in full after an hour. A hold whose answer
 *    does not come is given back.
 * 3. Who raises the limit goes on; a spent purse stays spent.
 * 4. No answer waits longer than `SETTLE_MS` for its settlement, and no failure waits for it. It is told all the same.
 */
import { defineActor, type EffectRuntime, protocol, stepTime, TroupeError } from '@troupe/core'
import { retry } from '@troupe/resilience'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { bounded, costNanoUsd, dollars, type Price, upperNanoUsd, usdOf } from './budget.ts'
import type { Totals } from './ledger.ts'
import { abortError, asModelError, type Model, type ModelAnswer, ModelError } from './model.ts'
import {
  emptyPurse,
  giveBack,
  type Holding,
  heldNanoUsd,
  hold,
  type PurseBook,
  type Settled,
  settleHeld,
} from './purse-book.ts'

const ASK_MS = 10_000
const SETTLE_MS = 1_000
const SETTLE_ATTEMPTS = 3
/** What is spent and held is part of the newest state; the steps before it can be looked up for so long. */
const LOG_MS = 30 * 86_400_000
const MODEL_CHARS = 200
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
      model: z.string().max(MODEL_CHARS),
      failed: z.boolean(),
      promptTokens: whole.optional(),
      completionTokens: whole.optional(),
    }),
    giveBack: z.object({ id }),
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
      giveBack: { actions: assign(({ context, event }) => ({ book: giveBack(context.book, event.id, stepTime()) })) },
      status: {
        actions: says.reply('status', ({ context: { book } }) => ({
          spentNanoUsd: book.spentNanoUsd,
          heldNanoUsd: heldNanoUsd(book),
          models: { ...book.models },
        })),
      },
    },
  }),
  retention: { ageMs: LOG_MS },
})

export interface PurseStatus {
  readonly limitUsd: number
  readonly spentUsd: number
  readonly heldUsd: number
  readonly models: { readonly [model: string]: Omit<Totals, 'cacheHits'> }
}

/** @param name whose money it is: a session, a study, a tenant. @throws ModelError `InvalidRequest` for a limit that is none */
export function purse(name: string, { limitUsd }: { readonly limitUsd: number }): Purse {
  const limitNanoUsd = Math.floor(limitUsd * 1e9)
  if (!Number.isSafeInteger(limitNanoUsd) || limitNanoUsd < 0) {
    const most = dollars(Number.MAX_SAFE_INTEGER)
    throw new ModelError('InvalidRequest', `the limit of purse '${name}' is ${limitUsd}; give US dollars, 0 to ${most}`)
  }
  return new Purse(name, limitNanoUsd)
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

type PurseRuntime = Pick<EffectRuntime, 'ask' | 'entropy' | 'clock'>

/** A purse as one node asks it. */
export class PurseView {
  readonly #purse: Purse
  readonly #runtime: PurseRuntime

  constructor(purse: Purse, runtime: PurseRuntime) {
    this.#purse = purse
    this.#runtime = runtime
  }

  /**
   * @returns the id to settle
   * @throws ModelError `BudgetExceeded`; `InvalidRequest` for what no purse can hold; `Busy` when the purse cannot be asked; that of
   * the signal when it aborts
   */
  async hold(nanoUsd: number, signal: AbortSignal): Promise<string> {
    const { name, limitNanoUsd } = this.#purse
    if (!Number.isSafeInteger(nanoUsd) || nanoUsd < 0) {
      throw new ModelError('InvalidRequest', `the next call may cost ${nanoUsd / 1e9} USD, which no purse can hold`)
    }
    if (signal.aborted) throw abortError(signal)
    const id = this.#runtime.entropy.hex(96)
    let holding: Holding
    try {
      holding = says.replies.hold.parse(await this.#ask({ type: 'hold', id, nanoUsd, limitNanoUsd }, signal))
    } catch (error) {
      // It may be held, or will be.
      this.#tell({ type: 'giveBack', id }).catch(() => {})
      throw error instanceof TroupeError && !signal.aborted ? notAsked(name, error) : asModelError(error, signal)
    }
    if (holding.ok) return id
    throw new ModelError(
      'BudgetExceeded',
      `the next call may cost up to ${dollars(nanoUsd)} and ${dollars(holding.leftNanoUsd)} of the ${dollars(limitNanoUsd)} of ` +
        `purse '${name}' are left (${dollars(holding.heldNanoUsd)} held for running calls): raise its limit to go on`,
    )
  }

  /** Resolves when the purse was told, or cannot be: the hold then counts in full. After `SETTLE_MS` nobody need wait any more. */
  settle(id: string, settled: Settled): Promise<void> {
    const { clock } = this.#runtime
    return new Promise((resolve) => {
      const timer = clock.after(SETTLE_MS, resolve, { keepAlive: true })
      const done = () => {
        timer.cancel()
        resolve()
      }
      this.#tell({ type: 'settle', id, ...countable(settled) }).then(done, done)
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

  /** Again when it fails by chance; a second time changes nothing. */
  async #tell(event: { readonly type: string; readonly id: string }): Promise<void> {
    const { clock, entropy } = this.#runtime
    await retry(() => this.#ask(event), { clock, entropy, class: 'idempotent', attempts: SETTLE_ATTEMPTS })
  }

  #ask(event: { readonly type: string; readonly [field: string]: unknown }, signal?: AbortSignal): Promise<unknown> {
    return this.#runtime.ask(says, this.#purse.name, event, { timeoutMs: ASK_MS, ...(signal && { signal }) })
  }
}

function notAsked(name: string, error: TroupeError): ModelError {
  const { code, message } = error
  if (code === 'InvalidAddress') return new ModelError('InvalidRequest', `no purse '${name}': ${message}`, {}, error)
  const unserved = ['Timeout', 'TypeNotServed', 'TypeNotYetServed'].includes(code)
  const fix = unserved ? '; is `purses` among the actors of a node?' : ''
  return new ModelError('Busy', `purse '${name}' cannot be asked: ${message}${fix}`, {}, error)
}

/**
 * As the purse can count it: a settlement that is refused would leave the whole hold. An amount that cannot be is not believed, and
 * unknown.
 */
function countable({ model, failed, ...amounts }: Settled): Settled {
  const whole = Object.entries(amounts).map(([name, value]) => [name, Math.ceil(value ?? Number.NaN)] as const)
  const known = whole.filter(([, value]) => Number.isSafeInteger(value) && value >= 0)
  return { model: model.slice(0, MODEL_CHARS), failed, ...Object.fromEntries(known) }
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
      let answer: ModelAnswer
      try {
        answer = await model.complete(request, options)
      } catch (error) {
        const isFree = error instanceof ModelError && error.applied === 'no'
        purse.settle(id, { ...by, failed: true, ...(isFree && { nanoUsd: 0 }) })
        throw error
      }
      const { promptTokens, completionTokens } = answer.usage ?? {}
      const nanoUsd = costNanoUsd(answer, price)
      await purse.settle(id, { ...by, failed: false, promptTokens, completionTokens, nanoUsd })
      return answer
    },
  }
}
