import { describe, expect, test } from 'vitest'
import type { SupervisionSpec } from './actor.ts'
import { seededEntropy } from './entropy.ts'
import { directive } from './supervision.ts'
import { randomOf } from './testing/random-data.ts'

const decide = (spec: SupervisionSpec, history: readonly number[], now: number, random = 0) =>
  directive(spec, history, now, random)

describe('supervision/1: a failure is answered by a restart after a pause', () => {
  test('the pause doubles with every failure of the period up to the longest, with half of it as jitter', () => {
    const spec: SupervisionSpec = { intensity: 10, periodMs: 1_000, backoffMs: [100, 500] }
    const pauses = (random: number) =>
      [0, 1, 2, 3, 4].map((n) => {
        const decision = decide(spec, Array(n).fill(5_000), 5_000, random)
        return decision.kind === 'restart' ? decision.inMs : decision.kind
      })
    expect(pauses(0)).toEqual([50, 100, 200, 250, 250])
    expect(pauses(1 - 2 ** -32)).toEqual([100, 200, 400, 500, 500])
  })

  test('by default: three restarts in five seconds, then quarantine', () => {
    expect([0, 1, 2, 3].map((n) => decide({}, Array(n).fill(10_000), 10_000).kind)).toEqual([
      'restart',
      'restart',
      'restart',
      'quarantine',
    ])
  })
})

describe('supervision/2: more than `intensity` failures within `periodMs` end in quarantine', () => {
  test('failures older than the period do not count', () => {
    const spec: SupervisionSpec = { intensity: 1, periodMs: 100 }
    expect(decide(spec, [900], 1_000)).toEqual({ kind: 'restart', inMs: 50, failures: 1 })
    expect(decide(spec, [901], 1_000)).toEqual({ kind: 'quarantine', failures: 2 })
  })

  test('an intensity of 0 allows none; temporary actors stop at their first failure', () => {
    expect(decide({ intensity: 0 }, [], 0)).toEqual({ kind: 'quarantine', failures: 1 })
    expect(decide({ restart: 'temporary', intensity: 5 }, [], 0)).toEqual({ kind: 'stop', failures: 1 })
    expect(decide({ restart: 'transient' }, [], 0)).toMatchObject({ kind: 'restart' })
  })

  test.each([1, 2, 3])(
    'random histories (seed %i): the decision counts exactly, and its pause is within bounds',
    (seed) => {
      const random = randomOf(seededEntropy(seed))
      for (let i = 0; i < 500; i++) {
        const [intensity, periodMs, first] = [random.int(6), 1 + random.int(2_000), 1 + random.int(300)]
        const longest = first + random.int(5_000)
        const now = 10_000
        const history = Array.from({ length: random.int(10) }, () => now - random.int(4_000))
        const recent = history.filter((at) => at > now - periodMs).length
        const decision = decide(
          { intensity, periodMs, backoffMs: [first, longest] },
          history,
          now,
          random.int(1_000) / 1_000,
        )
        expect(decision.failures).toBe(recent + 1)
        expect(decision.kind).toBe(recent + 1 > intensity ? 'quarantine' : 'restart')
        if (decision.kind !== 'restart') continue
        expect(decision.inMs).toBeGreaterThanOrEqual(Math.floor(first / 2))
        expect(decision.inMs).toBeLessThanOrEqual(longest)
        expect(Number.isInteger(decision.inMs)).toBe(true)
      }
    },
  )

  test('any number of failures gives a finite pause', () => {
    const spec: SupervisionSpec = { intensity: 5_000, periodMs: 1_000 }
    expect(decide(spec, Array(4_000).fill(1_000), 1_000, 0.5)).toMatchObject({ kind: 'restart', inMs: 22_500 })
  })
})
