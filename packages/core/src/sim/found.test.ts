/** What seeds have found in the runtime and no smaller test can hold, with the circumstance made certain. */
import { expect, test } from 'vitest'
import { withJournal } from './planting.ts'
import { runSeed } from './run.ts'

test('heads that lag behind at a take-up hide nothing for ever', { timeout: 30_000 }, async () => {
  for (let seed = 0; seed < 15; seed++) {
    const { violations } = await runSeed(`lag-${seed}`, {
      wrap: (connection) => {
        const asked = new Set<string>()
        return withJournal(connection, (journal) => ({
          heads: async function* (pattern) {
            if (asked.has(pattern)) yield* journal.heads(pattern)
            asked.add(pattern)
          },
        }))
      },
    })
    expect(violations).toEqual([])
  }
})
