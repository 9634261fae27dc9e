/**
 * From a checked configuration to a model and its budget. Reads no environment: that is the app's configuration.
 *
 * 1. A model that may cost money always has a budget and a known price.
 * 2. `describe` shows provider, model, price and limit, and never a key.
 * 3. Another key is another account with its own limits, and spends the same money.
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
      /** What the provider allows the account: all nodes together with `inCluster`, else this process. @defaultValue none */
      readonly limits?: ModelLimits | undefined
      /** US dollars per million tokens; both or none. */
      readonly priceIn?: number | undefined
      readonly priceOut?: number | undefined
      /** Known prices by model name, for when `priceIn` and `priceOut` are absent. */
      readonly prices?: Readonly<Record<string, Price>> | undefined
    }

export interface ConfiguredModel {
  readonly model: Model
  /** What the provider counts together: its address, model and key, with a hash in the place of the key. */
  readonly account: string
  /** Whose money is spent together, whatever the key: the provider's address and the model. */
  readonly purse: string
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
      ...namesOf(model, { baseUrl }),
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
    ...namesOf(model, { baseUrl, apiKey }),
    budget,
    ...(limits && { limits }),
    describe: (calls) =>
      `model ${name} at ${model.provider}${about(calls)}, ${price.inPerMillion}/${price.outPerMillion} USD per ` +
      `million tokens in/out, hard stop at ${dollars(budget.limitNanoUsd)}${limits ? describeLimits(limits) : ''}`,
  }
}

function namesOf(
  { provider, name }: Model,
  { baseUrl, apiKey = '' }: { readonly baseUrl: string | undefined; readonly apiKey?: string | undefined },
): Pick<ConfiguredModel, 'account' | 'purse'> {
  const path = baseUrl === undefined ? '' : new URL(baseUrl).pathname.replace(/\/+$/, '')
  const purse = `${provider}${path}/${name}`
  // A key has far too many bits to be guessed from 48 of its hash.
  return { account: asKey(`${purse}/${apiKey === '' ? 'no-key' : hashOf(apiKey).slice(0, 12)}`), purse: asKey(purse) }
}

/** The longest key that an actor can have. */
const KEY_BYTES = 128
const HASH_CHARS = 24

/** What is too long for the key of an actor keeps its beginning, and a hash of all of it. */
function asKey(text: string): string {
  if (Buffer.byteLength(text) <= KEY_BYTES) return text
  const most = KEY_BYTES - HASH_CHARS - 1
  // A character that was cut through is left out.
  const beginning = Buffer.from(text)
    .subarray(0, most)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
  return `${beginning}~${hashOf(text).slice(0, HASH_CHARS)}`
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function describeLimits({ requestsPerMinute, tokensPerMinute }: ModelLimits): string {
  const said = [
    ...(requestsPerMinute === undefined ? [] : [`${requestsPerMinute} requests`]),
    ...(tokensPerMinute === undefined ? [] : [`${tokensPerMinute} tokens`]),
  ]
  return said.length === 0 ? '' : `, at most ${said.join(' and ')} a minute`
}
