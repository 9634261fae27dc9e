/**
 * A model within the limits of its provider: calls wait for their turn instead of being refused for the rate.
 *
 * 1. A call leaves when every limit has room for the most that it can use: a token has at least one byte, and an answer at
 *    most `maxTokens`. It settles what the provider says it used; unknown is not zero.
 * 2. Headers are believed once their call has settled: until then its reservation would pass for use. A refusal for the rate closes the
 *    limits for as long as it asks.
 * 3. The signal of a call ends its wait, with the error that it would end the call with; after it the model is not asked.
 *
 * The limits are those of this process: give each node its share.
 */
import type { Clock } from '@troupe/core'
import {
  CostRefused,
  type Limit,
  Limiter,
  type ReadableHeaders,
  readHeaders,
  type Told,
  Busy as TooManyWaiting,
} from '@troupe/resilience'
import { bounded, upperPromptTokens } from './budget.ts'
import { abortError, type Model, type ModelAnswer, ModelError } from './model.ts'

export interface ModelLimits {
  readonly requestsPerMinute?: number | undefined
  /** Of prompts and answers together. */
  readonly tokensPerMinute?: number | undefined
}

type Name = 'requests' | 'tokens'

export function limited(model: Model, limits: ModelLimits, clock: Clock): Model {
  const limiter = new Limiter<Name>({ limits: limitsOf(limits), clock })
  return {
    name: model.name,
    provider: model.provider,
    async complete(given, { signal, onHeaders }) {
      const request = bounded(given)
      const cost = { requests: 1, tokens: upperPromptTokens(request) + request.maxTokens }
      const grant = await limiter.wait(cost, { signal }).catch((error: unknown) => {
        throw refusal(error, signal)
      })
      if (signal.aborted) {
        grant.release()
        throw abortError(signal)
      }
      grant.begin()
      let told: Told | undefined
      const hear = (headers: ReadableHeaders) => {
        told = readHeaders(headers, clock.now())
        onHeaders?.(headers)
      }
      try {
        const answer = await model.complete(request, { signal, onHeaders: hear })
        grant.settle(usedBy(answer))
        return answer
      } catch (error) {
        // Who was refused has used nothing but a request; of all other failures it is not known.
        const refused = error instanceof ModelError && error.applied === 'no'
        grant.settle(refused ? { tokens: 0 } : {})
        if (error instanceof ModelError && error.code === 'RateLimited') limiter.drain(error.fields.retryAfterMs)
        throw error
      } finally {
        if (told !== undefined) limiter.learn(told)
      }
    },
  }
}

function limitsOf({ requestsPerMinute, tokensPerMinute }: ModelLimits): { readonly [name in Name]: Limit } {
  const unlimited = Number.MAX_SAFE_INTEGER
  return { requests: { cap: requestsPerMinute ?? unlimited }, tokens: { cap: tokensPerMinute ?? unlimited } }
}

function usedBy({ usage }: ModelAnswer): { readonly tokens?: number } {
  return usage === undefined ? {} : { tokens: usage.promptTokens + usage.completionTokens }
}

function refusal(error: unknown, signal: AbortSignal): ModelError {
  if (signal.aborted) return abortError(signal)
  if (error instanceof CostRefused) {
    const fix = 'shorten the prompt, lower the longest answer, or raise the limit'
    return new ModelError('InvalidRequest', `${error.message}: ${fix}`, {}, error)
  }
  if (error instanceof TooManyWaiting) return new ModelError('Busy', error.message, {}, error)
  throw error
}
