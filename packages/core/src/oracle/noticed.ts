/** Whether the corpus notices what a mutant takes away: the first case and mode that differ from plain XState. */
import type { Sight } from './compare.ts'
import { corpus } from './corpus.ts'
import { plainRun } from './plain.ts'
import { compared, modesFor, nameOf } from './runner.ts'
import type { Sabotage } from './sabotage.ts'
import type { Case } from './script.ts'

export type PlainRuns = ReadonlyMap<Case, Sight>

export async function plainRuns(): Promise<PlainRuns> {
  const runs = new Map<Case, Sight>()
  for (const script of corpus) runs.set(script, await plainRun(script))
  return runs
}

/** The bytes of restored states are not compared: behaviour alone must tell. */
export async function noticed(sabotage: Sabotage, plain: PlainRuns): Promise<string | undefined> {
  for (const [script, expected] of plain) {
    for (const mode of modesFor(script, [1])) {
      const difference = await compared(script, expected, mode, sabotage)
      if (difference !== undefined) return `${script.name} (${nameOf(mode)}): ${difference}`
    }
  }
  return undefined
}
