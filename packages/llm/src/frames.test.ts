import { type BusMessage, packWire } from '@troupe/core'
import { describe, expect, test } from 'vitest'
import { decodeCall, decodeCancel, finalFrame, replyOf } from './frames.ts'

const subject = 'tr.t.llm.complete'
const req = { model: 'm', messages: [{ role: 'user', parts: [{ type: 'text', text: 'q' }] }] }
const body = { v: 1, id: 'job-1', job: 'job', parent: 'span', stream: false, deadlineMs: 1000, req }
const packed = (value: unknown): BusMessage => ({ subject, data: packWire(value), reply: '_INBOX.a.1' })

test.each([
  ['_INBOX.w1.77.3', true],
  ['tr.t.j.main-0.order.1', false],
  ['_INBOX', false],
  ['_INBOX.', false],
  ['_INBOX.>', false],
  ['_INBOX.a.*', false],
  ['x_INBOX.a', false],
  [undefined, false],
])('frames/1: an answer to %s: %s', (reply, allowed) => {
  const message = { subject, data: new Uint8Array(), ...(reply !== undefined && { reply }) }
  expect(replyOf(message) !== undefined).toBe(allowed)
})

describe('a call', () => {
  test('is read with its parent and deadline; the optional parts may be absent or nil', () => {
    expect(decodeCall(packed(body))).toMatchObject({ id: 'job-1', job: 'job', parent: 'span', deadlineMs: 1000 })
    expect(decodeCall(packed({ ...body, parent: null, deadlineMs: null, stream: null }))).toMatchObject({
      parent: null,
      stream: false,
    })
    expect(decodeCall(packed({ ...body, deadlineMs: undefined, later: 'field' }))).not.toHaveProperty('deadlineMs')
  })

  test('frames/2: has the same key when id and request are the same, and only then', () => {
    const { key } = decodeCall(packed(body))
    expect(decodeCall(packed({ ...body, deadlineMs: 5, parent: 'other' })).key).toBe(key)
    expect(decodeCall(packed({ ...body, id: 'job-2' })).key).not.toBe(key)
    expect(decodeCall(packed({ ...body, req: { ...req, config: { temperature: 1 } } })).key).not.toBe(key)
  })

  test.each([
    ['a newer version', { ...body, v: 2 }, 'UnsupportedVersion'],
    ['no version', { ...body, v: undefined }, 'InvalidRequest'],
    ['no id', { ...body, id: undefined }, 'InvalidRequest'],
    ['no request', { ...body, req: undefined }, 'InvalidRequest'],
    ['a list', [], 'InvalidRequest'],
    ['nil', null, 'InvalidRequest'],
  ])('with %s is refused', (_, value, code) => {
    expect(() => decodeCall(packed(value))).toThrow(expect.objectContaining({ code }))
  })

  test('of broken bytes is refused', () => {
    for (const data of [Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]), new Uint8Array()]) {
      expect(() => decodeCall({ subject, data })).toThrow(expect.objectContaining({ code: 'InvalidRequest' }))
    }
  })

  test('in JSON is answered in JSON', () => {
    const headers = { 'content-type': 'application/json' }
    const message = { ...packed(body), data: Buffer.from(JSON.stringify(body)), headers }
    expect(decodeCall(message).id).toBe('job-1')
    const reply = replyOf(message)
    if (reply === undefined) throw new Error('no reply')
    const outcome = { kind: 'ok', answer: { text: 'a', finishReason: 'stop' } } as const
    const frame = finalFrame(decodeCall(message).id, undefined, 'm', outcome, reply)
    expect(JSON.parse(Buffer.from(frame).toString())).toMatchObject({ t: 'ok', res: { id: 'job-1', model: 'm' } })
  })
})

test('a cancel names ids, a job, or both', () => {
  expect(decodeCancel(packed({ v: 1, ids: ['a'] }))).toEqual({ ids: ['a'] })
  expect(decodeCancel(packed({ v: 1, job: 'j' }))).toEqual({ ids: [], job: 'j' })
  expect(() => decodeCancel(packed({ v: 1, ids: 'a' }))).toThrow(/not a model call/)
})
