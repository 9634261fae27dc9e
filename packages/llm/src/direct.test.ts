import { createSystem, defineActor, protocol } from '@troupe/core'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { type DirectOptions, direct } from './direct.ts'
import { type Line, scriptedModel } from './scripted-model.ts'

const says = protocol('idle', { events: { nothing: z.object({}) } })
const idle = defineActor(says, { logic: says.handlers({}, { nothing: (state) => ({ state }) }) })

async function ran(line: Line, options: Partial<DirectOptions> = {}) {
  const model = scriptedModel([line])
  await using system = await createSystem({ actors: [idle] })
  const answer = await system.run(direct(model, { name: 'ask', ...options }), 'Why?').catch((error: unknown) => error)
  return { answer, asked: model.asked }
}

test('a question is answered in words', async () => {
  const { answer, asked } = await ran('Because.', { instructions: 'Be brief.', maxTokens: 9 })
  expect(answer).toBe('Because.')
  const [system, user] = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Why?' },
  ]
  expect(asked).toEqual([{ messages: [system, user], maxTokens: 9 }])
})

test('the text is heard as it comes', async () => {
  const heard: string[] = []
  const { answer } = await ran({ stream: ['Be', 'cause.'] }, { onText: (delta) => heard.push(delta) })
  expect([answer, heard]).toEqual(['Because.', ['Be', 'cause.']])
})

test.each(['length', 'content_filter'] as const)(
  'direct/1: an answer that ended for %s is refused',
  async (finishReason) => {
    const { answer } = await ran({ text: 'Bec', finishReason })
    expect(answer).toMatchObject({ code: 'ResultRefused', retryable: false })
  },
)
