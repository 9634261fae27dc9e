/** The requests that the cassettes in `test/golden` have answers to. For tests. */
import { signature } from '@troupe/signatures'
import type { ModelRequest } from './model.ts'

const system = { role: 'system', content: 'Be brief.' } as const

export const hello: ModelRequest = {
  messages: [system, { role: 'user', content: 'What is the capital of France?' }],
  maxTokens: 64,
}

const weather = {
  name: 'get_weather',
  description: 'The weather at a place, now.',
  schema: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
} as const

export const tooled: ModelRequest = {
  messages: [system, { role: 'user', content: 'How warm is it in Paris?' }],
  tools: [weather],
  toolChoice: 'auto',
  maxTokens: 256,
}

/** The tool has answered the call of that id. */
export const answered = (id: string): ModelRequest => ({
  ...tooled,
  messages: [
    ...tooled.messages,
    { role: 'assistant', content: '', toolCalls: [{ id, name: weather.name, input: { location: 'Paris' } }] },
    { role: 'tool', toolCallId: id, content: '21 degrees' },
  ],
})

/** Refused for the rate. */
export const tooMuch: ModelRequest = { messages: [{ role: 'user', content: 'Once more.' }], maxTokens: 64 }

export const capital = signature('country: str -> city: str, inhabitants: int', {
  name: 'Capital',
  instructions: 'Name the capital, and how many live there.',
})
export const country = { country: 'France' }
