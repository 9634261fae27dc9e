import { describe, expect, test } from 'vitest'
import {
  canonical,
  decode,
  encode,
  hashOf,
  hashOfBytes,
  isEqual,
  isFlat,
  type Json,
  MAX_DEPTH,
  type RefCodec,
} from './codec.ts'
import { seededEntropy } from './entropy.ts'
import { ActorFailed, EventNotAccepted, InvalidEvent, Timeout, TroupeError } from './errors.ts'
import { plainData, randomOf } from './testing/random-data.ts'

/** What a value is after it was written to a journal and read again. */
const stored = (json: Json): Json => JSON.parse(JSON.stringify(json))
const roundTrip = (value: unknown, refs?: RefCodec) => decode(stored(encode(value, refs)), refs)
const refusal = (value: unknown) => {
  try {
    encode(value)
  } catch (error) {
    return error
  }
  return undefined
}

describe('codec/2: what is recorded is what every turn sees', () => {
  test.each([1, 2, 3, 4])('random plain data, seed %i', (seed) => {
    const random = randomOf(seededEntropy(seed))
    for (let i = 0; i < 1_000; i++) {
      const value = plainData(random)
      const encoded = encode(value)
      expect(roundTrip(value)).toEqual(value)
      expect(decode(encoded)).toEqual(value)
      expect(encode(decode(encoded))).toEqual(encoded)
    }
  })

  test.each([
    ['a record that looks like a tag', { $bytes: 'AAA=' }],
    ['a record that looks like a wrapped record', { $plain: { $plain: 1 } }],
    ['a record with a tag among others', { a: 1, $ref: 'x', id: 'y' }],
    ['undefined at the top and in arrays', [undefined, [undefined]]],
    ['an empty key', { '': 0 }],
    ['keys of Object.prototype', { toString: 1, constructor: 2, hasOwnProperty: 3 }],
    ['a big negative integer', -(2n ** 200n)],
    ['empty containers', [[], {}, new Uint8Array(0), '']],
    ['the limits of doubles', [Number.MAX_VALUE, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER, 5e-324]],
  ])('%s', (_, value) => {
    expect(roundTrip(value)).toStrictEqual(value)
  })

  test('a buffer and a record without prototype come back as bytes and as a record', () => {
    expect(roundTrip(Buffer.from('ab'))).toStrictEqual(Uint8Array.from([97, 98]))
    expect(roundTrip(Object.assign(Object.create(null), { a: 1 }))).toStrictEqual({ a: 1 })
  })

  test('-0 and the holes of an array are the same before and after they are stored', () => {
    expect(decode(encode(-0))).toBe(0)
    expect(decode(encode(new Array(2)))).toStrictEqual([undefined, undefined])
    expect(roundTrip(new Array(2))).toStrictEqual([undefined, undefined])
  })

  test('the order of keys is kept: parallel regions follow it', () => {
    expect(Object.keys(Object(roundTrip({ z: 1, a: 2, m: 3 })))).toEqual(['z', 'a', 'm'])
  })

  test('errors keep name and message; ours keep code and fields, also inside each other', () => {
    const inner = new RangeError('too far')
    const failed = new ActorFailed('a step failed', { failure: inner, at: [1n] })
    const outer = new EventNotAccepted('no', { type: 'add', reason: 'state', accepts: ['reset'], $why: failed })
    const back = roundTrip({ error: outer })
    expect(back).toMatchObject({
      error: {
        code: 'EventNotAccepted',
        message: 'no',
        applied: 'no',
        details: {
          accepts: ['reset'],
          $why: { code: 'ActorFailed', details: { at: [1n], failure: { name: 'RangeError', message: 'too far' } } },
        },
      },
    })
    expect(roundTrip(new Timeout('late'))).toMatchObject({ retryable: true, applied: 'unknown', details: {} })
    expect(roundTrip(inner)).toMatchObject({ name: 'RangeError', message: 'too far' })
    expect(roundTrip(inner)).not.toBeInstanceOf(TroupeError)
  })

  test('a failure can always be recorded, whatever a user has put into it', () => {
    const details: { [name: string]: unknown } = { map: new Map() }
    expect(roundTrip(new InvalidEvent('x\ud800', details))).toMatchObject({
      message: 'x\ufffd',
      details: { unreadable: expect.stringContaining('details.map is an instance of Map') },
    })
    const cycle: { [name: string]: unknown } = {}
    cycle['self'] = new InvalidEvent('round', cycle)
    expect(roundTrip(cycle['self'])).toMatchObject({ code: 'InvalidEvent', message: 'round' })
  })

  test('references of a tree go by name and come back as the thing itself', () => {
    const child = { send() {} }
    const refs: RefCodec = {
      nameOf: (value) => (value === child ? { path: '/a:1', id: 'a' } : undefined),
      find: (path, id) => (path === '/a:1' && id === 'a' ? child : undefined),
    }
    expect(encode({ child }, refs)).toEqual({ child: { $ref: '/a:1', id: 'a' } })
    expect(roundTrip({ list: [child] }, refs)).toStrictEqual({ list: [child] })
  })
})

describe('codec/1: nothing is dropped or rounded silently', () => {
  class Money {}
  test.each([
    ['NaN', { a: [0, Number.NaN] }, '$.a[1]', 'NaN'],
    ['infinity', { a: -1 / 0 }, '$.a', '-Infinity'],
    ['a function', { f: () => 1 }, '$.f', 'a function'],
    ['a symbol', [Symbol('x')], '$[0]', 'a symbol'],
    ['a date', { at: new Date(0) }, '$.at', 'an instance of Date'],
    ['a map', new Map(), '$', 'an instance of Map'],
    ['a set', { s: new Set() }, '$.s', 'an instance of Set'],
    ['other typed arrays', { f: new Float64Array(1) }, '$.f', 'an instance of Float64Array'],
    ['an instance of a class', { deep: { money: new Money() } }, '$.deep.money', 'an instance of Money'],
    ['a promise', Promise.resolve(), '$', 'an instance of Promise'],
    ['an integer without end', { n: 10n ** 5_000n }, '$.n', 'an integer of 5001 digits'],
    ['half a surrogate pair', { a: 'x\ud83d' }, '$.a', 'half a surrogate pair'],
    ['a key named __proto__', { in: JSON.parse('{"__proto__": 1}') }, '$.in', "a key named '__proto__'"],
  ])('%s is refused with its path', (_, value, path, what) => {
    expect(refusal(value)).toMatchObject({ code: 'NotSerializable', applied: 'no', details: { path } })
    expect(String(refusal(value))).toContain(what)
  })

  test(`a cycle, and anything nested deeper than ${MAX_DEPTH}, is refused`, () => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    expect(refusal(cycle)).toMatchObject({ code: 'NotSerializable' })
    const nested = (levels: number): unknown => (levels === 0 ? 0 : { a: nested(levels - 1) })
    expect(refusal(nested(MAX_DEPTH))).toBeUndefined()
    expect(refusal(nested(MAX_DEPTH + 1))).toMatchObject({ code: 'NotSerializable' })
  })

  test.each(['', 'x', '0x10', '1.5', ' 1', '9'.repeat(5_000)])('a stored integer %j is refused', (digits) => {
    expect(() => decode({ $bigint: digits })).toThrow(expect.objectContaining({ code: 'NotSerializable' }))
  })

  test('decoding cannot reach a prototype', () => {
    const decoded = decode(JSON.parse('{"a": 1, "__proto__": {"admin": true}}'))
    expect(decoded).toStrictEqual({ a: 1 })
    expect(Reflect.get(Object(decoded), 'admin')).toBeUndefined()
  })
})

test.each([1, 2])('a flat value equals its encoding (seed %i)', (seed) => {
  const random = randomOf(seededEntropy(seed))
  let flat = 0
  for (let i = 0; i < 3_000; i++) {
    const value = plainData(random, 2)
    if (!isFlat(value)) continue
    flat += 1
    expect(encode(value)).toEqual(value)
    expect(decode(value)).toEqual(value)
  }
  expect(flat).toBeGreaterThan(200)
})

test('what encode refuses or changes is never flat', () => {
  const values = [Number.NaN, 1n, undefined, 'x\ud800', new Date(), { $a: 1 }, JSON.parse('{"__proto__":1}'), () => 1]
  for (const value of values) {
    expect(isFlat(value)).toBe(false)
    expect(isFlat({ value })).toBe(false)
  }
  expect(isFlat(new Uint8Array(1))).toBe(false)
  expect(isFlat([1])).toBe(false)
})

describe('codec/3: the canonical form is made for hashes', () => {
  test.each([1, 2])(
    'equal data has equal text whatever the order of keys; other data has other text (seed %i)',
    (seed) => {
      const random = randomOf(seededEntropy(seed))
      const shuffled = (value: Json): Json => {
        if (Array.isArray(value)) return value.map(shuffled)
        if (typeof value !== 'object' || value === null) return value
        const entries = Object.entries(value).map(([key, item]) => [key, shuffled(item)] as const)
        return Object.fromEntries(entries.reverse())
      }
      const texts = new Map<string, string>()
      for (let i = 0; i < 1_500; i++) {
        const value = encode(plainData(random))
        const text = canonical(value)
        expect(canonical(shuffled(value))).toBe(text)
        expect(canonical(stored(value))).toBe(text)
        expect(canonical(JSON.parse(text))).toBe(text)
        texts.set(text, hashOf(value))
        expect(isEqual(value, shuffled(value))).toBe(true)
        const other = encode(plainData(random))
        expect(isEqual(value, other)).toBe(canonical(other) === text)
      }
      expect(new Set(texts.values()).size).toBe(texts.size)
    },
  )

  test('golden: version 1 of the hash', () => {
    expect(canonical({ b: [1, 'ä', null], a: { d: true, c: undefined } })).toBe('{"a":{"d":true},"b":[1,"ä",null]}')
    expect(hashOf({ b: 1, a: 2 })).toMatchInlineSnapshot(`"02JqwwqH5vemQoIzs8aCmZdoZfpVCOQmfFQVx2r3p3I"`)
    expect(hashOfBytes(Buffer.from('{"a":2,"b":1}'))).toBe(hashOf({ b: 1, a: 2 }))
  })
})
