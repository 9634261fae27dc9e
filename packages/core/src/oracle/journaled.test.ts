/**
 * XState is the oracle of the whole turn too: the corpus on resident actors that die and recover from what their log holds, in
 * memory and on a real server.
 */
import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { cryptoEntropy } from '../entropy.ts'
import { memory } from '../memory/backend.ts'
import { nats } from '../nats/backend.ts'
import type { Backend } from '../ports.ts'
import { createSystem, type System } from '../system.ts'
import { natsServer, type TestServer } from '../testing/nats-server.ts'
import { corpus } from './corpus.ts'
import type { Journaling } from './journaled.ts'
import { canBeAddressed, journaledDifference } from './journaled-runner.ts'
import type { Journey } from './journey.ts'

const AT_ONCE = 8
/** Where no death may fall on some steps: open writes, and what is released at most once. */
const SPARED = 10

const given = process.env['ORACLE_SEED']
const seed = given === undefined ? randomInt(2 ** 31) : Number(given)

const cases = corpus.filter(canBeAddressed)

let server: TestServer
beforeAll(async () => {
  server = await natsServer()
})
afterAll(async () => {
  await server?.end()
})
// XState warns of every event to a stopped actor; half of the corpus sends some.
beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

async function run(system: System, how: (n: number) => Journaling) {
  const { runtime, connection } = system
  const place = { runtime, subjects: runtime.subjects, journal: connection.journal, entropy: cryptoEntropy() }
  const differences: string[] = []
  const journeys: Journey[] = []
  const queue = [...cases.entries()]
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [n, script] = next
      const { difference, journey } = await journaledDifference(script, place, how(n))
      if (difference !== undefined) differences.push(`${script.name}: ${difference}`)
      if (journey !== undefined) journeys.push(journey)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return { differences, journeys }
}

const places: readonly (readonly [string, () => Backend])[] = [
  ['memory', () => memory()],
  ['NATS', () => nats({ servers: server.url, initialise: true })],
]

describe.each(places)('turn: an actor on %s equals plain XState', (_name, backend) => {
  let system: System
  beforeAll(async () => {
    system = await createSystem({ backend: backend() })
  })
  afterAll(async () => {
    await system?.stop()
  })

  test('with a recovery from the log after every single step', { timeout: 60_000 }, async () => {
    const { differences, journeys } = await run(system, () => ({
      mode: { kind: 'killed after release' },
      single: true,
    }))
    expect(differences).toEqual([])
    const everywhere = journeys.filter(({ deaths, steps }) => deaths >= steps)
    expect(everywhere.length).toBeGreaterThanOrEqual(cases.length - SPARED)
  })

  const atRandom = `with recoveries at random points, from snapshot and tail (ORACLE_SEED=${seed})`
  test(atRandom, { timeout: 60_000 }, async () => {
    const { differences, journeys } = await run(system, (n) => ({
      mode: { kind: 'random', seed: seed + n },
      padded: true,
    }))
    expect(differences).toEqual([])
    const died = journeys.filter(({ deaths }) => deaths > 0)
    const folded = journeys.filter(({ withoutState }) => withoutState > 0)
    expect(died.length).toBeGreaterThan(cases.length / 2)
    expect(folded.length).toBeGreaterThan(cases.length / 2)
  })
})

test('only what is said to a child from outside is left out', () => {
  expect(corpus.length - cases.length).toBe(1)
})
