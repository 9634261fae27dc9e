/** The corpus has teeth: without any one of the host's protections some case differs from plain XState. */
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { mutants } from './mutants.ts'
import { noticed, type PlainRuns, plainRuns } from './noticed.ts'

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

let plain: PlainRuns
beforeAll(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  plain = await plainRuns()
})

describe('the corpus notices when the host loses', () => {
  test.each(Object.entries(mutants))('%s', async (_name, sabotage) => {
    expect(await noticed(sabotage, plain)).toBeDefined()
  })
})

test('without sabotage nothing is noticed', async () => {
  expect(await noticed({}, plain)).toBeUndefined()
})
