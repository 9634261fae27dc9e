/**
 * What each job asked of the model: calls, tokens, cost, answers that cost no call.
 *
 * 1. At most `maxJobs` jobs are kept; the one idle longest is folded into `forgotten`, so `total` never loses a call.
 */

export interface Totals {
  readonly calls: number
  readonly failed: number
  /** Answered from a kept or running call of the same id: no provider call. */
  readonly cacheHits: number
  readonly promptTokens: number
  readonly completionTokens: number
  /** Successful calls whose provider reported no usage: tokens above are a lower bound then. */
  readonly withoutUsage: number
  readonly costUsd: number
}

export type LedgerEntry = Partial<Totals>

const zero: Totals = {
  calls: 0,
  failed: 0,
  cacheHits: 0,
  promptTokens: 0,
  completionTokens: 0,
  withoutUsage: 0,
  costUsd: 0,
}

export class Ledger {
  readonly #jobs = new Map<string, Totals>()
  readonly #maxJobs: number
  #forgotten: Totals = zero
  #total: Totals = zero

  constructor({ maxJobs = 1000 }: { readonly maxJobs?: number } = {}) {
    this.#maxJobs = maxJobs
  }

  add(job: string, entry: LedgerEntry): void {
    this.#total = sum(this.#total, entry)
    const totals = sum(this.#jobs.get(job) ?? zero, entry)
    this.#jobs.delete(job)
    this.#jobs.set(job, totals)
    if (this.#jobs.size <= this.#maxJobs) return
    for (const [idle, old] of this.#jobs) {
      this.#jobs.delete(idle)
      this.#forgotten = sum(this.#forgotten, old)
      return
    }
  }

  job(job: string): Totals {
    return this.#jobs.get(job) ?? zero
  }

  get jobs(): ReadonlyMap<string, Totals> {
    return this.#jobs
  }

  get forgotten(): Totals {
    return this.#forgotten
  }

  get total(): Totals {
    return this.#total
  }
}

function sum(a: Totals, b: LedgerEntry): Totals {
  return {
    calls: a.calls + (b.calls ?? 0),
    failed: a.failed + (b.failed ?? 0),
    cacheHits: a.cacheHits + (b.cacheHits ?? 0),
    promptTokens: a.promptTokens + (b.promptTokens ?? 0),
    completionTokens: a.completionTokens + (b.completionTokens ?? 0),
    withoutUsage: a.withoutUsage + (b.withoutUsage ?? 0),
    costUsd: a.costUsd + (b.costUsd ?? 0),
  }
}
