/**
 * From a checked configuration to a model and its budget. Reads no environment: that is the app's configuration.
 *
 * 1. A model that may cost money always has a budget and a known price.
 * 2. `describe` shows provider, model, price and limit, and never a key.
 */
import { createHash } from 'node:crypto'
import { anthropic } from './anthropic.ts'
import { type Budget, dollars, openBudget, type Price, priceOf } from './budget.ts'
import type { ModelLimits } from './limited.ts'
import type { Model } from './model.ts'
import { STAND_IN_NAME, STAND_IN_NOTE } from './nearest-neighbour.ts'
import { openAiCompatible } from './openai-compatible.ts'
import { standInModel } from './stand-in-server.ts'

export type ModelConfig =
  | {
      readonly kind: 'stand-in'
      /** A running stand-in endpoint; without it the answerer runs in this process. */
      readonly baseUrl?: string | undefined
    }
  | {
      /** The format that the endpoint speaks. */
      readonly kind: 'openai-compatible' | 'anthropic'
      readonly baseUrl: string
      readonly apiKey?: string | undefined
      readonly model: string
      readonly budgetUsd: number
      /** What the provider allows this process. @defaultValue none */
      readonly limits?: ModelLimits | undefined
      /** US dollars per million tokens; both or none. */
      readonly priceIn?: number | undefined
      readonly priceOut?: number | undefined
      /** Known prices by model name, for when `priceIn` and `priceOut` are absent. */
      readonly prices?: Readonly<Record<string, Price>> | undefined
    }

export interface ConfiguredModel {
  readonly model: Model
  /** What the provider counts together: itself, key and model, with a hash in the place of the key. */
  readonly account: string
  /** For `limited`. */
  readonly limits?: ModelLimits
  /** Absent for the stand-in, which costs nothing. */
  readonly budget?: Budget
  /** The line to print before the first call. */
  describe(estimatedCalls?: number): string
}

export function modelFrom(config: ModelConfig): ConfiguredModel {
  const about = (calls: number | undefined): string => (calls === undefined ? '' : `, about ${calls} calls`)
  if (config.kind === 'stand-in') {
    const { baseUrl } = config
    const model = baseUrl === undefined ? standInModel() : openAiCompatible({ baseUrl, model: STAND_IN_NAME })
    return {
      model,
      account: accountOf(model),
      describe: (calls) => `model ${model.name} (${STAND_IN_NOTE})${about(calls)}, free`,
    }
  }
  const { kind, baseUrl, apiKey, model: name, budgetUsd, limits, priceIn, priceOut, prices } = config
  const price = priceOf(name, { in: priceIn, out: priceOut }, prices)
  const budget = openBudget(budgetUsd, price)
  const client = kind === 'anthropic' ? anthropic : openAiCompatible
  const model = client({ baseUrl, model: name, ...(apiKey !== undefined && { apiKey }) })
  return {
    model,
    account: accountOf(model, apiKey),
    budget,
    ...(limits && { limits }),
    describe: (calls) =>
      `model ${name} at ${model.provider}${about(calls)}, ${price.inPerMillion}/${price.outPerMillion} USD per ` +
      `million tokens in/out, hard stop at ${dollars(budget.limitNanoUsd)}${limits ? describeLimits(limits) : ''}`,
  }
}

/** A key has far too many bits to be guessed from 48 of its hash. */
function accountOf({ provider, name }: Model, apiKey = ''): string {
  const key = createHash('sha256').update(apiKey).digest('hex').slice(0, 12)
  return `${provider}/${name}/${apiKey === '' ? 'no-key' : key}`
}

function describeLimits({ requestsPerMinute, tokensPerMinute }: ModelLimits): string {
  const said = [
    ...(requestsPerMinute === undefined ? [] : [`${requestsPerMinute} requests`]),
    ...(tokensPerMinute === undefined ? [] : [`${tokensPerMinute} tokens`]),
  ]
  return said.length === 0 ? '' : `, at most ${said.join(' and ')} a minute`
}
