import { describe, expect, test } from 'vitest'
import { encode } from './codec.ts'
import { seededEntropy } from './entropy.ts'
import { plainData, randomOf } from './testing/random-data.ts'
import { isJson, jsonHeaders, MAX_BODY_BYTES, packWire, unpackWire } from './wire.ts'

describe.each([
  ['msgpack', false],
  ['JSON', true],
])('%s', (_, asJson) => {
  test.each([1, 2])('gives encoded data back as it was (seed %i)', (seed) => {
    const random = randomOf(seededEntropy(seed))
    for (let i = 0; i < 1_000; i++) {
      const value = encode(plainData(random))
      expect(unpackWire(packWire(value, asJson), asJson)).toEqual(value)
    }
  })

  test('is bounded on both sides', () => {
    const large = { text: 'x'.repeat(MAX_BODY_BYTES) }
    expect(() => packWire(large, asJson)).toThrow(expect.objectContaining({ code: 'MessageTooLarge', applied: 'no' }))
    expect(() => unpackWire(new Uint8Array(MAX_BODY_BYTES + 1), asJson)).toThrow(
      expect.objectContaining({ code: 'MessageTooLarge' }),
    )
  })

  test('what has been packed is a copy that nobody else writes to', () => {
    const first = packWire({ a: 'first' }, asJson)
    const before = Buffer.from(first).toString('hex')
    for (let i = 0; i < 100; i++) packWire({ b: `other ${i}` }, asJson)
    expect(Buffer.from(first).toString('hex')).toBe(before)
  })
})

test('golden: bytes that other languages read', () => {
  const hex = (value: unknown) => Buffer.from(packWire(value)).toString('hex')
  expect(hex({ v: 1, ok: true })).toBe('82a17601a26f6bc3')
  expect(hex([null, 255, -1, 1.5, 'ä', Uint8Array.of(1, 2)])).toBe('96c0ccffffcb3ff8000000000000a2c3a4c4020102')
  expect(hex([undefined, 2 ** 32, 2n ** 40n])).toBe('93c0cb41f0000000000000d30000010000000000')
})

test('integers of 64 bits are numbers up to 2^53, big integers otherwise', () => {
  expect(unpackWire(Buffer.from('cf0020000000000000', 'hex'))).toBe(2 ** 53)
  expect(unpackWire(Buffer.from('cf0020000000000001', 'hex'))).toBe(2n ** 53n + 1n)
  expect(unpackWire(Buffer.from('d3ffdfffffffffffff', 'hex'))).toBe(-(2n ** 53n) - 1n)
})

describe('hostile bytes are a typed error, never a crash or a hang', () => {
  test.each([
    ['nothing', ''],
    ['a cut map', '82a176'],
    ['a map of four billion', 'dfffffffff'],
    ['an array of four billion', 'ddffffffff'],
    ['nested claims of large arrays', 'dd00ffffff'.repeat(1_000)],
    ['text of four gigabytes', 'dbffffffff'],
    ['an unknown extension', 'c7020b0000'],
    ['a pointer extension', 'd4690100'],
    ['a value and more', '0101'],
  ])('%s', (_, hex) => {
    expect(() => unpackWire(Buffer.from(hex, 'hex'))).toThrow(expect.objectContaining({ code: 'InvalidEvent' }))
  })

  test('nesting deeper than the stack', () => {
    const deep = new Uint8Array(MAX_BODY_BYTES).fill(0x91)
    expect(() => unpackWire(deep)).toThrow(expect.objectContaining({ code: 'InvalidEvent' }))
    expect(unpackWire(packWire({ still: 'works' }))).toEqual({ still: 'works' })
  })

  test('random bytes', () => {
    const random = randomOf(seededEntropy('bytes'))
    for (let i = 0; i < 5_000; i++) {
      const bytes = Uint8Array.from({ length: random.int(40) }, () => random.int(256))
      for (const asJson of [false, true]) {
        try {
          unpackWire(bytes, asJson)
        } catch (error) {
          expect(error).toMatchObject({ code: 'InvalidEvent' })
        }
      }
    }
    expect(unpackWire(packWire([64, 65, { n: 66 }]))).toEqual([64, 65, { n: 66 }])
  })

  test.each(['', '{', '{"a":}', 'NaN', '\u0000'])('JSON %j', (text) => {
    expect(() => unpackWire(Buffer.from(text), true)).toThrow(expect.objectContaining({ code: 'InvalidEvent' }))
  })

  test('JSON in bytes that are no UTF-8', () => {
    expect(() => unpackWire(Buffer.from('"\xff"', 'latin1'), true)).toThrow(
      expect.objectContaining({ code: 'InvalidEvent' }),
    )
  })
})

test('a message is JSON when its content type says so', () => {
  expect(isJson(jsonHeaders)).toBe(true)
  expect(isJson({ 'Content-Type': 'application/json; charset=utf-8' })).toBe(true)
  expect(isJson({ 'content-type': 'application/jsonl' })).toBe(false)
  expect(isJson({})).toBe(false)
  expect(isJson(undefined)).toBe(false)
})
