/**
 * A signature answered by a model, as an effect: `predict(signature, { model })`.
 *
 * 1. Nobody sees an answer that does not fit the signature: the model is told what is wrong, at most `maxRepairs` times. After that
 *    it is `ResultRefused`, which a retry around the effect does not try again: it would multiply the repairs.
 * 2. A server that refuses the request as wrong is asked in another way: JSON Schema, a forced tool, JSON mode, plain text. What it
 *    took is where the next call of this effect begins.
 * 3. Every call of the model is in the effect's record under the names of both, with its tokens, times and the first faults of its
 *    answer, also of runs before it within the same effect, by a retry around it for example (tries/2).
 * 4. After an abort the model is not asked again.
 * 5. `onPartial` hears what there is of an answer that nobody has checked yet, and from then on no retry or fallback around the effect
 *    begins again. A repair begins a new partial value.
 */
import { type Effect, type EffectContext, effect, InvalidEvent, LogicRefused } from '@troupe/core'
import { streaming } from '@troupe/resilience'
import type { Json, SideSchema, Signature } from '@troupe/signatures'
import { type Model, type ModelAnswer, ModelError } from './model.ts'
import { PartialJson } from './partial-json.ts'
import { askFor, FORMATS, jsonIn, promptOf, repairOf } from './predict-prompt.ts'
import { Tries } from './tries.ts'

/** Of strings what has come so far, also of those that must be one of some; of everything else what is whole. */
export type DeepPartial<T> = T extends string
  ? string
  : T extends readonly (infer Item)[]
    ? readonly DeepPartial<Item>[]
    : T extends object
      ? { readonly [K in keyof T]?: DeepPartial<T[K]> }
      : T

export interface PredictOptions<O = unknown> {
  readonly model: Model
  readonly temperature?: number
  /** Of one answer. */
  readonly maxTokens?: number
  /** Times that the model is told what is wrong with its answer. @defaultValue 2 */
  readonly maxRepairs?: number
  /**
   * Asks for a stream and hears the outputs as they grow: the same object each time, so whoever keeps it copies it. It hears nothing
   * of an answer that comes as a tool call, or with a field that the signature does not have.
   */
  readonly onPartial?: (value: DeepPartial<O>, context: EffectContext) => void
}

export function predict<I extends object, O extends object>(
  signature: Signature<I, O>,
  { model, temperature, maxTokens, maxRepairs = 2, onPartial }: PredictOptions<O>,
): Effect<I, O> {
  const { spec, input, output } = signature
  const name = `predict.${spec.name}`
  const schema = output['~standard'].jsonSchema.output()
  const outputs = new Set(spec.fields.filter(({ io }) => io === 'output').map((field) => field.name))
  if (!Number.isSafeInteger(maxRepairs) || maxRepairs < 0) {
    throw new LogicRefused(`${name}: maxRepairs is ${maxRepairs}; give a whole number from 0`)
  }
  let taken = 0
  return effect(name, 'idempotent', async (given: I, context) => {
    const inputs = checked(input, given, `the input of ${name}`)
    const tries = new Tries(model, context, name, { signature: spec.hash })
    const messages = promptOf(spec, inputs, schema)
    let repairs = 0
    for (let strictness = taken; ; ) {
      const format = FORMATS[strictness] ?? 'text'
      const request = {
        messages,
        ...(temperature !== undefined && { temperature }),
        ...(maxTokens !== undefined && { maxTokens }),
        ...askFor(format, spec, schema),
      }
      const hear = onPartial && partially(outputs, onPartial, context)
      let found: Outcome<O> & { readonly answer: ModelAnswer }
      try {
        found = await tries.ask(request, { format }, hear, (answer) => outcomeOf(output, answer))
      } catch (error) {
        if (!isFormatUnknown(error) || format === 'text') throw error
        strictness++
        continue
      }
      taken = strictness
      if (found.kind === 'value') return found.value
      if (repairs >= maxRepairs || found.answer.finishReason === 'content_filter') {
        const said = found.faults.join('; ')
        throw new ModelError('ResultRefused', `${model.name} did not answer ${name} in ${tries.count} tries: ${said}`)
      }
      repairs++
      messages.push(...repairOf(textOf(found.answer), found.faults))
    }
  })
}

function partially<O>(
  outputs: ReadonlySet<string>,
  onPartial: (value: DeepPartial<O>, context: EffectContext) => void,
  context: EffectContext,
): (delta: string) => void {
  const reader = new PartialJson()
  /** The fields are those of the outputs; what is in them has the model to answer for until it is whole. */
  const isPartial = (value: object): value is DeepPartial<O> & object =>
    Object.keys(value).every((key) => outputs.has(key))
  return (delta) => {
    if (!reader.push(delta) || reader.value === undefined || !isPartial(reader.value)) return
    streaming(context)
    onPartial(reader.value, context)
  }
}

/** As many as a model can use and a record can hold. */
const FAULTS = 10
const FAULT_CHARS = 300

type Outcome<O> =
  | { readonly kind: 'value'; readonly value: O; readonly faults?: undefined }
  | { readonly kind: 'faults'; readonly faults: readonly string[] }

function outcomeOf<O>(output: SideSchema<O>, answer: ModelAnswer): Outcome<O> {
  const { finishReason } = answer
  if (finishReason === 'content_filter') return { kind: 'faults', faults: ['the answer was withheld (content_filter)'] }
  if (finishReason === 'length') return { kind: 'faults', faults: [`the answer was cut off (${finishReason})`] }
  const json = jsonOf(answer)
  if (json === undefined) return { kind: 'faults', faults: ['it is no JSON'] }
  const result = output['~standard'].validate(json)
  if ('value' in result) return { kind: 'value', value: result.value }
  const faults = result.issues
    .slice(0, FAULTS)
    .map(({ path, message }) => `${path.join('.') || 'the object'} ${message}`.slice(0, FAULT_CHARS))
  const more = result.issues.length - faults.length
  return { kind: 'faults', faults: more > 0 ? [...faults, `and ${more} more`] : faults }
}

/** What the model said, the input of its tool call in the place of a text. */
function textOf({ text, toolCalls }: ModelAnswer): string {
  const [call] = toolCalls ?? []
  return call === undefined ? text : JSON.stringify(call.input)
}

const jsonOf = (answer: ModelAnswer): Json | undefined => jsonIn(textOf(answer))

/** @throws InvalidEvent */
function checked<T>(schema: SideSchema<T>, value: T, what: string): T {
  const result = schema['~standard'].validate(value)
  if ('value' in result) return result.value
  const issues = result.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  throw new InvalidEvent(`${what} does not fit its schema: ${issues.join('; ')}`, { issues })
}

/** Servers that do not know a format say that the request is wrong. */
function isFormatUnknown(error: unknown): boolean {
  if (!(error instanceof ModelError)) return false
  // Without a status it is our own refusal, and no other format would change it.
  return error.code === 'Unsupported' || (error.code === 'InvalidRequest' && error.fields.status !== undefined)
}
