/** Runs random machines; every difference is one line that reproduces it. */
import { randomCase } from './random-machine.ts'
import { differences } from './runner.ts'

export async function randomDifferences(first: number, count: number, killSeeds = 1): Promise<string[]> {
  const found: string[] = []
  for (let seed = first; seed < first + count; seed++) {
    for (const difference of await differences(randomCase(seed), killSeedsOf(seed, killSeeds))) {
      found.push(`ORACLE_SEED=${seed}: ${difference}`)
    }
  }
  return found
}

function killSeedsOf(seed: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => seed + i)
}
