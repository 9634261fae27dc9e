import { expect, test } from 'vitest'
import { goodbye, parsePresence } from './presence.ts'

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value))
const head = { v: 1, pool: 'p', worker: 'w', nonce: 'n' }

test('hello, beat and goodbye are read as the wire describes them; unknown fields are left out', () => {
  const hello = { ...head, kind: 'hello', pid: 7, slots: 1, python: '3.13.1', lock: 'abc', host: 'h', functions: [] }
  expect(parsePresence(bytes(hello))).toMatchObject({ kind: 'hello', pid: 7, lock: 'abc' })
  const beat = {
    ...head,
    kind: 'beat',
    pid: 7,
    state: 'frozen',
    loopAgeMs: 1,
    rssBytes: 1,
    inFlight: 0,
    done: 0,
    slots: 1,
  }
  expect(parsePresence(bytes(beat))).toMatchObject({ kind: 'beat', state: 'frozen', inFlight: 0 })
  expect(parsePresence(goodbye(head, 'why'))).toMatchObject({ kind: 'goodbye', worker: 'w', nonce: 'n', reason: 'why' })
})

test('what is no message of a worker is nothing', () => {
  expect(parsePresence(Buffer.from('{'))).toBeUndefined()
  expect(parsePresence(bytes({ ...head, kind: 'other' }))).toBeUndefined()
  expect(parsePresence(bytes({ ...head, kind: 'beat', state: 'running', pid: 'x' }))).toBeUndefined()
})
