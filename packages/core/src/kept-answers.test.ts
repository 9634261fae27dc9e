import { expect, test } from 'vitest'
import { seededEntropy } from './entropy.ts'
import { KeptAnswers } from './kept-answers.ts'
import type { KeptAnswer } from './settlement.ts'
import { randomOf } from './testing/random-data.ts'

const answer = (n: number, value = n): KeptAnswer => ({ n, ok: true, value, step: 'a/b#1:1' })

test.each([1, 2, 3])('answers as a map by number would, in ascending order (seed %i)', (seed) => {
  const random = randomOf(seededEntropy(seed))
  const kept = new KeptAnswers()
  const model = new Map<number, KeptAnswer>()
  for (let i = 0; i < 2_000; i++) {
    const n = random.int(40) + Math.floor(i / 20)
    if (random.int(4) > 0) {
      kept.keep(answer(n, i))
      model.set(n, answer(n, i))
    } else {
      const settled = n - 20
      kept.forget(settled)
      for (const old of model.keys()) if (old <= settled) model.delete(old)
    }
    expect(kept.get(n)).toEqual(model.get(n))
    expect(kept.countAbove(n)).toBe([...model.keys()].filter((one) => one > n).length)
    expect(kept.state()).toEqual([...model.values()].sort((a, b) => a.n - b.n))
  }
})
