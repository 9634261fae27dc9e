import { describe, expect, test } from 'vitest'
import { cryptoEntropy, seededEntropy } from './entropy.ts'

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe.each([
  ['crypto', cryptoEntropy],
  ['seeded', () => seededEntropy(7)],
])('%s entropy', (_, make) => {
  test('has the promised forms, and no value twice', () => {
    const entropy = make()
    const values = Array.from({ length: 10_000 }, () => entropy.random())
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true)
    const mean = values.reduce((sum, value) => sum + value) / values.length
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02)
    const uuids = Array.from({ length: 1_000 }, () => entropy.uuid())
    expect(uuids.every((uuid) => UUID_V4.test(uuid))).toBe(true)
    expect(new Set(uuids).size).toBe(1_000)
    expect([4, 12, 64, 128].map((bits) => entropy.hex(bits).length)).toEqual([1, 3, 16, 32])
    expect(entropy.hex(256)).toMatch(/^[0-9a-f]{64}$/)
  })
})

test('seeded: the same seed gives the same values, for ever; another seed gives others', () => {
  const take = (seed: number | string): (number | string)[] => {
    const entropy = seededEntropy(seed)
    return [entropy.random(), entropy.uuid(), entropy.hex(32)]
  }
  expect(take(1)).toEqual(take(1))
  expect(take(1)).not.toEqual(take(2))
  expect(take('a')).toMatchInlineSnapshot(`
    [
      0.5480629729572684,
      "d2426b89-5c78-43ae-b83b-a797a85465e5",
      "4f760c39",
    ]
  `)
})
