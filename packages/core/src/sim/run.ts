/** One seed of our own simulation: its world and its faults follow from the seed alone. */
import { seededEntropy } from '../entropy.ts'
import { CALM, replaced, type SomeFaults, seededFaults } from './faults.ts'
import { work } from './workload.ts'
import { type Report, World, type WorldOptions } from './world.ts'

export interface SeedOptions extends Partial<Pick<WorldOptions, 'nodes' | 'wrap' | 'onEnd' | 'onTrace'>> {
  /** In place of what the seed says. */
  readonly faults?: SomeFaults
}

/** Small worlds mostly, large ones sometimes. */
function someNodes(random: () => number): number {
  const size = random()
  if (size < 0.9) return 1 + Math.floor(random() * 3)
  return size < 0.98 ? 4 + Math.floor(random() * 6) : 10 + Math.floor(random() * 41)
}

/** Seeds are texts; one that begins with `calm` runs without faults. */
export function runSeed(seed: string, { faults, ...options }: SeedOptions = {}): Promise<Report> {
  const { random } = seededEntropy(`${seed}/world`)
  const nodes = options.nodes ?? someNodes(random)
  const large = nodes > 3
  const { guest, ...rest } = work()
  const world = new World({
    seed,
    ...rest,
    nodes,
    clients: 1 + Math.floor(random() * 2),
    shards: Math.max(6, nodes),
    // What a large world costs is its membership: a few calls each, and for a shorter time.
    guest: (client) => (client.random() * nodes < 3 ? guest(client) : Promise.resolve()),
    leaseMs: 3_000,
    // Some of the actors are always on their way out.
    residency: { actors: 3 },
    faults: replaced(seed.startsWith('calm') ? CALM : seededFaults(random), faults),
    disturbedMs: (5_000 + random() * 7_000) / (large ? 2 : 1),
    patienceMs: 120_000,
    ...options,
  })
  return world.run()
}

/** What to type to see a seed again. */
export const again = (seed: number | string): string => `npm run sim -- --seed ${seed}`
