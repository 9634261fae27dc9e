import { describe, expect, test } from 'vitest'
import { literalsOf, readPrompt } from './chat-prompt.ts'
import type { ChatMessage, ModelRequest } from './model.ts'
import { standInAnswer } from './nearest-neighbour.ts'

const LABELS = "Literal['socket', 'tarfile', 'datetime']"
const pool: readonly (readonly [string, string])[] = [
  ['Send bytes over the network to the remote address', 'socket'],
  ['Receive bytes from the network connection', 'socket'],
  ['Add a member file to the tar archive', 'tarfile'],
  ['Extract all members of an archive', 'tarfile'],
  ['Return the weekday of the date', 'datetime'],
]

interface Ask {
  readonly question: string
  readonly demos?: readonly (readonly [string, string])[]
  readonly instruction?: string
  readonly output?: string
  readonly type?: string
}

/** Messages as DSPy 3.4.1's ChatAdapter writes them for `ChainOfThought('docstring -> <output>')`. */
function prompt({ question, demos = [], instruction = 'Which module is it?', output = 'label', type = LABELS }: Ask) {
  const system =
    `Your input fields are:\n1. \`docstring\` (str): \nYour output fields are:\n1. \`reasoning\` (str): \n2. \`${output}\` ` +
    `(${type}): \nAll interactions will be structured in the following way, with the appropriate values filled in.\n\n` +
    `[[ ## docstring ## ]]\n{docstring}\n\n[[ ## reasoning ## ]]\n{reasoning}\n\n[[ ## ${output} ## ]]\n{${output}}\n\n` +
    `[[ ## completed ## ]]\nIn adhering to this structure, your objective is: \n        ${instruction}`
  const messages: ChatMessage[] = [{ role: 'system', content: system }]
  for (const [text, value] of demos) {
    messages.push({ role: 'user', content: `This is an example of the task.\n\n[[ ## docstring ## ]]\n${text}` })
    messages.push({
      role: 'assistant',
      content:
        '[[ ## reasoning ## ]]\nNot supplied for this particular example. \n\n' +
        `[[ ## ${output} ## ]]\n${value}\n\n[[ ## completed ## ]]\n`,
    })
  }
  const typed = type === 'str' ? '' : ` (must be formatted as a valid Python ${type})`
  messages.push({
    role: 'user',
    content:
      `[[ ## docstring ## ]]\n${question}\n\nRespond with the corresponding output fields, starting with the field ` +
      `\`[[ ## reasoning ## ]]\`, then \`[[ ## ${output} ## ]]\`${typed}, and then ending with the marker for ` +
      '`[[ ## completed ## ]]`.',
  })
  return messages
}

function label(ask: Ask, options: Omit<ModelRequest, 'messages'> = {}): string {
  const { text } = standInAnswer({ messages: prompt(ask), ...options })
  return new RegExp(`\\[\\[ ## ${ask.output ?? 'label'} ## \\]\\]\\n(.*)`).exec(text)?.[1] ?? `no label in: ${text}`
}

const question = 'Receive a packet from the network'

describe('reading a prompt', () => {
  test('finds question, objective, examples and wanted fields', () => {
    const read = readPrompt(prompt({ question, demos: pool.slice(0, 1) }))
    expect(read).toEqual({
      style: 'chat',
      objective: 'Which module is it?',
      question,
      outputs: [
        { name: 'reasoning', type: 'str' },
        { name: 'label', type: LABELS },
      ],
      examples: [{ question: pool[0]?.[0], answer: new Map([['label', 'socket']]) }],
    })
  })

  test('chat-prompt/2: other messages are not guessed at', () => {
    expect(readPrompt([{ role: 'user', content: 'Hello, who are you?' }])).toBeUndefined()
    expect(readPrompt([])).toBeUndefined()
    expect(standInAnswer({ messages: [{ role: 'user', content: 'Hello' }] }).text).toContain('not a language model')
  })

  test.each([
    ["Literal['a', 'b']", ['a', 'b']],
    ["Optional[Literal['a, b', \"it's\", 'x]y', 'q\\'r']]", ['a, b', "it's", 'x]y', "q'r"]],
    ['Literal[1, 2, True]', ['1', '2', 'True']],
    ['str', undefined],
    ['Literal[', undefined],
  ])('the options of %s', (type, options) => {
    expect(literalsOf(type)).toEqual(options)
  })
})

describe('the stand-in', () => {
  test('answers like the most similar example, in the format that was asked for', () => {
    const { text, finishReason, usage } = standInAnswer({ messages: prompt({ question, demos: pool }) })
    expect(text).toMatch(
      /^\[\[ ## reasoning ## \]\]\nNearest of 5 examples, similarity 0\.\d\d\.\n\n\[\[ ## label ## \]\]\nsocket\n\n\[\[ ## completed ## \]\]$/,
    )
    expect(finishReason).toBe('stop')
    expect(usage?.promptTokens).toBeGreaterThan(100)
  })

  test('nearest-neighbour/2: the examples decide, whatever the fields are called', () => {
    expect(label({ question, demos: pool, output: 'verdict' })).toBe('socket')
    const swapped = pool.map(([text, value]) => [text, value === 'socket' ? 'tarfile' : value] as const)
    expect(label({ question, demos: swapped, output: 'verdict' })).toBe('tarfile')
    expect(label({ question, demos: pool.slice(2) })).not.toBe('socket')
  })

  test('nearest-neighbour/2: an instruction matters only when it names an option', () => {
    const plain = label({ question })
    for (const instruction of ['Think hard.', 'You are an expert in Python.', 'socket or tarfile or datetime?']) {
      expect(label({ question, instruction })).toBe(plain)
    }
    const other = plain === 'datetime' ? 'tarfile' : 'datetime'
    expect(label({ question, instruction: `A packet from the network means ${other}.` })).toBe(other)
    const demos: Ask['demos'] = [[question, 'socket']]
    expect(label({ question, demos, instruction: `A packet from the network means ${other}.` })).toBe('socket')
  })

  test('an example whose label is no option is not followed', () => {
    expect(['socket', 'tarfile', 'datetime']).toContain(label({ question, demos: [[question, 'zipfile']] }))
  })

  test('nearest-neighbour/3: the same request always gets the same answer', () => {
    const options = { temperature: 1.5, seed: 3 }
    const answers = Array.from({ length: 5 }, () => label({ question, demos: pool }, options))
    expect(new Set(answers).size).toBe(1)
  })

  test('nearest-neighbour/3: the hotter, the more often another near example wins; at 0 never', () => {
    const nearest = label({ question, demos: pool })
    const others = (temperature: number): number =>
      Array.from({ length: 200 }, (_, seed) => label({ question, demos: pool }, { temperature, seed })).filter(
        (answer) => answer !== nearest,
      ).length
    const [cold, warm, hot] = [others(0), others(1), others(2)]
    expect(cold).toBe(0)
    expect(warm).toBeLessThan(hot)
    expect(hot).toBeGreaterThan(20)
    expect(hot).toBeLessThan(180)
  })

  test('nearest-neighbour/4: maxTokens cuts the answer, never inside a character', () => {
    const demos: Ask['demos'] = [[question, 'äöü€'.repeat(20)]]
    for (const maxTokens of [17, 18, 19, 20, 21]) {
      const messages = prompt({ question, demos, type: 'str' })
      const { text, finishReason, usage } = standInAnswer({ messages, maxTokens })
      expect(finishReason).toBe('length')
      expect(text).not.toContain('\uFFFD')
      expect(usage?.completionTokens).toBeLessThanOrEqual(maxTokens)
    }
  })

  test.each([
    ['float', /^1\.000$/],
    ['int', /^42$/],
    ['bool', /^True$/],
  ])('fills a %s field from the nearest example that has one', (type, value) => {
    const demos: Ask['demos'] = [
      [question, type === 'bool' ? 'True' : '42'],
      ['Something else', 'nonsense'],
    ]
    expect(label({ question, demos, type })).toMatch(value)
  })

  test.each([
    ['bool', 'False'],
    ['int', '0'],
    ['list[str]', '[]'],
    ['str', 'stand-in text for label'],
  ])('without examples a %s field gets %s', (type, value) => {
    expect(label({ question, type })).toBe(value)
  })

  test('speaks JSON to JSONAdapter', () => {
    const messages: ChatMessage[] = [
      { role: 'user', content: `[[ ## docstring ## ]]\n${question}` },
      { role: 'assistant', content: '{"reasoning": "x", "label": "socket", "sure": true}' },
      {
        role: 'user',
        content:
          `[[ ## docstring ## ]]\n${question}\n\nRespond with a JSON object in the following order of fields: ` +
          `\`reasoning\`, then \`label\` (must be formatted as a valid Python ${LABELS}), then \`sure\` (must be ` +
          'formatted as a valid Python bool).',
      },
    ]
    expect(JSON.parse(standInAnswer({ messages }).text)).toEqual({
      reasoning: 'Nearest of 1 examples, similarity 1.00.',
      label: 'socket',
      sure: true,
    })
  })
})
