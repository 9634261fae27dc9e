/**
 * XState is the oracle: a machine on the logic host, killed and restarted anywhere, ends as the same machine under plain
 * `createActor`. The long form is `long.ts`.
 */
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { corpus } from './corpus.ts'
import { differences } from './runner.ts'

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1)

// XState warns of every event to a stopped actor; half of the corpus sends some.
beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

describe('host: equals plain XState under every restart', () => {
  test.each(corpus.map((script) => [script.name, script] as const))('%s', async (_name, script) => {
    expect(await differences(script, SEEDS)).toEqual([])
  })
})

test('every case of the corpus has its own name, and there are more than a hundred', () => {
  expect(new Set(corpus.map(({ name }) => name)).size).toBe(corpus.length)
})
