/** Model calls of workers and the frames they get, byte by byte, and the codes of both (`test/golden`). */
import { toWire } from '@troupe/core'
import { expect, test } from 'vitest'
import { errorRows, goldenFrame, inOrder, rowOf } from '../../../test/wire/golden.mjs'
import { decodeCall, decodeCancel, errorFrame, eventFrame, finalFrame, heartbeat } from './frames.ts'
import { endEvents, lm15Codes, startEvent, textEvent } from './lm15.ts'
import { ModelError } from './model.ts'

const reply = { subject: '_INBOX.x', asJson: false }
const answer = { text: 'Paris', finishReason: 'stop', usage: { promptTokens: 12, completionTokens: 3 } } as const
const calling = {
  text: '',
  finishReason: 'tool_calls',
  toolCalls: [{ id: 'c1', name: 'weather', input: { city: 'Paris' } }],
  usage: { promptTokens: 12, completionTokens: 3, cachedTokens: 8 },
} as const
const fields = { retryAfterMs: 1_500, status: 429, provider: 'p', requestId: 'r' }

test('what a node sends is the frame byte by byte', () => {
  const made = [
    heartbeat(reply),
    ...[startEvent('e-1-0a-1', 'm'), textEvent('Paris'), ...endEvents(answer), ...endEvents(calling).slice(0, 1)].map(
      (event, n) => eventFrame(event, 'k3', n, reply),
    ),
    finalFrame('e-1-0a-1', undefined, 'm', { kind: 'ok', answer }, reply),
    finalFrame('e-1-0a-1', 'k3', 'm', { kind: 'ok', answer: calling }, reply),
    errorFrame(new ModelError('RateLimited', 'slow down', fields), reply),
  ]
  const names = [
    'heartbeat',
    'event start',
    'event delta',
    'event end',
    'event tool call',
    'answer',
    'tool answer',
    'error',
  ]
  expect(made.map((data) => Buffer.from(data).toString('hex'))).toEqual(
    names.map((name) => goldenFrame(`llm ${name}`).hex),
  )
})

test('a model call of a worker and its cancel are read', () => {
  const message = (name: string) => ({ subject: 's', data: goldenFrame(name).data })
  const { id, ...call } = decodeCall(message('llm request'))
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Capital of France?' },
  ]
  expect(call).toMatchObject({ job: 'e-1', parent: null, stream: false, request: { temperature: 0.5, messages } })
  expect(decodeCancel(message('llm cancel'))).toEqual({ ids: [id], job: 'e-1' })
})

const isCode = (code: string): code is keyof typeof lm15Codes => Object.hasOwn(lm15Codes, code)

test('the tools of a model call, and what came of them, are read', () => {
  const { request } = decodeCall({ subject: 's', data: goldenFrame('llm tool request').data })
  expect(request).toEqual({
    messages: [
      { role: 'user', content: 'How warm is it in Paris?' },
      {
        role: 'assistant',
        content: '',
        toolCalls: [{ id: 'c1', name: 'weather', input: { city: 'Paris' } }],
      },
      { role: 'tool', toolCallId: 'c1', content: '21 degrees' },
    ],
    tools: [
      {
        name: 'weather',
        description: 'Now, at a place.',
        schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      },
    ],
    toolChoice: 'auto',
  })
})

test('a model call ends with the codes of the table and no others', () => {
  const raised = Object.keys(lm15Codes)
    .filter(isCode)
    .map((code) => rowOf(toWire(new ModelError(code, 'x'))))
  expect(inOrder(raised)).toEqual(errorRows('llm'))
})
