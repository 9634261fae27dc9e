/**
 * A signature as messages to a chat model, and what the model answers as JSON. Pure.
 *
 * 1. What is asked follows from the spec alone: instructions, the fields with what is told about them, the JSON Schema of the answer.
 * 2. Inputs are data in the last message, never part of the instructions.
 */
import { type Json, type Spec, textOf } from '@troupe/signatures'
import type { ChatMessage, ModelRequest } from './model.ts'

/** How a model is asked for JSON, the strictest first: not every server knows all. */
export const FORMATS = ['json-schema', 'tool', 'json', 'text'] as const
export type Format = (typeof FORMATS)[number]

/** Of the one tool that must be called; every provider takes it. */
const TOOL = 'answer'

export function askFor(
  format: Format,
  spec: Spec,
  schema: unknown,
): Pick<ModelRequest, 'format' | 'tools' | 'toolChoice'> {
  switch (format) {
    case 'json-schema':
      return { format: { kind: 'json-schema', schema, name: spec.name, strict: true } }
    case 'tool':
      return {
        tools: [{ name: TOOL, description: 'Takes the answer.', schema }],
        toolChoice: { name: TOOL },
      }
    case 'json':
      return { format: { kind: 'json' } }
    case 'text':
      return {}
  }
}

export function promptOf(spec: Spec, inputs: object, schema: unknown): ChatMessage[] {
  const listed = (io: 'input' | 'output') =>
    spec.fields
      .filter((field) => field.io === io)
      .map(({ name, type, desc }) => `- ${name} (${textOf(type)})${desc === undefined ? '' : `: ${desc}`}`)
      .join('\n')
  const system = [
    spec.instructions,
    `You are given these fields:\n${listed('input')}`,
    `You answer with these fields:\n${listed('output')}`,
    `Answer with one JSON object and nothing else. It must fit this JSON Schema:\n${JSON.stringify(schema)}`,
  ].join('\n\n')
  return [
    { role: 'system', content: system },
    { role: 'user', content: JSON.stringify(inputs) },
  ]
}

const ANSWER_CHARS = 20_000

/** After an answer that does not fit: its beginning, and what is wrong with it. */
export function repairOf(answer: string, faults: readonly string[]): ChatMessage[] {
  const content = `That does not fit:\n${faults.map((fault) => `- ${fault}`).join('\n')}\nAnswer again, with the whole JSON object and nothing else.`
  return [
    // Some servers refuse an empty message.
    { role: 'assistant', content: answer.slice(0, ANSWER_CHARS) || '(nothing)' },
    { role: 'user', content },
  ]
}

/** The JSON of an answer, also from its last code fence or with words around it; undefined when there is none. Linear. */
export function jsonIn(answer: string): Json | undefined {
  for (const text of [answer, ...fenced(answer), answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)]) {
    try {
      return JSON.parse(text, plainKey)
    } catch {
      // The next form may be one.
    }
  }
  return undefined
}

/** A key that would be a prototype wherever it is assigned is not data that can be recorded. */
function plainKey(key: string, value: Json): Json {
  if (key === '__proto__') throw new SyntaxError('the key __proto__')
  return value
}

const FENCE = '```'

function fenced(answer: string): string[] {
  const parts = answer.split(FENCE)
  // Odd parts are inside of fences; the first line of one may name its language.
  const inside = parts.filter((_, n) => n % 2 === 1 && n < parts.length - 1)
  return inside.slice(-1).map((part) => part.slice(part.indexOf('\n') + 1))
}
