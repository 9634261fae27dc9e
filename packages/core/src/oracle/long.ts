/**
 * The long form of the oracle, for `npm run faults -- --machines 1000 [--seed S]`: the corpus under many random kill points,
 * fresh random machines, and the ablation.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { corpus } from './corpus.ts'
import { counted } from './hosted.ts'
import { mutants } from './mutants.ts'
import { noticed, plainRuns } from './noticed.ts'
import { randomDifferences } from './random-runner.ts'
import { differences } from './runner.ts'

const SEEDS_PER_CASE = 100
const KILL_SEEDS_PER_MACHINE = 3

interface LongResult {
  readonly seed: number
  readonly cases: number
  readonly machines: number
  readonly steps: number
  readonly rebuilds: number
  readonly folded: number
  /** One line each; empty when hosted machines equal plain XState. */
  readonly differences: readonly string[]
  /** Protections of the host whose loss the corpus does not notice. */
  readonly unnoticed: readonly string[]
}

async function longOracle(machines: number, seed: number): Promise<LongResult> {
  const seeds = Array.from({ length: SEEDS_PER_CASE }, (_, i) => seed + i)
  const found: string[] = []
  for (const script of corpus) {
    for (const difference of await differences(script, seeds)) found.push(`${script.name}: ${difference}`)
  }
  found.push(...(await randomDifferences(seed, machines, KILL_SEEDS_PER_MACHINE)))
  const figures = { ...counted }
  const plain = await plainRuns()
  const unnoticed: string[] = []
  for (const [name, sabotage] of Object.entries(mutants)) {
    if ((await noticed(sabotage, plain)) === undefined) unnoticed.push(name)
  }
  return { seed, cases: corpus.length, machines, ...figures, differences: found, unnoticed }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { machines: { type: 'string' }, seed: { type: 'string' } } })
  console.warn = () => {} // XState's notes about events to stopped actors
  const result = await longOracle(Number(values.machines ?? 1_000), Number(values.seed ?? randomInt(2 ** 31)))
  console.log(JSON.stringify(result))
  process.exitCode = result.differences.length + result.unnoticed.length === 0 ? 0 : 1
}
