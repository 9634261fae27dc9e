import { describe, expect, test } from 'vitest'
import { choice, fits, float, int, misfit, spaceToWire } from './domain.ts'
import { randomSampler } from './study/random-sampler.ts'

const accepts = (domain: Parameters<typeof spaceToWire>[0][string], value: unknown) =>
  !('issues' in domain['~standard'].validate(value))

describe('a domain', () => {
  test('domain/1: takes what lies in its bounds and on its steps, and nothing else', () => {
    expect([0, 0.5, 2, 2.1, -0.1, Number.NaN, '1'].map((v) => accepts(float(0, 2), v))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
    expect([0, 0.1, 0.3, 0.30000000000000004, 0.25].map((v) => accepts(float(0, 1, { step: 0.1 }), v))).toEqual([
      true,
      true,
      true,
      true,
      false,
    ])
    expect([1, 2, 3, 2.5].map((v) => accepts(int(1, 9, { step: 2 }), v))).toEqual([true, false, true, false])
    expect(['a', 'c', 1].map((v) => accepts(choice(['a', 'b', 2]), v))).toEqual([true, false, false])
  })

  test('domain/2: bounds that no sampler could use are refused at once', () => {
    expect(() => float(1, 0)).toThrow(/low end is above/)
    expect(() => float(0, Number.POSITIVE_INFINITY)).toThrow(/finite/)
    expect(() => float(0, 1, { log: true })).toThrow(/low end above 0/)
    expect(() => float(1, 2, { log: true, step: 0.1 })).toThrow(/exclude/)
    expect(() => float(0, 1, { step: 0 })).toThrow(/above 0/)
    expect(() => int(0, 1.5)).toThrow(/whole/)
    expect(() => choice([1, true])).toThrow(/equal/)
  })

  test('domain/3: the wire form is the space argument of optuna.ask', () => {
    expect(
      spaceToWire({
        t: float(0.1, 2, { log: true }),
        s: float(0, 1, { step: 0.5 }),
        n: int(0, 8),
        k: choice(['a', 1]),
      }),
    ).toEqual({
      t: { kind: 'float', low: 0.1, high: 2, log: true },
      s: { kind: 'float', low: 0, high: 1, step: 0.5 },
      n: { kind: 'int', low: 0, high: 8 },
      k: { kind: 'choice', choices: ['a', 1] },
    })
  })

  test('a misfit names the parameter', () => {
    const space = { n: int(0, 8) }
    expect(fits(space, { n: 3 })).toBe(true)
    expect(misfit(space, { n: 9 })).toBe("'n': expected a whole number from 0 to 8 in steps of 1")
    expect(misfit(space, {})).toMatch(/'n'/)
    expect(misfit(space, { n: 1, m: 1 })).toBe("'m' is not in the space")
    expect(misfit(space, null)).toMatch(/no record/)
  })
})

describe('random search', () => {
  const space = {
    f: float(-1, 3),
    l: float(1e-4, 1, { log: true }),
    s: float(0, 1, { step: 0.1 }),
    n: int(2, 9, { step: 3 }),
    g: int(1, 1_000, { log: true }),
    k: choice(['a', 'b', true, 0.5]),
  }
  const { ask } = randomSampler()
  const drawn = async (seed: number, op: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const { createActor } = await import('xstate')
    const actor = createActor(ask, {
      input: { study: 's', seed, direction: 'maximize', space: spaceToWire(space), trials: [], op },
    })
    actor.subscribe({ next: ({ output }) => output && resolve(output.params), error: reject })
    actor.start()
    return promise
  }

  test('sampler/1: the same seed and op give the same parameters, another op others; all lie in the space', async () => {
    expect(await drawn(1, 's/main:0')).toEqual(await drawn(1, 's/main:0'))
    const all = await Promise.all(Array.from({ length: 300 }, (_, n) => drawn(7, `s/main:${n}`)))
    for (const params of all) expect(misfit(space, params)).toBeUndefined()
    expect(new Set(all.map((params) => JSON.stringify(params))).size).toBe(300)
    expect(await drawn(1, 's/main:0')).not.toEqual(await drawn(2, 's/main:0'))
  })
})
