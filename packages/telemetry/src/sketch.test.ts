import { expect, test } from 'vitest'
import { ACCURACY, MAX_BINS, Sketch } from './sketch.ts'

/** mulberry32 */
const dice = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
const DISTRIBUTIONS = {
  even: (random: () => number) => random(),
  'long tail': (random: () => number) => 0.001 / (1 - random()) ** 1.5,
  'seven decades': (random: () => number) => 10 ** (random() * 7 - 4),
  'many zeros': (random: () => number) => (random() < 0.6 ? 0 : random() * 10),
}
const sketchOf = (values: readonly number[]) => {
  const sketch = new Sketch()
  for (const value of values) sketch.add(value)
  return sketch
}

test.each(Object.entries(DISTRIBUTIONS))('sketch/1: quantiles are near a value that was there: %s', (_name, draw) => {
  const random = dice(7)
  const values = Array.from({ length: 20_000 }, () => draw(random))
  const sketch = sketchOf(values)
  const sorted = values.toSorted((a, b) => a - b)
  for (const q of [0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1]) {
    const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? 0
    expect(Math.abs((sketch.quantile(q) ?? -1) - exact), `quantile ${q}`).toBeLessThanOrEqual(exact * ACCURACY * 1.001)
  }
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
  expect(sketch.sum / sketch.count).toBeCloseTo(mean, 6)
  expect((sketch.deviation ?? 0) / deviation).toBeCloseTo(1, 6)
  expect([sketch.min, sketch.max]).toEqual([sorted[0], sorted.at(-1)])
})

test('sketch/2: the sketch of all is that of the parts, in any order, also through JSON', () => {
  const random = dice(11)
  const values = Array.from({ length: 5_000 }, () => DISTRIBUTIONS['long tail'](random))
  const whole = sketchOf(values)
  const parts = Array.from({ length: 7 }, (_, part) => sketchOf(values.filter((_, n) => n % 7 === part)))
  const merged = new Sketch()
  for (const part of parts.toReversed()) merged.merge(JSON.parse(JSON.stringify(part)))
  expect(merged.toJSON().bins).toEqual(whole.toJSON().bins)
  expect([merged.count, merged.min, merged.max]).toEqual([whole.count, whole.min, whole.max])
  expect(merged.sum / whole.sum).toBeCloseTo(1, 9)
  expect((merged.deviation ?? 0) / (whole.deviation ?? 1)).toBeCloseTo(1, 9)
})

test('sketch/3: memory is bounded, and the tail keeps its accuracy', () => {
  const sketch = new Sketch()
  const values = Array.from({ length: 6_000 }, (_, n) => 1e-8 * 1.01 ** n)
  for (const value of values) sketch.add(value)
  expect(sketch.toJSON().bins.length).toBe(MAX_BINS)
  const exact = values[Math.ceil(0.99 * values.length) - 1] ?? 0
  expect(Math.abs((sketch.quantile(0.99) ?? 0) - exact) / exact).toBeLessThanOrEqual(ACCURACY * 1.001)
})

test('what is no value of a distribution is left out, and an empty one says nothing', () => {
  const sketch = sketchOf([Number.NaN, -1, Number.POSITIVE_INFINITY])
  expect(sketch.count).toBe(0)
  expect([sketch.quantile(0.5), sketch.min, sketch.max, sketch.deviation]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
  const other = sketchOf([1])
  other.merge(sketch)
  expect(other.toJSON()).toEqual(sketchOf([1]).toJSON())
})

test('counts up to a bound grow with it, and end at all', () => {
  const random = dice(3)
  const sketch = sketchOf(Array.from({ length: 1_000 }, () => random() * 100))
  const counts = [0, 0.5, 1, 10, 50, 99, 101].map((bound) => sketch.countUpTo(bound))
  expect(counts).toEqual(counts.toSorted((a, b) => a - b))
  expect(counts.at(-1)).toBe(1_000)
  expect(Math.abs((counts[4] ?? 0) - 500)).toBeLessThan(50)
})
