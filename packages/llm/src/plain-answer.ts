/**
 * A signature with one plain string to answer, asked for in words: no JSON that could be wrong. An effect.
 *
 * 1. It is for signatures that `isPlain` takes, and what comes back is checked as every result is.
 */
import { type Effect, type EffectContext, effect, LogicRefused } from '@troupe/core'
import type { Signature, Spec, SpecField } from '@troupe/signatures'
import { direct } from './direct.ts'
import { ModelError } from './model.ts'
import type { PredictOptions } from './predict.ts'

/** The one field of such an answer; undefined for any other signature. */
export function isPlain({ fields }: Spec): SpecField | undefined {
  const outputs = fields.filter(({ io }) => io === 'output')
  const [only] = outputs
  return outputs.length === 1 && only !== undefined && only.type.kind === 'str' ? only : undefined
}

/** @throws LogicRefused for a signature with another answer */
export function answerInWords<I extends object, O extends object>(
  { spec, output }: Signature<I, O>,
  {
    model,
    temperature,
    maxTokens,
    onText,
  }: Pick<PredictOptions, 'model' | 'temperature' | 'maxTokens'> & {
    readonly onText?: (delta: string, context: EffectContext) => void
  },
): Effect<I, O> {
  const field = isPlain(spec)
  const name = `words.${spec.name}`
  if (field === undefined) throw new LogicRefused(`${name}: its answer is not one plain string`)
  const told = field.desc === undefined ? '' : `, ${field.desc}`
  const inner = direct(model, {
    name,
    instructions: `${spec.instructions}\n\nAnswer with ${field.name}${told}, as plain text and nothing else.`,
    ...(temperature !== undefined && { temperature }),
    ...(maxTokens !== undefined && { maxTokens }),
    ...(onText && { onText }),
  })
  return effect(name, 'idempotent', async (input: I, context) => {
    const text = await inner.effect.run(JSON.stringify(input), context)
    const result = output['~standard'].validate({ [field.name]: text.trim() })
    if ('value' in result) return result.value
    throw new ModelError('ResultRefused', `${model.name} did not answer ${name}: ${result.issues[0]?.message}`)
  })
}
