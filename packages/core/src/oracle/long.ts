/**
 * The long form, for `npm run faults`: the corpus under many random kill points, then a thousand random machines.
 *
 *     node --conditions=troupe-source packages/core/src/oracle/long.ts [machines] [first seed]
 */
import { randomInt } from 'node:crypto'
import { corpus } from './corpus.ts'
import { counted } from './hosted.ts'
import { randomDifferences } from './random-runner.ts'
import { differences } from './runner.ts'

const SEEDS_PER_CASE = 100
const KILL_SEEDS_PER_MACHINE = 3

export interface LongResult {
  readonly cases: number
  readonly machines: number
  readonly steps: number
  readonly rebuilds: number
  readonly folded: number
  /** One line each; empty when hosted machines equal plain XState. */
  readonly differences: readonly string[]
}

export async function longOracle(machines = 1_000, first = randomInt(2 ** 31)): Promise<LongResult> {
  const seeds = Array.from({ length: SEEDS_PER_CASE }, (_, i) => first + i)
  const found: string[] = []
  for (const script of corpus) {
    for (const difference of await differences(script, seeds)) found.push(`${script.name}: ${difference}`)
  }
  found.push(...(await randomDifferences(first, machines, KILL_SEEDS_PER_MACHINE)))
  return { cases: corpus.length, machines, ...counted, differences: found }
}

if (import.meta.main) {
  const [machines, first] = process.argv.slice(2).map(Number)
  console.warn = () => {} // XState's notes about events to stopped actors
  const result = await longOracle(machines, first)
  console.log(JSON.stringify(result, undefined, 2))
  process.exitCode = result.differences.length === 0 ? 0 : 1
}
