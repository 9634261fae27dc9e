import { describe, expect, test } from 'vitest'
import { PLANTS } from './planted.ts'
import { runSeed } from './run.ts'

/** Seeds per bug; most are noticed by one of the first ten. */
const BUDGET = 250

describe('a planted bug does not go unnoticed', () => {
  for (const [name, plant] of Object.entries(PLANTS)) {
    test(name, { timeout: 60_000 }, async () => {
      let noticed: { readonly seed: number; readonly invariant: number } | undefined
      for (let seed = 0; seed < BUDGET && noticed === undefined; seed++) {
        const { wrap, undo, by, nodes, faults } = plant()
        const { violations } = await runSeed(`planted-${seed}`, {
          ...(wrap && { wrap }),
          ...(undo && { onEnd: undo }),
          ...(faults && { faults }),
          ...(nodes !== undefined && { nodes }),
        })
        const first = violations.find(({ invariant }) => by === undefined || invariant === by)
        if (first !== undefined) noticed = { seed, invariant: first.invariant }
      }
      expect(noticed, `none of ${BUDGET} seeds noticed`).toBeDefined()
    })
  }
})
