/** What goes to Python workers and comes from them, byte by byte, and the errors of both (`test/golden`). */
import { readFileSync } from 'node:fs'
import { TroupeError, toWire } from '@troupe/core'
import { expect, test } from 'vitest'
import { errorRows, goldenFrame, inOrder, rowOf } from '../../../test/wire/golden.mjs'
import { type CallRequest, decodeAnswer, encodeCall, encodeCancel } from './call.ts'
import * as errors from './errors.ts'
import { goodbye, parsePresence } from './presence.ts'

const cause = { correlation: 'c-1', causation: 'order/7#3:12' }
const args = {
  ...{ text: 'grüße', whole: 7, negative: -129, wide: 1_700_000_000_000, real: 12.5, nothing: null, yes: true },
  ...{ list: [1, 'two', [3]], bytes: new Uint8Array([0, 255, 16]), nested: { a: { b: '' } } },
}
const call: CallRequest = {
  ...{ id: 'e-1', fn: 'embed', args, class: 'idempotent', timeoutMs: 1_000, cause },
  ...{ signal: new AbortController().signal, evidence: () => {} },
}

test.each<[name: string, made: Uint8Array]>([
  ['call', encodeCall('e-1', call, 999.6)],
  ['cancel', encodeCancel('e-1', 'the caller no longer waits')],
  ['goodbye of a node', goodbye({ pool: 'general', worker: 'general-1-0a1b', nonce: '00ff' }, 'killed by SIGKILL')],
])("what a node sends is the frame byte by byte: '%s'", (name, made) => {
  expect(Buffer.from(made).toString('hex')).toBe(goldenFrame(name).hex)
})

const answerIn = (name: string) => decodeAnswer({ subject: '_INBOX.x', data: goldenFrame(name).data })

test('results and failures of a worker are read', () => {
  const result = answerIn('result')
  expect(result).toMatchObject({ id: 'e-1', ok: true, worker: 'general-1-0a1b', wallMs: 20.5, dropped: 0 })
  expect(result.spans).toEqual(goldenFrame('result').json['spans'])
  expect(result.ok && result.value).toEqual({
    ...{ vectors: [[0.5, -1]], count: 1_700_000_000_000 },
    raw: expect.toSatisfy((raw) => raw instanceof Uint8Array && raw.join() === '0,255'),
  })
  const failure = { code: 'PythonError', applied: 'unknown', retryable: false, details: { class: 'ValueError' } }
  expect(answerIn('failure')).toMatchObject({ ok: false, dropped: 2, error: failure })
  expect(answerIn('busy')).toMatchObject({ ok: false, error: { code: 'Busy', applied: 'no', retryable: true } })
})

test('hello, beat and goodbye are read', () => {
  const said = ['hello', 'beat', 'goodbye', 'goodbye of a node'].map((name) => parsePresence(goldenFrame(name).data))
  expect(said).toMatchObject([
    { kind: 'hello', worker: 'general-1-0a1b', nonce: '00ff', pid: 4_711, slots: 2, lock: '0123456789abcdef' },
    { kind: 'beat', state: 'running', inFlight: 1, slots: 2 },
    { kind: 'goodbye', reason: 'asked to stop' },
    { kind: 'goodbye', reason: 'killed by SIGKILL' },
  ])
})

type ErrorClass = new (message: string) => TroupeError
const isErrorClass = (value: unknown): value is ErrorClass =>
  typeof value === 'function' && value.prototype instanceof TroupeError
const members: readonly unknown[] = Object.values(errors)
const raised = members.filter(isErrorClass).map((Class) => rowOf(toWire(new Class('x'))))

test('this package raises the codes of the table and no others, and its file draws them all', () => {
  expect(inOrder(raised)).toEqual(errorRows('bridge-python'))
  const header = /TroupeError\n([\s\S]*?)\n \*\n/.exec(readFileSync(new URL('errors.ts', import.meta.url), 'utf8'))
  const drawn = header?.[1]?.match(/\b[A-Z][a-z]+\w*\b/g) ?? []
  expect(drawn.toSorted()).toEqual(raised.map(([code]) => code).toSorted())
})
