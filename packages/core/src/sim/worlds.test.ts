import { expect, test } from 'vitest'
import { CALM, NO_EVENTS } from './faults.ts'
import { again, runSeed, type SeedOptions } from './run.ts'

/** @returns how often a line of the trace had the words */
async function holds(seed: string, options: SeedOptions, words: string): Promise<number> {
  let seen = 0
  const onTrace = (line: string) => {
    if (line.includes(words)) seen += 1
  }
  const { violations } = await runSeed(seed, { ...options, onTrace })
  expect(violations, `with ${JSON.stringify(options)}: ${again(seed)}`).toEqual([])
  return seen
}

test('a rolling upgrade under load, with shards that move back to nodes of the older release', async () => {
  const faults = { ...CALM, events: { ...NO_EVENTS, upgrades: 10 } }
  let refused = 0
  for (let n = 0; n < 20; n++) refused += await holds(`roll-${n}`, { nodes: 3, faults }, 'state diverged')
  expect(refused, 'no older node ever met a state of the newer release').toBeGreaterThan(5)
}, 60_000)

test.each([7, 16, 50])(
  '%i nodes leave in waves and come back at once, so that many claim the same',
  async (nodes) => {
    const faults = { ...CALM, events: { ...NO_EVENTS, waves: 4, partitions: 2 } }
    for (let n = 0; n < (nodes > 20 ? 1 : 4); n++) {
      expect(await holds(`waves-${nodes}-${n}`, { nodes, faults }, 'starts again')).toBeGreaterThan(0)
    }
  },
  60_000,
)
