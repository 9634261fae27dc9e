import { realClock, seededEntropy } from '@troupe/core'
import { expect, test } from 'vitest'
import { Ahead } from './ahead.ts'
import type { Cost } from './buckets.ts'
import { Limiter } from './limiter.ts'
import { seeds } from './stepped-clock.ts'

type Name = 'requests' | 'tokens'

test.each(seeds(30))(
  'ahead/1, ahead/2: the sums are those of everybody who waits, whoever comes and goes (seed %s)',
  (seed) => {
    const entropy = seededEntropy(seed)
    const below = (end: number) => Math.floor(entropy.random() * end)
    const ahead = new Ahead<Name>()
    const waiting: { readonly cost: Cost<Name>; readonly priority: number }[] = []
    for (let n = 0; n < 500; n++) {
      if (entropy.random() < 0.55) {
        const one = { cost: { requests: below(3), ...(below(2) && { tokens: below(5_000) }) }, priority: below(4) - 1 }
        waiting.push(one)
        ahead.add(one.cost, one.priority)
      } else {
        const [one] = waiting.splice(below(waiting.length), 1)
        if (one !== undefined) ahead.remove(one.cost, one.priority)
      }
      const priority = below(4) - 1
      const before = waiting.filter((one) => one.priority >= priority)
      const sums = ahead.of(priority)
      for (const name of ['requests', 'tokens'] as const) {
        expect(sums.get(name) ?? 0).toBe(before.reduce((sum, { cost }) => sum + (cost[name] ?? 0), 0))
      }
    }
    for (const { cost, priority } of waiting) ahead.remove(cost, priority)
    expect(ahead.of(-Infinity).size).toBe(0)
  },
)

const BLOCK = 250

/** So many callers with deadlines enqueue behind one that holds everything. @returns how long each block of them took */
async function crowd(callers: number, cost: Cost<'calls' | 'tokens'>): Promise<number[]> {
  // Its timers never fire, and cost the same however many there are.
  const clock = { ...realClock(), monotonic: () => 0, after: () => ({ cancel: () => {} }) }
  const limits = { calls: { cap: 1, windowMs: 0 }, tokens: { cap: 1_000_000 } }
  const limiter = new Limiter({ limits, clock })
  await limiter.wait({ calls: 1 })
  const took: number[] = []
  while (limiter.waiting < callers) {
    const begun = performance.now()
    for (let n = 0; n < BLOCK; n++) void limiter.wait(cost, { deadlineMs: 60_000 })
    took.push(performance.now() - begun)
  }
  return took
}

test('ahead/2: who comes looks at its own cost alone, however many wait', async () => {
  const reads = async (callers: number) => {
    let count = 0
    const cost = {
      get tokens() {
        count += 1
        return 1
      },
      calls: 1,
    }
    await crowd(callers, cost)
    return count / callers
  }
  expect(await reads(10_000)).toBeCloseTo(await reads(5_000), 1)
})

test('ahead/2: of 10,000 callers with deadlines the last take about as long to enqueue as the first', async () => {
  const [first, last]: [number[], number[]] = [[], []]
  for (let round = 0; round < 7; round++) {
    const took = await crowd(10_000, { calls: 1, tokens: 1 })
    first.push(...took.slice(0, 10))
    last.push(...took.slice(-10))
  }
  // Of medians, which the collector of garbage does not disturb. Were the time quadratic it would be about 7.
  expect(median(last) / median(first)).toBeLessThan(3)
})

const median = (some: readonly number[]): number => some.toSorted((a, b) => a - b)[some.length >> 1] ?? Number.NaN
