import { describe, expect, test } from 'vitest'
import type { SupervisionSpec } from './actor.ts'
import { seededEntropy } from './entropy.ts'
import { type Child, decide as decided, type Failure, type History, keepsInput } from './supervision.ts'
import { randomOf } from './testing/random-data.ts'

const decide = (spec: SupervisionSpec, history: readonly number[], now: number, random = 0) =>
  decided(spec, { at: now }, { failures: history, childFailures: [] }, random)

describe('supervision/2: a failure is answered by a restart after a pause', () => {
  test('the pause doubles with every failure of the period up to the longest, with half of it as jitter', () => {
    const spec: SupervisionSpec = { intensity: 10, periodMs: 1_000, backoffMs: [100, 500] }
    const pauses = (random: number) =>
      [0, 1, 2, 3, 4].map((n) => {
        const decision = decide(spec, Array(n).fill(5_000), 5_000, random)
        return decision.inMs ?? decision.directive
      })
    expect(pauses(0)).toEqual([50, 100, 200, 250, 250])
    expect(pauses(1 - 2 ** -32)).toEqual([100, 200, 400, 500, 500])
  })

  test('by default: three restarts in five seconds, then quarantine', () => {
    expect([0, 1, 2, 3].map((n) => decide({}, Array(n).fill(10_000), 10_000).directive)).toEqual([
      'restart',
      'restart',
      'restart',
      'quarantine',
    ])
  })
})

describe('supervision/3: more than `intensity` failures within `periodMs` end in quarantine', () => {
  test('failures older than the period do not count', () => {
    const spec: SupervisionSpec = { intensity: 1, periodMs: 100 }
    expect(decide(spec, [900], 1_000)).toEqual({ directive: 'restart', inMs: 50, failures: 1 })
    expect(decide(spec, [901], 1_000)).toEqual({ directive: 'quarantine', failures: 2 })
  })

  test('an intensity of 0 allows none; temporary actors stop at their first failure', () => {
    expect(decide({ intensity: 0 }, [], 0)).toEqual({ directive: 'quarantine', failures: 1 })
    expect(decide({ restart: 'temporary', intensity: 5 }, [], 0)).toEqual({ directive: 'stop', failures: 1 })
    expect(decide({ restart: 'transient' }, [], 0)).toMatchObject({ directive: 'restart' })
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
        expect(decision.directive).toBe(recent + 1 > intensity ? 'quarantine' : 'restart')
        if (decision.inMs === undefined) continue
        expect(decision.inMs).toBeGreaterThanOrEqual(Math.floor(first / 2))
        expect(decision.inMs).toBeLessThanOrEqual(longest)
        expect(Number.isInteger(decision.inMs)).toBe(true)
      }
    },
  )

  test('any number of failures gives a finite pause', () => {
    const spec: SupervisionSpec = { intensity: 5_000, periodMs: 1_000 }
    expect(decide(spec, Array(4_000).fill(1_000), 1_000, 0.5)).toMatchObject({ directive: 'restart', inMs: 22_500 })
  })
})

const child = (path: string, src = path.slice(1, 2), effect = false): Child => ({ path, src, effect })
const abc = [child('/a:1'), child('/b:1'), child('/c:1')]
const none: History = { failures: [], childFailures: [] }
const ofB = (more: Partial<Failure> = {}): Failure => ({ at: 1_000, child: child('/b:1'), siblings: abc, ...more })

describe('supervision/2: a failed child is brought back from its last committed state, made anew, or goes on', () => {
  test.each([
    [{}, { directive: 'restart', inMs: 50, child: { restart: ['/b:1'] } }],
    [{ by: 'reset' as const }, { directive: 'reset', inMs: 50, child: { reset: ['/b:1'] } }],
    [{ by: 'resume' as const }, { directive: 'resume', child: { path: '/b:1', src: 'b' } }],
    [{ restart: 'temporary' as const }, { directive: 'stop', child: { stop: ['/b:1'] } }],
    [{ shutdownMs: 700 }, { directive: 'restart', inMs: 700 }],
  ])('%o', (b, expected) => {
    expect(decided({ children: { b } }, ofB(), none, 0)).toMatchObject(expected)
  })

  test('an effect has no state: it begins again whatever is said', () => {
    const failed = child('/b:1', 'b', true)
    for (const by of ['resume', 'reset'] as const) {
      expect(decided({ children: { b: { by } } }, ofB({ child: failed, siblings: [failed] }), none, 0)).toMatchObject({
        directive: 'restart',
        child: { restart: ['/b:1'] },
      })
    }
  })

  test('the root may be made anew or go on as well', () => {
    expect(decided({ by: 'reset' }, { at: 0 }, none, 0)).toEqual({ directive: 'reset', failures: 1, inMs: 50 })
    expect(decided({ by: 'resume' }, { at: 0 }, none, 0)).toEqual({ directive: 'resume', failures: 1, inMs: 50 })
  })
})

describe('supervision/3: children that fail too often escalate to the root', () => {
  test('all of them together count; the root answers by its own history', () => {
    const times = (n: number) => Array<number>(n).fill(900)
    const decision = (childFailures: number, failures = 0) =>
      decided({}, ofB(), { childFailures: times(childFailures), failures: times(failures) }, 0)
    expect(decision(2)).toMatchObject({ directive: 'restart', failures: 3 })
    expect(decision(2)).not.toHaveProperty('escalated')
    expect(decision(3)).toEqual({
      directive: 'restart',
      failures: 1,
      inMs: 50,
      child: { path: '/b:1', src: 'b' },
      escalated: true,
    })
    expect(decision(3, 3)).toMatchObject({ directive: 'quarantine', escalated: true })
    expect(decision(9).directive).toBe('restart')
  })
})

describe('supervision/4: siblings by strategy, in the order of their birth', () => {
  test.each([
    ['one_for_one', ['/b:1']],
    ['one_for_all', ['/a:1', '/b:1', '/c:1']],
    ['rest_for_one', ['/b:1', '/c:1']],
  ] as const)('%s', (strategy, restart) => {
    expect(decided({ strategy }, ofB(), none, 0).child?.restart).toEqual(restart)
  })

  test('each sibling is answered as its own spec says; a temporary child that fails ends alone', () => {
    const children = { a: { by: 'reset' }, c: { restart: 'temporary', shutdownMs: 200 } } as const
    expect(decided({ strategy: 'one_for_all', children }, ofB(), none, 0)).toMatchObject({
      inMs: 200,
      child: { restart: ['/b:1'], reset: ['/a:1'], stop: ['/c:1'] },
    })
    const temporary = { b: { restart: 'temporary' } } as const
    expect(decided({ strategy: 'one_for_all', children: temporary }, ofB(), none, 0)).toEqual({
      directive: 'stop',
      failures: 1,
      child: { path: '/b:1', src: 'b', stop: ['/b:1'] },
    })
  })

  test.each([1, 2, 3])(
    'random specs (seed %i): no path twice, none outside the strategy, equal in, equal out',
    (seed) => {
      const random = randomOf(seededEntropy(seed))
      const pick = <T>(of: readonly T[]): T => of[random.int(of.length)] as T
      for (let i = 0; i < 500; i++) {
        const siblings = Array.from({ length: 1 + random.int(6) }, (_, n) =>
          child(`/${'abc'[random.int(3)]}:${n}`, undefined, random.int(2) === 0),
        )
        const failed = pick(siblings)
        const spec: SupervisionSpec = {
          intensity: random.int(4),
          strategy: pick(['one_for_one', 'one_for_all', 'rest_for_one']),
          by: pick(['resume', 'restart', 'reset']),
          children: Object.fromEntries(
            ['a', 'b', 'c'].map((src) => [
              src,
              { by: pick(['resume', 'restart', 'reset']), restart: pick(['permanent', 'transient', 'temporary']) },
            ]),
          ),
        }
        const history = {
          failures: Array.from({ length: random.int(5) }, () => random.int(1_000)),
          childFailures: Array.from({ length: random.int(5) }, () => random.int(1_000)),
        }
        const failure = { at: 1_000, child: failed, siblings }
        const chance = random.int(1_000) / 1_000
        const decision = decided(spec, failure, history, chance)
        expect(decided(spec, failure, history, chance)).toEqual(decision)
        const { restart = [], reset = [], stop = [] } = decision.child ?? {}
        const paths = [...restart, ...reset, ...stop]
        expect(new Set(paths).size).toBe(paths.length)
        const from = spec.strategy === 'one_for_all' ? 0 : siblings.indexOf(failed)
        const to = spec.strategy === 'one_for_one' ? from + 1 : siblings.length
        const allowed = siblings.slice(from, to).map(({ path }) => path)
        expect(paths.every((path) => allowed.includes(path))).toBe(true)
        for (const some of [restart, reset, stop])
          expect([...some]).toEqual(allowed.filter((path) => some.includes(path)))
        if (decision.escalated) expect(decision.failures).toBe(history.failures.length + 1)
        else if (decision.directive !== 'stop') expect(decision.failures).toBeLessThanOrEqual(spec.intensity ?? 3)
      }
    },
  )
})

test('the input is kept of those children only that may be made anew', () => {
  const keeps = keepsInput({ supervision: { children: { a: { by: 'reset' }, b: { by: 'restart' } } } })
  expect(['a', 'b', 'c'].map(keeps)).toEqual([true, false, false])
})
