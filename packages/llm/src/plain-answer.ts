/**
 * A signature with one plain string to answer, asked for in words: no JSON that could be wrong. An effect.
 *
 * 1. It is for signatures that `isPlain` takes. Its input and its result are checked as those of `predict` are.
 * 2. Nothing is repaired: any text is a string.
 */
import { type Effect, type EffectContext, effect, InvalidEvent, LogicRefused } from '@troupe/core'
import type { Signature, Spec, SpecField } from '@troupe/signatures'
import { direct } from './direct.ts'
import { ModelError } from './model.ts'
import type { DeepPartial, PredictOptions } from './predict.ts'

/** The one field of such an answer; undefined for any other signature. */
export function isPlain({ fields }: Spec): SpecField | undefined {
  const outputs = fields.filter(({ io }) => io === 'output')
  const [only] = outputs
  return outputs.length === 1 && only !== undefined && only.type.kind === 'str' ? only : undefined
}

export interface InWordsOptions<O> extends Omit<PredictOptions<O>, 'maxRepairs'> {
  /** Asks for a stream and hears the text as it comes. */
  readonly onText?: (delta: string, context: EffectContext) => void
}

/** @throws LogicRefused for a signature with another answer */
export function answerInWords<I extends object, O extends object>(
  { spec, input, output }: Signature<I, O>,
  { model, temperature, maxTokens, onText, onPartial }: InWordsOptions<O>,
): Effect<I, O> {
  const field = isPlain(spec)
  const name = `words.${spec.name}`
  if (field === undefined) throw new LogicRefused(`${name}: its answer is not one plain string`)
  const told = field.desc === undefined ? '' : `, ${field.desc}`
  const how = {
    name,
    instructions: `${spec.instructions}\n\nAnswer with ${field.name}${told}, as plain text and nothing else.`,
    ...(temperature !== undefined && { temperature }),
    ...(maxTokens !== undefined && { maxTokens }),
  }
  const listeners = (): readonly ((delta: string, context: EffectContext) => void)[] => [
    ...(onText ? [onText] : []),
    ...(onPartial ? [partially(field.name, onPartial)] : []),
  ]
  return effect(name, 'idempotent', async (given: I, context) => {
    const inputs = input['~standard'].validate(given)
    if (!('value' in inputs)) {
      const issues = inputs.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
      throw new InvalidEvent(`the input of ${name} does not fit its schema: ${issues.join('; ')}`, { issues })
    }
    const hears = listeners()
    const hear = (delta: string, of: EffectContext) => {
      for (const listener of hears) listener(delta, of)
    }
    const asked = direct(model, { ...how, ...(hears.length > 0 && { onText: hear }) })
    const text = await asked.effect.run(JSON.stringify(inputs.value), context)
    const result = output['~standard'].validate({ [field.name]: text.trim() })
    if ('value' in result) return result.value
    throw new ModelError('ResultRefused', `${model.name} did not answer ${name}: ${result.issues[0]?.message}`)
  })
}

function partially<O>(
  field: string,
  onPartial: (value: DeepPartial<O>, context: EffectContext) => void,
): (delta: string, context: EffectContext) => void {
  const value: { [field: string]: string } = { [field]: '' }
  const isPartial = (one: object): one is DeepPartial<O> & object => Object.hasOwn(one, field)
  return (delta, context) => {
    value[field] = `${value[field]}${delta}`.trimStart()
    if (isPartial(value)) onPartial(value, context)
  }
}
