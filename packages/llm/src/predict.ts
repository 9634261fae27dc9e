/**
 * A signature answered by a model, as an effect: `predict(signature, { model })`.
 *
 * 1. Nobody sees an answer that does not fit the signature: the model is told what is wrong, at most `maxRepairs` times.
 * 2. A server that refuses the request as wrong is asked in another way: JSON Schema, JSON mode, plain text.
 * 3. Every call of the model is in the effect's record under the names of both, with its tokens and the first faults of its answer. A run
 *    that is repeated, by a retry around it for example, shows its last time.
 * 4. After an abort the model is not asked again.
 */
import { type Effect, effect, InvalidEvent, LogicRefused } from '@troupe/core'
import type { SideSchema, Signature } from '@troupe/signatures'
import { abortError, type Model, type ModelAnswer, ModelError, type ModelRequest } from './model.ts'
import { FORMATS, formatOf, jsonIn, promptOf, repairOf } from './predict-prompt.ts'

export interface PredictOptions {
  readonly model: Model
  readonly temperature?: number
  /** Of one answer. */
  readonly maxTokens?: number
  /** Times that the model is told what is wrong with its answer. @defaultValue 2 */
  readonly maxRepairs?: number
}

/** One call of the model, as the record of the effect has it. */
interface Try {
  readonly format: string
  readonly usage?: ModelAnswer['usage']
  /** What was wrong. */
  readonly faults?: readonly string[]
  readonly error?: string
}

export function predict<I extends object, O extends object>(
  signature: Signature<I, O>,
  { model, temperature, maxTokens, maxRepairs = 2 }: PredictOptions,
): Effect<I, O> {
  const { spec, input, output } = signature
  const name = `predict.${spec.name}`
  const schema = output['~standard'].jsonSchema.output()
  if (!Number.isSafeInteger(maxRepairs) || maxRepairs < 0) {
    throw new LogicRefused(`${name}: maxRepairs is ${maxRepairs}; give a whole number from 0`)
  }
  return effect(name, 'idempotent', async (given: I, { signal, evidence }) => {
    const inputs = checked(input, given, `the input of ${name}`)
    const tries: Try[] = []
    const tell = () =>
      evidence({ [`${name}@${model.name}`]: { provider: model.provider, signature: spec.hash, tries: [...tries] } })
    const messages = promptOf(spec, inputs, schema)
    let [strictness, repairs] = [0, 0]
    for (;;) {
      const format = FORMATS[strictness] ?? 'text'
      const wanted = formatOf(format, spec, schema)
      const request: ModelRequest = {
        messages,
        ...(temperature !== undefined && { temperature }),
        ...(maxTokens !== undefined && { maxTokens }),
        ...(wanted && { format: wanted }),
      }
      if (signal.aborted) throw abortError(signal)
      let answer: ModelAnswer
      try {
        answer = await model.complete(request, { signal })
      } catch (error) {
        tries.push({ format, error: error instanceof ModelError ? error.code : String(error) })
        tell()
        if (!isFormatUnknown(error) || format === 'text') throw error
        strictness++
        continue
      }
      const found = outcomeOf(output, answer)
      const { usage } = answer
      tries.push({ format, ...(usage && { usage }), ...(found.kind === 'faults' && { faults: found.faults }) })
      tell()
      if (found.kind === 'value') return found.value
      if (repairs >= maxRepairs || answer.finishReason === 'content_filter') {
        const said = found.faults.join('; ')
        throw new ModelError(
          'MalformedAnswer',
          `${model.name} did not answer ${name} in ${tries.length} tries: ${said}`,
        )
      }
      repairs++
      messages.push(...repairOf(answer.text, found.faults))
    }
  })
}

/** As many as a model can use and a record can hold. */
const FAULTS = 10
const FAULT_CHARS = 300

type Outcome<O> =
  | { readonly kind: 'value'; readonly value: O }
  | { readonly kind: 'faults'; readonly faults: readonly string[] }

function outcomeOf<O>(output: SideSchema<O>, { text, finishReason }: ModelAnswer): Outcome<O> {
  if (finishReason === 'content_filter') return { kind: 'faults', faults: ['the answer was withheld (content_filter)'] }
  if (finishReason !== 'stop') return { kind: 'faults', faults: [`the answer was cut off (${finishReason})`] }
  const json = jsonIn(text)
  if (json === undefined) return { kind: 'faults', faults: ['it is no JSON'] }
  const result = output['~standard'].validate(json)
  if ('value' in result) return { kind: 'value', value: result.value }
  const faults = result.issues
    .slice(0, FAULTS)
    .map(({ path, message }) => `${path.join('.') || 'the object'} ${message}`.slice(0, FAULT_CHARS))
  const more = result.issues.length - faults.length
  return { kind: 'faults', faults: more > 0 ? [...faults, `and ${more} more`] : faults }
}

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
