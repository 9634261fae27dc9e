import { seededEntropy } from '@troupe/core'
import { describe, expect, test } from 'vitest'
import {
  drawnQuality,
  expectedMs,
  expectedQuality,
  LONGEST_REST_MS,
  noEvidence,
  observe,
  type RouteEvidence,
} from './route-evidence.ts'
import {
  explain,
  type Filter,
  type Needs,
  POLICY,
  type Policy,
  type RouteFacts,
  type Selecting,
  select,
} from './select.ts'

const needs: Needs = { promptTokens: 1_000, answerTokens: 200 }
const cheap: RouteFacts = { name: 'cheap', kind: 'structured', price: { inPerMillion: 0.1, outPerMillion: 0.4 } }
const strong: RouteFacts = { name: 'strong', kind: 'structured', price: { inPerMillion: 5, outPerMillion: 20 } }
const asked = (more: Partial<Selecting> = {}): Selecting => ({
  ...{ routes: [cheap, strong], evidence: {}, needs, policy: POLICY, pinned: null, seed: 's', nowMs: 0 },
  ...more,
})
const after = (...outcomes: readonly (number | 'failed')[]): RouteEvidence =>
  outcomes.reduce<RouteEvidence>(
    (known, one) =>
      observe(
        known,
        one === 'failed' ? { kind: 'failed', code: 'Timeout', ms: 9_000 } : { kind: 'answered', quality: one, ms: 500 },
        0,
      ),
    noEvidence,
  )

test('select/3: without evidence the price decides, and among equals the order of declaration', () => {
  expect(select(asked()).order).toEqual(['cheap', 'strong'])
  const { price: _, ...free } = strong
  expect(select(asked({ routes: [free, { ...free, name: 'other' }] })).order).toEqual(['strong', 'other'])
})

test('evidence decides by utility: quality, less cost, less time', () => {
  const evidence = { cheap: after(0, 0, 'failed', 0, 0, 0), strong: after(1, 1, 1, 1, 1, 1) }
  expect(select(asked({ evidence })).order).toEqual(['strong', 'cheap'])
  const dear: Policy = { ...POLICY, costWeight: 200 }
  expect(select(asked({ evidence, policy: dear })).order).toEqual(['cheap', 'strong'])
  const escalate: Policy = { ...POLICY, order: 'escalate' }
  expect(select(asked({ evidence, policy: escalate })).order).toEqual(['cheap', 'strong'])
})

describe('select/1: no utility makes up for a filter', () => {
  const rests = observe(noEvidence, { kind: 'refused', code: 'BreakerOpen', retryAfterMs: 3_000 }, 0)
  const slow = observe(noEvidence, { kind: 'answered', quality: 1, ms: 60_000 }, 0)
  const cases: readonly [Filter, Partial<Selecting>, RouteFacts?][] = [
    ['kind', { needs: { ...needs, kinds: ['python'] } }],
    ['kind', {}, { ...cheap, kind: 'mock' }],
    ['tools', { needs: { ...needs, tools: true } }],
    ['images', { needs: { ...needs, images: true } }],
    ['stream', { needs: { ...needs, stream: true } }, { ...cheap, can: { stream: false } }],
    ['context', {}, { ...cheap, contextTokens: 1_100 }],
    ['tags', { needs: { ...needs, tags: ['eu'] } }, { ...cheap, tags: ['us'] }],
    ['money', { needs: { ...needs, maxUsd: 0.0001 } }],
    ['time', { needs: { ...needs, withinMs: 1_000 }, evidence: { cheap: slow } }],
    ['resting', { evidence: { cheap: rests }, nowMs: 2_999 }],
    ['not pinned', { pinned: 'strong' }],
  ]
  test.each(cases)('%s %#', (filter, more, route = cheap) => {
    const able = { ...strong, can: { tools: true, images: true }, tags: ['eu'], kind: 'python' as const }
    const { price: _, ...free } = able
    const selection = select(asked({ routes: [route, free], ...more }))
    expect(selection.order).toEqual(['strong'])
    expect(selection.candidates[0]).toMatchObject({ route: 'cheap', filteredBy: filter, why: expect.any(String) })
    expect(explain(selection)).toContain(`cheap: not asked, ${selection.candidates[0]?.why}`)
  })

  test('what rests comes back', () => {
    expect(select(asked({ evidence: { cheap: rests }, nowMs: 3_000 })).order).toEqual(['cheap', 'strong'])
  })

  test('a pin does not overrule a filter', () => {
    const selection = select(asked({ pinned: 'cheap', needs: { ...needs, tools: true } }))
    expect(selection.order).toEqual([])
  })
})

test('the explanation has every candidate with its figures', () => {
  const text = explain(select(asked({ evidence: { cheap: after(1, 1) } })))
  expect(text).toContain('the best first')
  expect(text).toMatch(
    /cheap: 1\. of 2, utility 0\.\d+ = quality 0\.\d+ − 0\.0001\d* USD · 10 − 0\.50 s · 0\.01, from 2 outcomes/,
  )
  expect(text).toMatch(/strong: 2\. of 2/)
})

test('evidence fades, averages follow, and refusals say nothing about quality', () => {
  expect(expectedQuality(noEvidence)).toBeCloseTo(2 / 3)
  const good = after(...Array.from({ length: 300 }, () => 1))
  expect(expectedQuality(good)).toBeGreaterThan(0.97)
  const worse = Array.from({ length: 60 }).reduce<RouteEvidence>(
    (known) => observe(known, { kind: 'failed', code: 'Timeout', ms: 9_000 }, 0),
    good,
  )
  expect(expectedQuality(worse)).toBeLessThan(0.5)
  expect(expectedMs(worse)).toBeGreaterThan(6_000)
  const refused = observe(good, { kind: 'refused', code: 'RateLimited' }, 0)
  expect([refused.right, refused.wrong, refused.outcomes]).toEqual([good.right, good.wrong, 301])
})

test('route-evidence/3: a rest ends with its time alone, and lasts a day at most', () => {
  const hour = observe(noEvidence, { kind: 'refused', code: 'RateLimited', retryAfterMs: 3_600_000 }, 0)
  const rests = { untilMs: 3_600_000, why: 'RateLimited' }
  expect(observe(hour, { kind: 'refused', code: 'Busy' }, 1_000).rests).toEqual(rests)
  expect(observe(hour, { kind: 'answered', quality: 1, ms: 500 }, 1_000).rests).toEqual(rests)
  expect(observe(hour, { kind: 'answered', quality: 1, ms: 500 }, 3_600_000).rests).toBeNull()
  const ages = observe(noEvidence, { kind: 'refused', code: 'RateLimited', retryAfterMs: 1.7e12 }, 0)
  expect(ages.rests?.untilMs).toBe(LONGEST_REST_MS)
})

test('draws follow what is known: their mean is the expected quality, and the same seed draws the same', () => {
  for (const known of [noEvidence, after(1, 0, 1, 1, 0), after(...Array.from({ length: 50 }, () => 1))]) {
    const draws = Array.from({ length: 4_000 }, (_, n) => drawnQuality(known, `${n}`))
    expect(draws.every((quality) => quality > 0 && quality < 1)).toBe(true)
    expect(draws.reduce((sum, quality) => sum + quality, 0) / draws.length).toBeCloseTo(expectedQuality(known), 1)
  }
  expect(drawnQuality(noEvidence, 'x')).toBe(drawnQuality(noEvidence, 'x'))
})

/** Asks 600 times; after 300 the better route has gone bad. @returns how often the right one was asked in the second half */
function followed(explore: Policy['explore'], seed: string): number {
  const entropy = seededEntropy(seed)
  const right = { a: 0.9, b: 0.6 }
  const evidence: { [route: string]: RouteEvidence } = {}
  const routes: RouteFacts[] = ['a', 'b'].map((name) => ({ name, kind: 'structured' }))
  let well = 0
  for (let n = 0; n < 600; n++) {
    if (n === 300) right.a = 0.2
    const { order } = select(asked({ routes, evidence, policy: { ...POLICY, explore }, seed: `${seed}/${n}` }))
    const route = order[0] === 'a' ? 'a' : 'b'
    const quality = entropy.random() < right[route] ? 1 : 0
    evidence[route] = observe(evidence[route] ?? noEvidence, { kind: 'answered', quality, ms: 500 }, 0)
    if (n >= 300 && route === 'b') well += 1
  }
  return well
}

test.each(['1', '2', '3'])('a route that has gone bad is left, with and without exploration: seed %s', (seed) => {
  expect(followed('never', seed)).toBeGreaterThan(200)
  expect(followed('thompson', seed)).toBeGreaterThan(180)
})
