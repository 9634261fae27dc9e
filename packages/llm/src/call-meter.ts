/**
 * Counts what each piece of work asks of a model that all of them share.
 *
 * 1. A call belongs to the work in whose asynchronous context it was made.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { costNanoUsd, type Price, usdOf } from './budget.ts'
import type { CompleteOptions, Model, ModelAnswer, ModelRequest } from './model.ts'

/** Of one piece of work. */
export class CallMeter {
  calls = 0
  /** The calls that were answered, and not refused for their format or failed. */
  answers = 0
  #nanoUsd: number | undefined

  /** Undefined when nothing of it is known. */
  get costUsd(): number | undefined {
    return this.#nanoUsd === undefined ? undefined : usdOf(this.#nanoUsd)
  }

  pay(nanoUsd: number): void {
    this.#nanoUsd = (this.#nanoUsd ?? 0) + nanoUsd
  }
}

const free: Price = { inPerMillion: 0, outPerMillion: 0 }

export class MeteredModel implements Model {
  readonly name: string
  readonly provider: string
  readonly #model: Model
  readonly #price: Price | undefined
  readonly #meters = new AsyncLocalStorage<CallMeter>()

  constructor(model: Model, price: Price | undefined) {
    this.name = model.name
    this.provider = model.provider
    this.#model = model
    this.#price = price
  }

  /** What the work asks of this model is counted by the meter. */
  during<T>(meter: CallMeter, work: () => Promise<T>): Promise<T> {
    return this.#meters.run(meter, work)
  }

  async complete(request: ModelRequest, options: CompleteOptions): Promise<ModelAnswer> {
    const meter = this.#meters.getStore()
    if (meter !== undefined) meter.calls += 1
    const answer = await this.#model.complete(request, options)
    if (meter !== undefined) this.#count(answer, meter)
    return answer
  }

  #count(answer: ModelAnswer, meter: CallMeter): void {
    meter.answers += 1
    const nanoUsd = costNanoUsd(answer, this.#price ?? free)
    const isKnown = this.#price !== undefined || answer.costUsd !== undefined
    if (isKnown && nanoUsd !== undefined && Number.isFinite(nanoUsd)) meter.pay(nanoUsd)
  }
}
