/**
 * Reads a DSPy prompt (ChatAdapter's `[[ ## field ## ]]` markers, or JSONAdapter) back into its parts. Pure.
 *
 * 1. Only what stands in the messages is used: questions, examples, wanted output fields with their Python types, and
 *    the objective, wherever they come from.
 * 2. A message list of another shape gives undefined, never a guess.
 */
import type { ChatMessage } from './model.ts'

export interface OutputField {
  readonly name: string
  /** Python type as the prompt spells it: `str`, `float`, `Literal['a', 'b']`. */
  readonly type: string
}

export interface Example {
  readonly question: string
  readonly answer: ReadonlyMap<string, string>
}

export interface Prompt {
  readonly style: 'chat' | 'json'
  /** The instruction a person or an optimizer wrote. */
  readonly objective: string
  readonly question: string
  readonly outputs: readonly OutputField[]
  readonly examples: readonly Example[]
}

const REQUEST = 'Respond with '
const MISSING = 'Not supplied for this particular example'
/** `[[ ## name ## ]]` or plain name in backticks, then the type when it is not `str`. */
const WANTED =
  /`(?:\[\[ ## )?(\w+)(?: ## \]\])?`(?: \(must be formatted as a valid Python (.*?)\)(?=, then `|, and then |\.\s*$|\s*$))?/gs

export function readPrompt(messages: readonly ChatMessage[]): Prompt | undefined {
  const last = messages.at(-1)?.content ?? ''
  const cut = last.lastIndexOf(REQUEST)
  if (cut < 0) return undefined
  const tail = last.slice(cut)
  const outputs: OutputField[] = []
  for (const [, name, type] of tail.matchAll(WANTED)) {
    if (name !== undefined && name !== 'completed') outputs.push({ name, type: type ?? 'str' })
  }
  if (outputs.length === 0) return undefined
  const system = messages.find(({ role }) => role === 'system')?.content ?? ''
  return {
    style: tail.startsWith(`${REQUEST}a JSON object`) ? 'json' : 'chat',
    objective: system.split('your objective is:').at(-1)?.trim() ?? '',
    question: [...readFields(last.slice(0, cut)).values()].join('\n'),
    outputs,
    examples: readExamples(messages.slice(0, -1)),
  }
}

function readExamples(messages: readonly ChatMessage[]): Example[] {
  const examples: Example[] = []
  messages.forEach(({ role, content }, i) => {
    const answer = messages[i + 1]
    if (role !== 'user' || answer?.role !== 'assistant') return
    const fields = answer.content.trimStart().startsWith('{') ? readJson(answer.content) : readFields(answer.content)
    examples.push({ question: [...readFields(content).values()].join('\n'), answer: fields })
  })
  return examples
}

/** Values by field name; a field the example did not supply is absent. */
function readFields(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  let name: string | undefined
  let value: string[] = []
  const close = (): void => {
    const joined = value.join('\n').trim()
    if (name !== undefined && name !== 'completed' && !joined.startsWith(MISSING)) fields.set(name, joined)
    value = []
  }
  for (const line of text.split('\n')) {
    const marker = /^\[\[ ## (\w+) ## \]\]/.exec(line)
    if (marker === null) {
      value.push(line)
      continue
    }
    close()
    name = marker[1]
    value.push(line.slice(marker[0].length))
  }
  close()
  return fields
}

function readJson(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return fields
  }
  if (typeof parsed !== 'object' || parsed === null) return fields
  for (const [name, item] of Object.entries(parsed)) {
    const value = typeof item === 'string' ? item.trim() : JSON.stringify(item)
    if (!value.startsWith(MISSING)) fields.set(name, value)
  }
  return fields
}

/** The options of a `Literal[...]` in a Python type, with quotes and escapes removed; undefined when there is none. */
export function literalsOf(type: string): readonly string[] | undefined {
  const start = type.indexOf('Literal[')
  if (start < 0) return undefined
  const options: string[] = []
  let i = start + 'Literal['.length
  while (i < type.length && type[i] !== ']') {
    const quote = type[i]
    if (quote === ',' || quote === ' ') {
      i++
      continue
    }
    if (quote !== "'" && quote !== '"') {
      const bare = /^[^,\]]+/.exec(type.slice(i))?.[0] ?? ''
      options.push(bare.trim())
      i += bare.length
      continue
    }
    let option = ''
    for (i++; i < type.length && type[i] !== quote; i++) {
      if (type[i] === '\\') i++
      option += type[i] ?? ''
    }
    options.push(option)
    i++
  }
  return options.length > 0 ? options : undefined
}
