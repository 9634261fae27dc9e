import { expect, test } from 'vitest'
import { realClock } from '../clock.ts'
import { cryptoEntropy } from '../entropy.ts'
import { again, runSeed } from './run.ts'

/** What a run of the tests may spend here, and what it must at least have seen. */
const BUDGET_MS = 40_000
const MOST_SEEDS = 200
const LEAST_SEEDS = 50

test('fresh seeds hold every invariant of the ledger', { timeout: 120_000 }, async () => {
  const clock = realClock()
  const end = clock.monotonic() + BUDGET_MS
  const entropy = cryptoEntropy()
  let calls = 0
  let seeds = 0
  for (; seeds < MOST_SEEDS && (clock.monotonic() < end || seeds < LEAST_SEEDS); seeds++) {
    const seed = entropy.hex(32)
    const { violations, trace, stats } = await runSeed(seed)
    expect(violations, `${violations[0]?.what}; again with: ${again(seed)}`).toEqual([])
    calls += stats.calls
    if (seeds % 50 === 0) expect((await runSeed(seed)).trace, `two runs of seed ${seed} differ`).toBe(trace)
  }
  console.log(`simulation: ${seeds} seeds, ${calls} calls`)
})

test('a world without faults answers every call', { timeout: 30_000 }, async () => {
  for (let seed = 0; seed < 5; seed++) expect((await runSeed(`calm-${seed}`)).violations).toEqual([])
})

test('a start that chance alone holds up is no finding: of many tries, each several requests long, one gets through', async () => {
  for (const seed of ['start-19', 'start-26', 'start-32', 'start-34', 'start-37']) {
    const { violations } = await runSeed(seed, { faults: { dropped: 0.05, torn: 0.2, slow: 0.04 } })
    expect(violations, seed).toEqual([])
  }
})
