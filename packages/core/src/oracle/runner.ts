/** Runs a case in every mode and compares each run with plain XState. */
import { difference, type Sight } from './compare.ts'
import type { Mode } from './fate.ts'
import { hostedRun } from './hosted.ts'
import { plainRun } from './plain.ts'
import type { Sabotage } from './sabotage.ts'
import type { Case } from './script.ts'

const BEFORE_RELEASE: readonly Mode[] = [{ kind: 'killed before commit' }, { kind: 'killed before release' }]

/** All ways to restart that the case allows, and `seeds` runs with random kill points. */
export function modesFor({ kills = 'anywhere' }: Case, seeds: readonly number[]): readonly Mode[] {
  if (kills === 'never') return [{ kind: 'no restart' }]
  return [
    { kind: 'no restart' },
    ...(kills === 'anywhere' ? BEFORE_RELEASE : []),
    { kind: 'killed after release' },
    { kind: 'snapshot and tail' },
    ...seeds.map((seed) => ({ kind: 'random' as const, seed })),
  ]
}

/** One line per mode that differs from plain XState. */
export async function differences(script: Case, seeds: readonly number[]): Promise<string[]> {
  const expected = await plainRun(script)
  const found: string[] = []
  for (const mode of modesFor(script, seeds)) {
    const difference = await compared(script, expected, mode)
    if (difference !== undefined) found.push(`${nameOf(mode)}: ${difference}`)
  }
  return found
}

/** What differs in one mode; a run that throws differs. */
export async function compared(
  script: Case,
  expected: Sight,
  mode: Mode,
  sabotage?: Sabotage,
): Promise<string | undefined> {
  try {
    return difference(expected, await hostedRun(script, mode, sabotage))
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
}

export function nameOf(mode: Mode): string {
  return mode.kind === 'random' ? `random kills, seed ${mode.seed}` : mode.kind
}
