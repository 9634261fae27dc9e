import { seededEntropy } from '@troupe/core'
import { describe, expect, test } from 'vitest'
import { begin, type Cost, learn, look, openBuckets, release, rooms, settle, type Taken, take } from './buckets.ts'
import type { Limit } from './meter.ts'
import { fullestWindow, seeds } from './stepped-clock.ts'

type Name = 'requests' | 'input' | 'output' | 'money' | 'calls'

interface Call {
  readonly taken: Taken
  readonly cost: Cost<Name>
  readonly grantedMs: number
  begunMs?: number
}

const names = ['requests', 'input', 'output', 'money', 'calls'] as const

/** Limits, and a life with them: calls of all sizes that leave late, end late, use less, or never leave. */
function life(seed: string, tell: boolean) {
  const entropy = seededEntropy(seed)
  const below = (most: number) => Math.floor(entropy.random() * most)
  const some = <T>(...values: readonly [T, ...T[]]): T => values[below(values.length)] ?? values[0]
  const windowMs = some(1_000, 60_000, 86_400_000)
  const limits: { readonly [name in Name]: Limit } = {
    requests: { cap: some(1, 7, 60, 1_000), windowMs },
    input: { cap: some(100, 30_000), windowMs, burst: some(1, 100, 30_000) },
    output: { cap: 8_000, windowMs, counted: 'end' },
    money: { cap: 5_000_000_000, windowMs: windowMs * 2, lagMs: 0 },
    calls: { cap: some(1, 4, 100), windowMs: 0 },
  }
  const lagOf = (name: Name) => limits[name].lagMs ?? (limits[name].windowMs ?? 0) / 100
  const buckets = openBuckets(limits, 0)
  const counted: { readonly [name in Name]: { atMs: number; amount: number }[] } = {
    requests: [],
    input: [],
    output: [],
    money: [],
    calls: [],
  }
  const running: Call[] = []
  let nowMs = 0
  let granted = 0

  const end = (call: Call): void => {
    running.splice(running.indexOf(call), 1)
    if (call.begunMs === undefined && entropy.random() < 0.5) {
      release(buckets, nowMs, call.taken)
      return
    }
    const actual: { [name in Name]?: number } = {}
    for (const name of names) {
      if (entropy.random() < 0.7) actual[name] = below((call.cost[name] ?? 0) + 1)
    }
    settle(buckets, nowMs, call.taken, actual)
    for (const name of names) {
      const stampMs = limits[name].counted === 'end' ? nowMs : (call.begunMs ?? nowMs)
      const spanMs = stampMs + lagOf(name) - call.grantedMs
      // The provider counts at any moment between grant and stamp plus lag; the ends are the worst.
      const atMs = call.grantedMs + spanMs * some(0, 1, entropy.random())
      if (name !== 'calls') counted[name].push({ atMs, amount: actual[name] ?? call.cost[name] ?? 0 })
    }
  }

  for (let n = 0; n < 3_000; n++) {
    const doing = entropy.random()
    const last = running.at(-1)
    if (doing < 0.5) {
      const cost: Cost<Name> = {
        requests: 1,
        input: 1 + below(some(50, limits.input.cap)),
        output: below(some(400, 8_000)),
        money: below(200_000_000),
        calls: 1,
      }
      const before = structuredClone(buckets)
      const taking = take(buckets, nowMs, cost)
      if (taking.kind === 'taken') {
        granted += 1
        running.push({ taken: taking.taken, cost, grantedMs: nowMs })
        if (entropy.random() < 0.6) {
          begin(buckets, nowMs, taking.taken)
          Object.assign(running.at(-1) ?? {}, { begunMs: nowMs })
        }
      } else if (taking.kind === 'later') {
        expect(rooms(buckets, nowMs)).toEqual(rooms(before, nowMs))
        if (taking.untilMs < Infinity) {
          const early = Math.max(nowMs, taking.untilMs - 0.01)
          if (taking.untilMs - nowMs > 0.01) expect(take(structuredClone(buckets), early, cost).kind).toBe('later')
          // Whether it is looked at in between or not.
          const looked = structuredClone(buckets)
          look(looked, (nowMs + taking.untilMs) / 2, cost)
          expect(take(looked, taking.untilMs, cost).kind).toBe('taken')
          expect(take(structuredClone(buckets), taking.untilMs, cost).kind).toBe('taken')
          if (entropy.random() < 0.5) nowMs = taking.untilMs
        }
      }
    } else if (doing < 0.6 && last !== undefined && last.begunMs === undefined) {
      begin(buckets, nowMs, last.taken)
      last.begunMs = nowMs
    } else if (doing < 0.8 && running.length > 0) {
      const call = running[below(running.length)]
      if (call !== undefined) end(call)
    } else if (doing < 0.82 && tell) {
      const remaining = below(limits.input.cap * 2)
      learn(buckets, nowMs, {
        ...(entropy.random() < 0.1 && { retryAfterMs: below(windowMs / 10) }),
        limits: {
          input: { cap: below(limits.input.cap * 3), remaining, resetMs: below(windowMs) },
          requests: { remaining: below(2_000) },
          unknown: { remaining: 0 },
        },
      })
    } else nowMs += (entropy.random() ** 3 * windowMs) / some(1, 10, 1_000)
  }
  while (running[0] !== undefined) end(running[0])
  return { buckets, limits, counted, granted, nowMs: nowMs + windowMs * 3 }
}

describe.each(seeds(16))('seed %s', (seed) => {
  test.each([false, true])(
    'meter/2, buckets/1, buckets/4: no window a provider could count is above a cap (told: %s)',
    (tell) => {
      const { limits, counted, granted } = life(seed, tell)
      expect(granted).toBeGreaterThan(20)
      for (const name of names) {
        const { cap, windowMs = 0 } = limits[name]
        if (name !== 'calls') expect(fullestWindow(counted[name], windowMs), name).toBeLessThanOrEqual(cap)
      }
    },
  )

  test('meter/1, buckets/3: when all has ended and the window has passed, everything is there again', () => {
    const { buckets, limits, nowMs } = life(seed, false)
    expect(Object.fromEntries(rooms(buckets, nowMs))).toEqual(
      Object.fromEntries(names.map((name) => [name, limits[name].cap])),
    )
    expect(buckets.meters.map(({ log, open, used }) => [log.length, open, used])).toEqual(names.map(() => [0, 0, 0]))
  })
})

const minute = { requests: { cap: 60, lagMs: 0 }, tokens: { cap: 6_000, lagMs: 0 } }

test('a sixth of the cap leaves at once, and the rest at the rate; the wait is exact', () => {
  const buckets = openBuckets(minute, 0)
  for (let n = 0; n < 10; n++) expect(take(buckets, 0, { requests: 1 }).kind).toBe('taken')
  expect(take(buckets, 0, { requests: 1 })).toEqual({ kind: 'later', untilMs: 1_000, limit: 'requests' })
  expect(take(buckets, 999, { requests: 1 }).kind).toBe('later')
  expect(take(buckets, 1_000, { requests: 1 }).kind).toBe('taken')
})

test('buckets/1: when one limit has no room, nothing is taken of the others', () => {
  const buckets = openBuckets(minute, 0)
  take(buckets, 0, { requests: 1, tokens: 6_000 })
  expect(take(buckets, 0, { requests: 1, tokens: 1 })).toMatchObject({ kind: 'later', limit: 'tokens' })
  expect(rooms(buckets, 0)).toEqual(
    new Map([
      ['requests', 59],
      ['tokens', 0],
    ]),
  )
})

test.each([
  [6_001, 'above the cap of 6000'],
  [-1, 'no whole number'],
  [0.5, 'no whole number'],
  [Number.NaN, 'no whole'],
])('buckets/2: a cost of %s is refused at once, by name', (tokens, why) => {
  const taking = take(openBuckets(minute, 0), 0, { requests: 1, tokens })
  expect(taking).toMatchObject({ kind: 'never', error: { code: 'CostRefused', details: { limit: 'tokens' } } })
  expect(taking.kind === 'never' && taking.error.message).toContain(why)
})

test('buckets/3: what was not used comes back; what was used on top counts; a second word changes nothing', () => {
  const buckets = openBuckets(minute, 0)
  const tokens = () => rooms(buckets, 0).get('tokens')
  const held = () => {
    const taking = take(buckets, 0, { tokens: 300 })
    if (taking.kind !== 'taken') throw new Error(taking.kind)
    return taking.taken
  }
  const [less, more, never] = [held(), held(), held()]
  begin(buckets, 0, less)
  settle(buckets, 0, less, { tokens: 100 })
  settle(buckets, 0, less, { tokens: 0 })
  release(buckets, 0, less)
  settle(buckets, 0, more, { tokens: 500 })
  release(buckets, 0, never)
  settle(buckets, 0, never)
  expect(tokens()).toBe(6_000 - 600)
})

test('meter/2: a call that waits for its start counts until it has started, then for a window', () => {
  const buckets = openBuckets({ requests: { cap: 1, lagMs: 500 } }, 0)
  const taking = take(buckets, 0, { requests: 1 })
  if (taking.kind !== 'taken') throw new Error(taking.kind)
  expect(take(buckets, 90_000, { requests: 1 })).toEqual({ kind: 'later', untilMs: Infinity, limit: 'requests' })
  begin(buckets, 90_000, taking.taken)
  expect(take(buckets, 90_000, { requests: 1 })).toMatchObject({ kind: 'later', untilMs: 150_500 })
})

test('meter/3: calls of one slice count until the last of them leaves the window', () => {
  const buckets = openBuckets({ requests: { cap: 2, burst: 2, lagMs: 0 } }, 0)
  for (const nowMs of [0, 100]) {
    const taking = take(buckets, nowMs, { requests: 1 })
    if (taking.kind === 'taken') begin(buckets, nowMs, taking.taken)
  }
  expect([60_000, 60_099, 60_100].map((nowMs) => rooms(buckets, nowMs).get('requests'))).toEqual([0, 0, 2])
})

test('meter/3: the log stays small', () => {
  const buckets = openBuckets({ requests: { cap: 1_000_000 } }, 0)
  let longest = 0
  for (let n = 0; n < 200_000; n++) {
    const taking = take(buckets, n, { requests: 1 })
    if (taking.kind === 'taken') begin(buckets, n, taking.taken)
    longest = Math.max(longest, buckets.meters[0]?.log.length ?? 0)
  }
  expect(longest).toBeLessThanOrEqual(513)
})

test.each([1, 5, 10, 15, 20, 30, 60])(
  'meter/4, meter/5: calls of %s of 60 use the whole rate in the long run',
  (cost) => {
    const buckets = openBuckets({ tokens: { cap: 60, lagMs: 0 } }, 0)
    let used = 0
    for (let nowMs = 0; nowMs < 3_600_000; ) {
      const taking = take(buckets, nowMs, { tokens: cost })
      if (taking.kind === 'later') nowMs = taking.untilMs
      if (taking.kind === 'taken') {
        begin(buckets, nowMs, taking.taken)
        used += cost
      }
    }
    expect(used).toBeGreaterThan(60 * 60 * 0.98)
    expect(used).toBeLessThanOrEqual(60 * 60)
  },
)

test('meter/4: after a burst there is one pause, and then no more waves', () => {
  const buckets = openBuckets({ requests: { cap: 60, lagMs: 0 } }, 0)
  const times: number[] = []
  for (let nowMs = 0; nowMs < 300_000; ) {
    const taking = take(buckets, nowMs, { requests: 1 })
    if (taking.kind === 'later') nowMs = taking.untilMs
    if (taking.kind === 'taken') {
      begin(buckets, nowMs, taking.taken)
      times.push(Math.round(nowMs))
    }
  }
  const gaps = times.slice(1).map((atMs, n) => atMs - (times[n] ?? 0))
  expect(gaps.slice(0, 60)).toEqual([...Array(9).fill(0), ...Array(50).fill(1_000), 10_000])
  expect(new Set(gaps.slice(60))).toEqual(new Set([1_000]))
})

test.each(seeds(5))('meter/5: mixed costs use most of the rate (seed %s)', (seed) => {
  const entropy = seededEntropy(seed)
  const buckets = openBuckets({ tokens: { cap: 30_000, lagMs: 0 } }, 0)
  let used = 0
  for (let nowMs = 0; nowMs < 3_600_000; ) {
    const tokens = 1 + Math.floor(entropy.random() ** 3 * 12_000)
    for (let taking = take(buckets, nowMs, { tokens }); ; taking = take(buckets, nowMs, { tokens })) {
      if (taking.kind === 'later') nowMs = taking.untilMs
      else if (taking.kind === 'taken') {
        begin(buckets, nowMs, taking.taken)
        used += tokens
        break
      }
    }
  }
  expect(used).toBeGreaterThan(60 * 30_000 * 0.8)
})

test('buckets/4: a header lowers and gives back what it lowered, and never raises', () => {
  const buckets = openBuckets(minute, 0)
  const tokens = () => rooms(buckets, 0).get('tokens')
  const told = (said: object) => learn(buckets, 0, { limits: { tokens: said } })
  told({ cap: 1_000_000, remaining: 1_000_000 })
  expect(tokens()).toBe(6_000)
  told({ cap: 3_000 })
  expect(tokens()).toBe(3_000)
  expect(take(buckets, 0, { tokens: 3_001 })).toMatchObject({ kind: 'never' })
  told({ cap: 5_000, remaining: 200, resetMs: 2_000 })
  expect(tokens()).toBe(200)
  expect(rooms(buckets, 2_000).get('tokens')).toBe(5_000)
})

test('buckets/4: after retry-after nothing leaves, of no limit, and then without a burst', () => {
  const buckets = openBuckets(minute, 0)
  learn(buckets, 0, { retryAfterMs: 5_000, limits: {} })
  expect(take(buckets, 0, { tokens: 1 })).toEqual({ kind: 'later', untilMs: 5_000, limit: undefined })
  expect(take(buckets, 4_999, {}).kind).toBe('later')
  for (let n = 0; n < 5; n++) expect(take(buckets, 5_000, { requests: 1 }).kind).toBe('taken')
  expect(take(buckets, 5_000, { requests: 1 }).kind).toBe('later')
})

test.each([{ cap: 1.5 }, { cap: -1 }, { cap: 1, burst: 0 }, { cap: 1, windowMs: -1 }, { cap: 1, lagMs: Number.NaN }])(
  'a limit that is none is a RangeError: %j',
  (limit) => {
    expect(() => openBuckets({ tokens: limit }, 0)).toThrow(RangeError)
  },
)
