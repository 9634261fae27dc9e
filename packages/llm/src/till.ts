/**
 * The money and the records of one service: holds the budget, feeds the ledger, tells the observer.
 *
 * 1. Every admitted call is closed once, which settles what it held and makes one record.
 * 2. A provider call that failed without our knowing whether it was billed counts with all it held (`applied`).
 */
import type { Clock } from '@troupe/core'
import { type Budget, bounded, costNanoUsd, type Price, reserve, settle, upperNanoUsd, usdOf } from './budget.ts'
import type { Outcome } from './frames.ts'
import type { Ledger } from './ledger.ts'
import type { Model, ModelAnswer, ModelErrorCode, ModelRequest, Usage } from './model.ts'

/** One per admitted call, made when the provider's side of it has ended too. */
export interface ModelRecord {
  readonly id: string
  readonly job: string
  readonly parent: string | null
  readonly provider: string
  readonly model: string
  /** The error the worker was told; absent for an answer. */
  readonly code?: ModelErrorCode
  readonly usage?: Usage
  /** With a budget: what it counted. Without: what the provider said, else its usage times the price, if both are known. */
  readonly costUsd?: number
  readonly queuedMs: number
  readonly wallMs: number
}

export interface TillOptions {
  readonly model: Model
  readonly clock: Clock
  readonly budget?: Budget
  /** For what records say, where the budget is kept elsewhere. */
  readonly price?: Price
  readonly ledger?: Ledger
  readonly onRecord?: (record: ModelRecord) => void
}

/** What the till knows of a call; `startedMs` is there once the provider was asked. */
export interface Billed {
  readonly id: string
  readonly job: string
  readonly parent: string | null
  readonly arrivedMs: number
  readonly startedMs?: number
  readonly heldNanoUsd?: number
}

export class Till {
  readonly #options: TillOptions
  #budget: Budget | undefined

  constructor(options: TillOptions) {
    this.#options = options
    this.#budget = options.budget
  }

  /** Holds the most the request can cost, or throws `BudgetExceeded`. With a budget the request gets an answer limit. */
  hold(request: ModelRequest): { readonly request: ModelRequest; readonly heldNanoUsd: number } {
    if (this.#budget === undefined) return { request, heldNanoUsd: 0 }
    const limited = bounded(request)
    const heldNanoUsd = upperNanoUsd(limited, this.#budget.price)
    this.#budget = reserve(this.#budget, heldNanoUsd)
    return { request: limited, heldNanoUsd }
  }

  /** `outcome` is the provider's, `told` the error the worker got; they differ when the worker's time ran out first. */
  close(call: Billed, outcome: Outcome, told: ModelErrorCode | undefined): void {
    const { model, clock, price, ledger, onRecord } = this.#options
    const answer = outcome.kind === 'ok' ? outcome.answer : undefined
    const costUsd = this.#settle(call.heldNanoUsd ?? 0, outcome) ?? (answer && pricedUsd(answer, price))
    const endedMs = clock.monotonic()
    ledger?.add(call.job, {
      calls: call.startedMs === undefined ? 0 : 1,
      failed: told === undefined ? 0 : 1,
      promptTokens: answer?.usage?.promptTokens ?? 0,
      completionTokens: answer?.usage?.completionTokens ?? 0,
      withoutUsage: answer !== undefined && answer.usage === undefined ? 1 : 0,
      costUsd: costUsd ?? 0,
    })
    onRecord?.({
      id: call.id,
      job: call.job,
      parent: call.parent,
      provider: model.provider,
      model: model.name,
      ...(told !== undefined && { code: told }),
      ...(answer?.usage && { usage: answer.usage }),
      ...(costUsd !== undefined && { costUsd }),
      queuedMs: (call.startedMs ?? endedMs) - call.arrivedMs,
      wallMs: endedMs - call.arrivedMs,
    })
  }

  /** A repeat that cost no provider call. */
  repeat(job: string): void {
    this.#options.ledger?.add(job, { cacheHits: 1 })
  }

  get budget(): { readonly limitUsd: number; readonly spentUsd: number; readonly reservedUsd: number } | undefined {
    if (this.#budget === undefined) return undefined
    const { limitNanoUsd, spentNanoUsd, reservedNanoUsd } = this.#budget
    return { limitUsd: usdOf(limitNanoUsd), spentUsd: usdOf(spentNanoUsd), reservedUsd: usdOf(reservedNanoUsd) }
  }

  #settle(heldNanoUsd: number, outcome: Outcome): number | undefined {
    if (this.#budget === undefined) return undefined
    const known =
      outcome.kind === 'ok'
        ? costNanoUsd(outcome.answer, this.#budget.price)
        : outcome.error.applied === 'no'
          ? 0
          : undefined
    this.#budget = settle(this.#budget, heldNanoUsd, known)
    return usdOf(known ?? heldNanoUsd)
  }
}

function pricedUsd(answer: ModelAnswer, price: Price | undefined): number | undefined {
  const nanoUsd = price && costNanoUsd(answer, price)
  return nanoUsd === undefined ? answer.costUsd : usdOf(nanoUsd)
}
