/**
 * A model within the limits of its provider: calls wait for their turn instead of being refused for the rate.
 *
 * 1. A call leaves when every limit has room for the most that it can use: a token has at least one byte, and an answer at
 *    most `maxTokens`. It settles what the provider says it used, if that can be; unknown is not zero.
 * 2. Headers are believed once their call has settled: until then its reservation would pass for use. A refusal for the rate closes the
 *    limits for as long as it asks.
 * 3. The signal of a call ends its wait, with the error that it would end the call with; after it the model is not asked.
 *
 * The limits are those of this process, or of the whole cluster with what a `modelGate` grants, which has a breaker too.
 */
import { type Clock, TroupeError } from '@troupe/core'
import {
  BreakerOpen,
  type BreakerOptions,
  CostRefused,
  type Gate,
  type Grant,
  type Granting,
  gate,
  type Limit,
  Limiter,
  type ReadableHeaders,
  readHeaders,
  type Told,
} from '@troupe/resilience'
import { bounded, upperPromptTokens, usedTokens } from './budget.ts'
import {
  abortError,
  type CompleteOptions,
  type Model,
  type ModelAnswer,
  ModelError,
  type ModelRequest,
} from './model.ts'

export interface ModelLimits {
  readonly requestsPerMinute?: number | undefined
  /** Of prompts and answers together. */
  readonly tokensPerMinute?: number | undefined
}

export type ModelLimitName = 'requests' | 'tokens'

/**
 * The limits of an account for a whole cluster: `limited(model, modelGate(account, limits).in(runtime), clock)`, with `gates` among the
 * actors of its nodes.
 * @param account one provider, key and model; `modelFrom` names it
 */
export function modelGate(account: string, limits: ModelLimits, breaker: BreakerOptions = {}): Gate<ModelLimitName> {
  return gate(account, { limits: limitsOf(limits), breaker })
}

export function limited(model: Model, by: ModelLimits | Granting<ModelLimitName>, clock: Clock): Model {
  const granting = 'run' in by ? by : new Limiter({ limits: limitsOf(by), clock })
  const call = async (
    request: ModelRequest,
    { signal, onHeaders, ...options }: CompleteOptions,
    grant: Grant<ModelLimitName>,
  ): Promise<ModelAnswer> => {
    grant.begin()
    let told: Told | undefined
    const hear = (headers: ReadableHeaders) => {
      told = readHeaders(headers, clock.now())
      onHeaders?.(headers)
    }
    try {
      const answer = await model.complete(request, { ...options, signal, onHeaders: hear })
      grant.settle(usedBy(answer))
      return answer
    } catch (error) {
      // Who was refused has used nothing but a request; of all other failures it is not known.
      const refused = error instanceof ModelError && error.applied === 'no'
      grant.settle(refused ? { tokens: 0 } : {})
      if (error instanceof ModelError && error.code === 'RateLimited') granting.drain(error.fields.retryAfterMs)
      throw error
    } finally {
      if (told !== undefined) granting.learn(told)
    }
  }
  return {
    name: model.name,
    provider: model.provider,
    async complete(given, options) {
      const request = bounded(given)
      const cost = { requests: 1, tokens: upperPromptTokens(request) + request.maxTokens }
      try {
        return await granting.run(cost, { signal: options.signal }, (grant) => call(request, options, grant))
      } catch (error) {
        throw error instanceof ModelError ? error : refusal(error, options.signal)
      }
    },
  }
}

function limitsOf({ requestsPerMinute, tokensPerMinute }: ModelLimits): { readonly [name in ModelLimitName]: Limit } {
  const unlimited = Number.MAX_SAFE_INTEGER
  return { requests: { cap: requestsPerMinute ?? unlimited }, tokens: { cap: tokensPerMinute ?? unlimited } }
}

function usedBy(answer: ModelAnswer): { readonly tokens?: number } {
  const tokens = usedTokens(answer)
  return tokens === undefined ? {} : { tokens }
}

/** Why there was no grant: nothing was asked. */
function refusal(error: unknown, signal: AbortSignal): ModelError {
  if (signal.aborted) return abortError(signal)
  if (!(error instanceof TroupeError)) throw error
  if (error instanceof CostRefused) {
    const fix = 'shorten the prompt, lower the longest answer, or raise the limit'
    return new ModelError('InvalidRequest', `${error.message}: ${fix}`, {}, error)
  }
  const { retryAfterMs } = error.details
  const fields = typeof retryAfterMs === 'number' ? { retryAfterMs } : {}
  return new ModelError(error instanceof BreakerOpen ? 'BreakerOpen' : 'Busy', error.message, fields, error)
}
