/** Counts the calls that one piece of work makes of a model, and what they cost. */
import { costNanoUsd, type Price, usdOf } from './budget.ts'
import type { Model } from './model.ts'

export class CallMeter {
  readonly #price: Price | undefined
  calls = 0
  #nanoUsd: number | undefined

  constructor(price: Price | undefined) {
    this.#price = price
  }

  get costUsd(): number | undefined {
    return this.#nanoUsd === undefined ? undefined : usdOf(this.#nanoUsd)
  }

  around(model: Model): Model {
    return {
      name: model.name,
      provider: model.provider,
      complete: async (request, options) => {
        this.calls += 1
        const answer = await model.complete(request, options)
        const nanoUsd = costNanoUsd(answer, this.#price ?? { inPerMillion: 0, outPerMillion: 0 })
        if (nanoUsd !== undefined && (this.#price !== undefined || answer.costUsd !== undefined)) {
          this.#nanoUsd = (this.#nanoUsd ?? 0) + nanoUsd
        }
        return answer
      },
    }
  }
}
