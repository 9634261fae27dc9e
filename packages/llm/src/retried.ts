/**
 * A model that is asked again when a call may have failed by chance. It owns the retries of its callers: what asks it should have none.
 *
 * 1. `retryable` decides, with full jitter on top of what a refusal asks for; the signal and `withinMs` are the budget.
 * 2. After the first text of a stream nothing is asked again: its reader would see two answers.
 * 3. Every try is a call of its own for whatever is inside: it takes its own grant and is paid by itself.
 */
import type { Clock, Entropy } from '@troupe/core'
import { type RetryOptions, retry } from '@troupe/resilience'
import { abortError, type Model, ModelError } from './model.ts'

export interface RetriedOptions extends RetryOptions {
  readonly clock: Clock
  readonly entropy: Entropy
}

export function retried(model: Model, { clock, entropy, ...options }: RetriedOptions): Model {
  return {
    name: model.name,
    provider: model.provider,
    async complete(request, { onText, ...listeners }) {
      const { signal } = listeners
      let heard = false
      const hear =
        onText &&
        ((delta: string) => {
          heard = true
          onText(delta)
        })
      const call = () => model.complete(request, { ...listeners, ...(hear && { onText: hear }) })
      const how = { ...options, clock, entropy, class: 'idempotent', signal, may: () => !heard } as const
      return await retry(call, how).catch((error: unknown) => {
        throw error instanceof ModelError || !signal.aborted ? error : abortError(signal)
      })
    },
  }
}
