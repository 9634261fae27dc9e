/** One seed of our own simulation: its world and its faults follow from the seed alone. */
import { seededEntropy } from '../entropy.ts'
import { CALM, type Faults, seededFaults } from './faults.ts'
import { work } from './workload.ts'
import { type Report, World, type WorldOptions } from './world.ts'

export interface SeedOptions extends Partial<Pick<WorldOptions, 'wrap' | 'onEnd' | 'onTrace'>> {
  /** In place of what the seed says. */
  readonly faults?: Partial<Faults>
}

/** Seeds are texts; one that begins with `calm` runs without faults. */
export function runSeed(seed: string, { faults, ...options }: SeedOptions = {}): Promise<Report> {
  const { random } = seededEntropy(`${seed}/world`)
  const nodes = 1 + Math.floor(random() * 3)
  const world = new World({
    seed,
    ...work(),
    nodes,
    clients: 1 + Math.floor(random() * 2),
    shards: 6,
    leaseMs: 3_000,
    // Some of the actors are always on their way out.
    residency: { actors: 3 },
    faults: { ...(seed.startsWith('calm') ? CALM : seededFaults(random)), ...faults },
    disturbedMs: 5_000 + random() * 7_000,
    patienceMs: 120_000,
    ...options,
  })
  return world.run()
}

/** What to type to see a seed again. */
export const again = (seed: number | string): string => `npm run sim -- --seed ${seed}`
