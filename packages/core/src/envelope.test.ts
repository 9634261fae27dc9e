import { describe, expect, test } from 'vitest'
import { addressOf } from './address.ts'
import { decode, encode, type Json } from './codec.ts'
import { seededEntropy } from './entropy.ts'
import { answerToWire, decodeAnswer, decodeEnvelope, type Envelope, type WireAnswer } from './envelope.ts'
import { EventNotAccepted, toWire } from './errors.ts'
import { plainData, randomOf } from './testing/random-data.ts'
import { packWire } from './wire.ts'

const to = addressOf('counter', 'a')
const read = (body: unknown, asJson = false) => decodeEnvelope(packWire(body, asJson), asJson, to, () => 'fresh')
const refused = (code: string) => expect.objectContaining({ code, applied: 'no' })
const event = { type: 'add', by: 1 }

describe.each([
  ['msgpack', false],
  ['JSON', true],
])('an envelope in %s', (_, asJson) => {
  test.each([1, 2])('arrives as it was sent (seed %i)', (seed) => {
    const random = randomOf(seededEntropy(seed))
    for (let i = 0; i < 500; i++) {
      const payload = plainData(random)
      const sent: Envelope = {
        v: 1,
        kind: 'event',
        to,
        cause: { correlation: 'c', causation: 'd', sender: 'order/1', traceparent: '00-1', hops: random.int(3) },
        event: encode({ type: 'add', payload }),
        command: { client: 'client', n: random.int(100), settled: random.int(100) },
        key: 'k',
        remainingMs: random.int(5_000) / 2,
      }
      const got = read(sent, asJson)
      expect(got).toEqual(sent)
      expect(got.kind === 'event' && decode(got.event)).toEqual({ type: 'add', payload })
    }
  })

  test('a view question arrives', () => {
    const sent: Envelope = { v: 1, kind: 'view', to, cause: { correlation: 'c', causation: 'c' }, fenced: true }
    expect(read(sent, asJson)).toEqual(sent)
  })

  test('an answer arrives', () => {
    const ok = answerToWire({ ok: true, value: { $bigint: '7' }, step: 'counter/a#1:2' })
    const error = toWire(new EventNotAccepted('no', { reason: 'state', accepts: ['add'] }))
    const failed = answerToWire({ ok: false, error, step: 'counter/a#1:3' })
    for (const answer of [ok, failed]) expect(decodeAnswer(packWire(answer))).toEqual(answer)
  })
})

test('the least a stock client has to send is an event with a type; bytes and large integers are taken over', () => {
  const bytes = Uint8Array.of(1, 2)
  expect(read({ event: { type: 'add', bytes, n: 2n ** 60n } })).toEqual({
    v: 1,
    kind: 'event',
    to,
    cause: { correlation: 'fresh', causation: 'fresh' },
    event: { type: 'add', bytes: { $bytes: 'AQI=' }, n: { $bigint: String(2n ** 60n) } },
  })
})

test('unknown fields are ignored, a higher version is refused', () => {
  expect(read({ v: 1, event, future: { a: 1 }, cause: { baggage: 'x' } })).toMatchObject({ event })
  for (const v of [2, 99, '1', {}]) expect(() => read({ v, event })).toThrow(refused('UnsupportedVersion'))
  expect(decodeAnswer(packWire({ v: 2, ok: true, value: 1 }))).toMatchObject({
    ok: false,
    error: { code: 'AnswerUnreadable', applied: 'unknown', message: expect.stringContaining('version 2') },
  })
})

describe('a hostile or broken body is a typed error', () => {
  test.each([
    ['no map', [1, 2]],
    ['text', 'hello'],
    ['null', null],
    ['no event', { v: 1 }],
    ['an event that is a list', { event: [] }],
    ['an event without type', { event: { by: 1 } }],
    ['a type that is no text', { event: { type: 7 } }],
    ['a command without number', { event, command: { client: 'c' } }],
    ['a command with a fraction', { event, command: { client: 'c', n: 1.5 } }],
    ['a command with a negative number', { event, command: { client: 'c', n: -1 } }],
    ['a command that settles infinity', { event, command: { client: 'c', n: 1, settled: 1 / 0 } }],
    ['a command whose client is a list', { event, command: { client: ['c'], n: 1 } }],
    ['a client with a name of a kilobyte', { event, command: { client: 'c'.repeat(1024), n: 1 } }],
    ['an idempotency key that is no text', { event, key: 7 }],
    ['an idempotency key of a kilobyte', { event, key: 'k'.repeat(1024) }],
    ['an empty idempotency key', { event, key: '' }],
  ])('%s', (_, body) => {
    expect(() => read(body)).toThrow(refused('InvalidEvent'))
  })

  test('not a number, a date and a regular expression in the event', () => {
    for (const value of [Number.NaN, 1 / 0, new Date()]) {
      expect(() => read({ event: { type: 'add', value } })).toThrow(refused('NotSerializable'))
    }
    // An extension of msgpackr's own: { event: { type: 'a', v: <class> } }
    const c1 = Buffer.concat([Buffer.from('81a56576656e7482a474797065a161a176', 'hex'), Buffer.from('c1', 'hex')])
    expect(() => decodeEnvelope(c1, false, to, () => '')).toThrow(refused('NotSerializable'))
  })

  test('a prototype is not reached, however deep', () => {
    for (const text of ['{"event":{"type":"a","__proto__":{"x":1}}}', '{"event":{"type":"a","b":[{"__proto__":1}]}}']) {
      expect(() => decodeEnvelope(Buffer.from(text), true, to, () => '')).toThrow(refused('NotSerializable'))
    }
  })

  test('deep nesting, in both forms: refused with its own error, in no time', () => {
    const nested = (levels: number): Json => (levels === 0 ? 0 : [nested(levels - 1)])
    expect(read({ event: { type: 'a', v: nested(60) } })).toMatchObject({ kind: 'event' })
    expect(() => read({ event: { type: 'a', v: nested(200) } })).toThrow(refused('NotSerializable'))
    const deep = `{"event":{"type":"a","v":${'['.repeat(300_000)}${']'.repeat(300_000)}}}`
    expect(() => decodeEnvelope(Buffer.from(deep), true, to, () => '')).toThrow(refused('NotSerializable'))
    const packed = Buffer.concat([
      Buffer.from('81a56576656e7482a474797065a161a176', 'hex'),
      Buffer.alloc(700_000, 0x91),
    ])
    expect(() => decodeEnvelope(packed, false, to, () => '')).toThrow(refused('InvalidEvent'))
  })

  test('random bytes and cut messages', () => {
    const random = randomOf(seededEntropy('hostile'))
    const good = packWire({ v: 1, kind: 'event', event, command: { client: 'c', n: 1, settled: 0 }, cause: {} })
    for (let i = 0; i < 3_000; i++) {
      const bytes = Uint8Array.from(good.subarray(0, random.int(good.length + 1)))
      for (let flips = random.int(4); flips > 0 && bytes.length > 0; flips--)
        bytes[random.int(bytes.length)] = random.int(256)
      try {
        const got = decodeEnvelope(bytes, false, to, () => 'x')
        expect(got.to).toBe(to)
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/InvalidEvent|NotSerializable|UnsupportedVersion/) })
      }
    }
  })
})

describe('an answer that cannot be read is told as such, outcome unknown', () => {
  test.each([
    ['no msgpack', Buffer.from([0xc7])],
    ['nothing', Buffer.alloc(0)],
    ['a list', packWire([])],
    ['an empty map', packWire({})],
    ['neither value nor error', packWire({ v: 1, ok: false })],
    ['an error without code', packWire({ v: 1, ok: false, error: { message: 'x' } })],
    ['a value that is no data', packWire({ v: 1, ok: true, value: Number.NaN })],
  ])('%s', (_, bytes) => {
    expect(decodeAnswer(bytes)).toMatchObject({ ok: false, error: { code: 'AnswerUnreadable', applied: 'unknown' } })
  })

  test('an error with missing fields is taken as not retryable, outcome unknown', () => {
    const answer: WireAnswer = decodeAnswer(packWire({ ok: false, error: { code: 'Odd' } }))
    expect(answer).toEqual({
      v: 1,
      ok: false,
      error: { code: 'Odd', message: 'Odd', retryable: false, applied: 'unknown' },
    })
  })
})
