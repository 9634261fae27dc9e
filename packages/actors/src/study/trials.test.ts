import { seededEntropy } from '@troupe/core'
import { describe, expect, test } from 'vitest'
import {
  allTold,
  asked,
  bestOf,
  complete,
  failed,
  forSampler,
  mayAsk,
  NOTHING_YET,
  type Progress,
  summaryOf,
} from './trials.ts'

/** Lets a study's events happen in a random order until it is done, and looks at every state on the way. */
function live(seed: number, target: number, parallel: number, look: (progress: Progress) => void): Progress {
  const chance = seededEntropy(seed)
  let progress: Progress = { ...NOTHING_YET, target, parallel }
  while (!allTold(progress)) {
    if (mayAsk(progress)) progress = { ...progress, asking: true }
    const { asking, trials } = progress
    const { running } = summaryOf(progress, 'maximize')
    const ended = running[Math.floor(chance.random() * running.length)]
    const number = trials.length
    if (asking && (ended === undefined || chance.random() < 0.5)) {
      const next = chance.random() < 0.8 ? asked(trials, number, { x: number }) : failed(trials, number, 'no answer')
      progress = { ...progress, asking: false, trials: next }
    } else if (ended !== undefined) {
      const value = Math.floor(chance.random() * 5)
      progress = { ...progress, trials: value === 0 ? failed(trials, ended, 'broken') : complete(trials, ended, value) }
    }
    look(progress)
  }
  return progress
}

describe('trials', () => {
  test('trials/1 and /2: numbers without a gap, at most `parallel` run, each is told once, in any order of events', () => {
    for (let seed = 0; seed < 100; seed++) {
      const parallel = 1 + (seed % 5)
      let told = 0
      const { trials } = live(seed, 20, parallel, (progress) => {
        const summary = summaryOf(progress, 'maximize')
        expect(progress.trials.map(({ number }) => number)).toEqual(progress.trials.map((_, n) => n))
        expect(summary.running.length).toBeLessThanOrEqual(parallel)
        expect(summary.asked).toBe(summary.told + summary.running.length + (progress.asking ? 1 : 0))
        expect(summary.told).toBeGreaterThanOrEqual(told)
        told = summary.told
      })
      expect(trials).toHaveLength(20)
      for (const { state, value } of trials) expect(state === 'complete').toBe(value !== undefined)
    }
  })

  test('trials/2: telling a trial twice is a bug that is seen', () => {
    const trials = complete(asked([], 0, { x: 1 }), 0, 5)
    expect(() => complete(trials, 0, 6)).toThrow(/trial 0 is told and was running/)
    expect(() => failed(trials, 0, 'late')).toThrow(/was running/)
    expect(() => asked(trials, 3, {})).toThrow(/trial 3 is asked after 1 others/)
  })

  test('trials/3: among equal values the earliest is the best; failed ones never are', () => {
    const trials = [3, 5, 5, 1].reduce(
      (list, value, n) => complete(asked(list, n, { n }), n, value),
      NOTHING_YET.trials,
    )
    const all = failed(trials, 4, 'broken')
    expect(bestOf(all, 'maximize')).toEqual({ number: 1, params: { n: 1 }, value: 5 })
    expect(bestOf(all, 'minimize')).toMatchObject({ number: 3 })
    expect(bestOf([], 'minimize')).toBeUndefined()
  })

  test('a sampler sees no reasons; long ones are cut to well-formed text', () => {
    const trials = failed([], 0, `${'x'.repeat(299)}😀`)
    expect(trials[0]?.reason?.isWellFormed()).toBe(true)
    expect(forSampler(trials)).toEqual([{ number: 0, params: {}, state: 'failed' }])
  })
})
