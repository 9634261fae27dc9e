/**
 * The stand-in for a language model: it answers like the most similar example in the prompt. Pure and deterministic.
 *
 * 1. It is no language model and says so. Without examples it knows nothing: the option is then picked by hash.
 * 2. The answer depends on the question, the examples, the wanted fields, `temperature` and `seed`. Of the instruction
 *    only sentences that name exactly one option count, as examples of that option at half weight.
 * 3. Temperature is real: at 0 the nearest example wins; at T every one of the 8 nearest that is less than T/4 less
 *    similar than the nearest may win, with a chance falling linearly to 0. The "chance" is a hash of the prompt,
 *    T and the seed: the same request always gets the same answer.
 * 4. `maxTokens` cuts the text, four bytes a token, as a real model would be cut.
 */
import { createHash } from 'node:crypto'
import { literalsOf, type OutputField, type Prompt, readPrompt } from './chat-prompt.ts'
import type { ModelAnswer, ModelRequest } from './model.ts'

export const STAND_IN_NAME = 'local-knn'
export const STAND_IN_NOTE = 'deterministic stand-in, not a language model'

const NEIGHBOURS = 8
const REACH_PER_DEGREE = 0.25
const FAINT = 0.05
const HINT_WEIGHT = 0.5
const BYTES_PER_TOKEN = 4

interface Evidence {
  readonly similarity: number
  readonly answer: ReadonlyMap<string, string>
}

export function standInAnswer(request: ModelRequest): ModelAnswer {
  const prompt = readPrompt(request.messages)
  const full = prompt === undefined ? `I am a ${STAND_IN_NOTE}; I only fill DSPy output fields.` : fill(prompt, request)
  const limitBytes = (request.maxTokens ?? Number.POSITIVE_INFINITY) * BYTES_PER_TOKEN
  const cut = Buffer.byteLength(full) > limitBytes
  const text = cut
    ? Buffer.from(full)
        .subarray(0, limitBytes)
        .toString('utf8')
        .replace(/\uFFFD$/, '')
    : full
  let promptBytes = 0
  for (const { content } of request.messages) promptBytes += Buffer.byteLength(content)
  return {
    text,
    finishReason: cut ? 'length' : 'stop',
    usage: {
      promptTokens: Math.ceil(promptBytes / BYTES_PER_TOKEN),
      completionTokens: Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN),
    },
  }
}

function fill(prompt: Prompt, { temperature = 0, seed = 0 }: ModelRequest): string {
  const { question, examples, outputs } = prompt
  const identity = JSON.stringify([question, examples.map((e) => [e.question, ...e.answer]), temperature, seed])
  const chance = createHash('sha256').update(identity).digest().readUInt32BE(0) / 2 ** 32
  const vectorOf = vectorsAmong([question, ...examples.map((example) => example.question)])
  const asked = vectorOf(question)
  const similar = (text: string): number => cosine(asked, vectorOf(text))
  const evidence = examples.map((example) => ({ similarity: similar(example.question), answer: example.answer }))
  const best = Math.max(0, ...evidence.map(({ similarity }) => similarity))

  const answerTo = (field: OutputField): string => {
    const options = literalsOf(field.type)
    if (options !== undefined) {
      const known = evidence.filter(({ answer }) => options.includes(answer.get(field.name) ?? ''))
      const hinted = hintsOf(prompt, field.name, options, similar)
      const byHash = options[Math.floor(chance * options.length)] ?? ''
      return pick([...known, ...hinted], temperature, chance)?.answer.get(field.name) ?? byHash
    }
    if (/reason|rationale|thought/i.test(field.name)) {
      return examples.length === 0
        ? 'There are no examples to compare with.'
        : `Nearest of ${examples.length} examples, similarity ${best.toFixed(2)}.`
    }
    if (field.type === 'float') return best.toFixed(3)
    const like = evidence.filter(({ answer }) => fits(answer.get(field.name), field.type))
    return pick(like, temperature, chance)?.answer.get(field.name) ?? emptyOf(field, identity)
  }

  const values = outputs.map((field): [OutputField, string] => [field, answerTo(field)])
  if (prompt.style === 'json') {
    return JSON.stringify(Object.fromEntries(values.map(([field, value]) => [field.name, jsonOf(field, value)])))
  }
  return `${values.map(([{ name }, value]) => `[[ ## ${name} ## ]]\n${value}`).join('\n\n')}\n\n[[ ## completed ## ]]`
}

/** Sentences of the instruction that name exactly one option, as examples of it. */
function hintsOf(
  { objective }: Prompt,
  field: string,
  options: readonly string[],
  similar: (text: string) => number,
): Evidence[] {
  const hints: Evidence[] = []
  for (const sentence of objective.split(/[.;\n]+/)) {
    const words = new Set(sentence.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [])
    const [option, ...more] = options.filter((name) => words.has(name.toLowerCase()))
    if (option === undefined || more.length > 0) continue
    hints.push({ similarity: HINT_WEIGHT * similar(sentence), answer: new Map([[field, option]]) })
  }
  return hints
}

/** The nearest; with temperature, one of those nearly as near. Undefined when nothing is similar at all. */
function pick(evidence: readonly Evidence[], temperature: number, chance: number): Evidence | undefined {
  const near = evidence.toSorted((a, b) => b.similarity - a.similarity).slice(0, NEIGHBOURS)
  const nearest = near[0]
  if (nearest === undefined || nearest.similarity <= FAINT) return undefined
  const reach = REACH_PER_DEGREE * temperature
  if (reach <= 0) return nearest
  const weights = near.map(({ similarity }) => Math.max(0, 1 - (nearest.similarity - similarity) / reach))
  let left = chance * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [i, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return near[i]
  }
  return nearest
}

function fits(value: string | undefined, type: string): boolean {
  if (value === undefined) return false
  if (type === 'bool') return /^(true|false)$/i.test(value)
  if (type === 'int') return /^-?\d+$/.test(value)
  return true
}

function emptyOf({ name, type }: OutputField, identity: string): string {
  if (type === 'bool') return 'False'
  if (type === 'int') return '0'
  if (type.startsWith('list')) return '[]'
  if (type.startsWith('dict')) return '{}'
  if (/instruction/i.test(name)) {
    const variant = createHash('sha256').update(identity).digest('hex').slice(0, 4)
    return `Compare the input with the examples and answer like the most similar one (variant ${variant}).`
  }
  return `stand-in text for ${name}`
}

function jsonOf({ type }: OutputField, value: string): unknown {
  if (type === 'bool') return /^true$/i.test(value)
  if (type === 'str' || literalsOf(type)?.every((option) => !/^(-?\d+|True|False|None)$/.test(option))) return value
  try {
    const parsed: unknown = JSON.parse(value)
    return parsed
  } catch {
    return value
  }
}

// ── Similarity ──────────────────────────────────────────────────────────────────────────────────────────────────────

type Vector = ReadonlyMap<string, number>

/**
 * Unit vectors of word beginnings (five letters), so that `receive` and `received` meet; a beginning weighs less the more
 * of `texts` have it. Square roots only: every platform rounds them alike.
 */
function vectorsAmong(texts: readonly string[]): (text: string) => Vector {
  const having = new Map<string, number>()
  for (const text of texts) for (const stem of stemsOf(text).keys()) having.set(stem, (having.get(stem) ?? 0) + 1)
  return (text) => {
    const vector = new Map<string, number>()
    let square = 0
    for (const [stem, count] of stemsOf(text)) {
      const value = count * Math.sqrt(texts.length / (having.get(stem) ?? 1))
      vector.set(stem, value)
      square += value * value
    }
    const length = Math.sqrt(square) || 1
    for (const [stem, value] of vector) vector.set(stem, value / length)
    return vector
  }
}

function stemsOf(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? []) {
    const stem = word.slice(0, 5)
    counts.set(stem, (counts.get(stem) ?? 0) + 1)
  }
  return counts
}

function cosine(a: Vector, b: Vector): number {
  let sum = 0
  for (const [stem, value] of a) sum += value * (b.get(stem) ?? 0)
  return sum
}
