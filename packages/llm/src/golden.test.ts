/** Model calls of workers and the frames they get, byte by byte, and the codes of both (`test/golden`). */
import { toWire } from '@troupe/core'
import { expect, test } from 'vitest'
import { errorRows, goldenFrame, inOrder, rowOf } from '../../../test/wire/golden.mjs'
import { decodeCall, decodeCancel, errorFrame, finalFrames, heartbeat } from './frames.ts'
import { lm15Codes } from './lm15.ts'
import { ModelError } from './model.ts'

const reply = { subject: '_INBOX.x', asJson: false }
const answer = { text: 'Paris', finishReason: 'stop', usage: { promptTokens: 12, completionTokens: 3 } } as const
const fields = { retryAfterMs: 1_500, status: 429, provider: 'p', requestId: 'r' }

test('what a node sends is the frame byte by byte', () => {
  const made = [
    heartbeat(reply),
    ...finalFrames({ id: 'e-1-0a-1', stream: true }, 'm', { kind: 'ok', answer }, reply),
    errorFrame(new ModelError('RateLimited', 'slow down', fields), reply),
  ]
  const names = ['heartbeat', 'event start', 'event delta', 'event end', 'answer', 'error']
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

test('a model call ends with the codes of the table and no others', () => {
  const raised = Object.keys(lm15Codes)
    .filter(isCode)
    .map((code) => rowOf(toWire(new ModelError(code, 'x'))))
  expect(inOrder(raised)).toEqual(errorRows('llm'))
})
