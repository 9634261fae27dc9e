/**
 * A question in words, answered in words, as an effect: `direct(model, { name })`.
 *
 * 1. An answer that was cut off or withheld is `ResultRefused`: half a text does not pass for one.
 * 2. The call is in the effect's record, as those of `predict` are (tries/1, tries/2).
 * 3. Once `onText` has heard something, no retry or fallback around the effect begins again.
 */
import { type Effect, type EffectContext, effect } from '@troupe/core'
import { streaming } from '@troupe/resilience'
import { type ChatMessage, type Model, ModelError } from './model.ts'
import { Tries } from './tries.ts'

export interface DirectOptions {
  /** Of the effect: what traces and the log show. */
  readonly name: string
  /** What the model is told before the question. */
  readonly instructions?: string
  readonly temperature?: number
  readonly maxTokens?: number
  /** Asks for a stream and hears the text as it comes. */
  readonly onText?: (delta: string, context: EffectContext) => void
}

export function direct(model: Model, options: DirectOptions): Effect<string, string> {
  const { name, instructions, temperature, maxTokens, onText } = options
  return effect(name, 'idempotent', async (question: string, context) => {
    const tries = new Tries(model, context, name)
    const system: ChatMessage[] = instructions === undefined ? [] : [{ role: 'system', content: instructions }]
    const request = {
      messages: [...system, { role: 'user' as const, content: question }],
      ...(temperature !== undefined && { temperature }),
      ...(maxTokens !== undefined && { maxTokens }),
    }
    const hear =
      onText &&
      ((delta: string) => {
        streaming(context)
        onText(delta, context)
      })
    const { answer, faults } = await tries.ask(request, {}, hear, ({ finishReason }) =>
      finishReason === 'stop' ? {} : { faults: [`the answer has ended for ${finishReason}`] },
    )
    if (faults === undefined) return answer.text
    throw new ModelError('ResultRefused', `${model.name} did not answer ${name}: ${faults.join('; ')}`)
  })
}
