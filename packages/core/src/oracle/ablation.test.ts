/** The corpus has teeth: without any one of the host's protections some case differs from plain XState. */
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Sight } from './compare.ts'
import { corpus } from './corpus.ts'
import { mutants } from './mutants.ts'
import { plainRun } from './plain.ts'
import { compared, modesFor, nameOf } from './runner.ts'
import type { Sabotage } from './sabotage.ts'
import type { Case } from './script.ts'

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

const plain = new Map<Case, Sight>()
beforeAll(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  for (const script of corpus) plain.set(script, await plainRun(script))
})

/** The first case and mode that differ. The bytes of restored states are not compared: behaviour alone must tell. */
async function noticed(sabotage: Sabotage): Promise<string | undefined> {
  for (const [script, expected] of plain) {
    for (const mode of modesFor(script, [1])) {
      const difference = await compared(script, expected, mode, sabotage)
      if (difference !== undefined) return `${script.name} (${nameOf(mode)}): ${difference}`
    }
  }
  return undefined
}

describe('the corpus notices when the host loses', () => {
  test.each(Object.entries(mutants))('%s', async (_name, sabotage) => {
    expect(await noticed(sabotage)).toBeDefined()
  })
})

test('without sabotage nothing is noticed', async () => {
  expect(await noticed({})).toBeUndefined()
})
