import { getEventListeners } from 'node:events'
import { seededEntropy } from '@troupe/core'
import { describe, expect, test } from 'vitest'
import type { Grant } from './grant.ts'
import { Limiter } from './limiter.ts'
import { fullestWindow, seeds, steppedClock } from './stepped-clock.ts'

test('1,000 callers are served in order within 2 % of the rate over 60 s, and never above the window', async () => {
  const clock = steppedClock()
  const limiter = new Limiter({ limits: { requests: { cap: 1_000 } }, clock })
  const served: { readonly n: number; readonly atMs: number; readonly amount: number }[] = []
  for (let n = 0; n < 3_000; n++) {
    void limiter.wait({ requests: 1 }).then((grant) => {
      grant.begin()
      grant.settle()
      served.push({ n, atMs: clock.monotonic(), amount: 1 })
    })
  }
  await clock.run(60_000)
  expect(served.length).toBeGreaterThanOrEqual(980)
  await clock.run(60_000)
  // The second minute has no burst to live on.
  expect(served.length).toBeGreaterThanOrEqual(980 * 2)
  await clock.run(70_000)
  expect(served.map(({ n }) => n)).toEqual(Array.from({ length: 3_000 }, (_, n) => n))
  expect(fullestWindow(served, 60_000)).toBeLessThanOrEqual(1_000)
  expect([limiter.waiting, clock.waiting]).toEqual([0, 0])
})

test('limiter/1: a large call is not starved by small ones that would fit', async () => {
  const clock = steppedClock()
  const limiter = new Limiter({ limits: { tokens: { cap: 1_000, lagMs: 0 } }, clock })
  const order: string[] = []
  const wait = async (name: string, tokens: number) => {
    const grant = await limiter.wait({ tokens })
    order.push(name)
    grant.begin()
  }
  void wait('first', 600)
  void wait('large', 1_000)
  for (let n = 0; n < 20; n++) void wait(`small ${n}`, 1)
  await clock.run(59_000)
  expect(order).toEqual(['first'])
  await clock.run(1_001)
  expect(order.slice(0, 2)).toEqual(['first', 'large'])
})

describe.each(seeds(20))('seed %s', (seed) => {
  test('lines/1, lines/2: in order within a priority, and nobody sees more than 10 (k + 1) others served', async () => {
    const entropy = seededEntropy(seed)
    const clock = steppedClock()
    const limiter = new Limiter({ limits: { requests: { cap: 60 } }, clock })
    const served: number[] = []
    const priorities: number[] = []
    const before = new Map<number, { readonly older: number; readonly served: number }>()
    const open = new Set<number>()
    for (let n = 0; n < 400; n++) {
      // Almost all of them are more important than the rest.
      const priority = entropy.random() < 0.05 ? -1 : entropy.random() < 0.3 ? 5 : 1
      priorities.push(priority)
      before.set(n, { older: open.size, served: served.length })
      open.add(n)
      void limiter.wait({ requests: 1 }, { priority }).then((grant) => {
        grant.begin()
        served.push(n)
        open.delete(n)
      })
      await clock.run(entropy.random() * 1_600)
    }
    await clock.run(600_000)
    expect(served.length).toBe(400)
    for (const priority of [-1, 1, 5]) {
      const those = served.filter((n) => priorities[n] === priority)
      expect(those).toEqual(those.toSorted((a, b) => a - b))
    }
    for (const [n, { older, served: then }] of before) {
      expect(served.indexOf(n) - then).toBeLessThanOrEqual(10 * (older + 1))
    }
  })

  test('limiter/3: however waits end, they leave no timer, no listener and no place behind', async () => {
    const entropy = seededEntropy(seed)
    const clock = steppedClock()
    const limits = { requests: { cap: 20, windowMs: 1_000 }, calls: { cap: 3, windowMs: 0 } }
    const limiter = new Limiter({ limits, clock })
    const signals: AbortSignal[] = []
    const held: Grant<'requests' | 'calls'>[] = []
    const ends = { granted: 0, LimitReached: 0, aborted: 0 }
    for (let n = 0; n < 300; n++) {
      const controller = new AbortController()
      signals.push(controller.signal)
      const deadlineMs = entropy.random() < 0.5 ? clock.monotonic() + entropy.random() * 3_000 : undefined
      const options = { signal: controller.signal, deadlineMs, priority: Math.floor(entropy.random() * 3) }
      limiter.wait({ requests: 1 + Math.floor(entropy.random() * 10), calls: 1 }, options).then(
        (grant) => {
          ends.granted += 1
          held.push(grant)
        },
        (error) => (ends[error === 'left' ? 'aborted' : 'LimitReached'] += 1),
      )
      if (entropy.random() < 0.4) clock.after(entropy.random() * 2_000, () => controller.abort('left'))
      if (entropy.random() < 0.6) await clock.run(entropy.random() * 400)
      if (entropy.random() < 0.7)
        held.splice(Math.floor(entropy.random() * held.length), 1)[0]?.[entropy.random() < 0.5 ? 'settle' : 'release']()
    }
    for (let n = 0; n < 400; n++) {
      for (const grant of held.splice(0)) grant.settle()
      await clock.run(500)
    }
    expect(ends.granted + ends.LimitReached + ends.aborted).toBe(300)
    expect(Math.min(...Object.values(ends))).toBeGreaterThan(0)
    expect([limiter.waiting, clock.waiting]).toEqual([0, 0])
    expect(signals.flatMap((signal) => getEventListeners(signal, 'abort'))).toEqual([])
    expect(Object.fromEntries(limiter.rooms())).toEqual({ requests: 20, calls: 3 })
  })
})

test.each(seeds(20))(
  'limiter/2: what `check` says is never later than the grant really comes (seed %s)',
  async (seed) => {
    const entropy = seededEntropy(seed)
    const clock = steppedClock()
    const limits = { requests: { cap: 30 }, tokens: { cap: 10_000 } }
    const limiter = new Limiter({ limits, clock })
    let granted = 0
    let exact = 0
    for (let n = 0; n < 200; n++) {
      const cost = { requests: 1, tokens: 1 + Math.floor(entropy.random() ** 4 * 8_000) }
      const outlook = limiter.check(cost)
      const earliestMs = outlook.kind === 'later' ? outlook.untilMs : clock.monotonic()
      const alone = limiter.waiting === 0
      void limiter.wait(cost).then((grant) => {
        grant.begin()
        granted += 1
        expect(clock.monotonic()).toBeGreaterThanOrEqual(earliestMs - 0.01)
        if (alone && clock.monotonic() <= earliestMs + 0.01) exact += 1
        else expect(alone).toBe(false)
      })
      await clock.run(entropy.random() * 5_000)
    }
    await clock.run(4_000_000)
    expect(granted).toBe(200)
    expect(exact).toBeGreaterThan(0)
  },
)

test('limiter/2: a wait that cannot end in time is refused at once, with what it would have taken', async () => {
  const clock = steppedClock()
  const limiter = new Limiter({ limits: { requests: { cap: 60, lagMs: 0 } }, clock })
  const wait = (deadlineMs: number) => limiter.wait({ requests: 1 }, { deadlineMs })
  for (let n = 0; n < 10; n++) await wait(0.5)
  await expect(wait(999)).rejects.toMatchObject({
    code: 'LimitReached',
    retryable: true,
    applied: 'no',
    details: { limit: 'requests', retryAfterMs: 1_000 },
  })
  const first = wait(1_000)
  // One is before it now.
  await expect(wait(1_999)).rejects.toMatchObject({ details: { retryAfterMs: 2_000 } })
  expect(limiter.check({ requests: 1 })).toEqual({ kind: 'later', untilMs: 2_000, limit: 'requests' })
  await clock.run(1_000)
  expect((await first).waitedMs).toBe(1_000)
  expect(clock.waiting).toBe(0)
})

test('limiter/2: without a known end, a wait ends at its deadline', async () => {
  const clock = steppedClock()
  const limiter = new Limiter({ limits: { calls: { cap: 1, windowMs: 0 } }, clock })
  const grant = await limiter.wait({ calls: 1 })
  const late = limiter.wait({ calls: 1 }, { deadlineMs: 50 }).catch((error) => error.code)
  const next = limiter.wait({ calls: 1 }, { deadlineMs: 100 })
  await clock.run(60)
  expect(await late).toBe('LimitReached')
  grant.settle()
  await next
  expect(clock.waiting).toBe(0)
})

test('limiter/2: a cost above a cap is refused at once, and one that waits when the cap is lowered', async () => {
  const clock = steppedClock()
  const limiter = new Limiter({ limits: { tokens: { cap: 100 } }, clock })
  await expect(limiter.wait({ tokens: 101 })).rejects.toMatchObject({ code: 'CostRefused' })
  await limiter.wait({ tokens: 100 })
  const waiting = limiter.wait({ tokens: 90 }).catch((error) => error.code)
  limiter.learn({ limits: { tokens: { cap: 50 } } })
  expect(await waiting).toBe('CostRefused')
  expect([limiter.waiting, clock.waiting]).toEqual([0, 0])
})

test('more may not wait than are allowed to', async () => {
  const limiter = new Limiter({ limits: { calls: { cap: 0 } }, clock: steppedClock() })
  await expect(limiter.wait({ calls: 1 })).rejects.toMatchObject({ code: 'CostRefused' })
  const one = new Limiter({ limits: { calls: { cap: 1, windowMs: 0 } }, clock: steppedClock(), maxWaiting: 1 })
  await one.wait({ calls: 1 })
  void one.wait({ calls: 1 })
  await expect(one.wait({ calls: 1 })).rejects.toMatchObject({ code: 'Busy', retryable: true, applied: 'no' })
})

test('limiter/4: what work has not settled counts in full, also when it never said that it began; what it released does not', async () => {
  const limiter = new Limiter({ limits: { tokens: { cap: 100 } }, clock: steppedClock() })
  const fails = (releases: boolean) =>
    limiter.run({ tokens: 40 }, {}, async (grant) => {
      if (releases) grant.release()
      throw new Error('x')
    })
  await expect(fails(true)).rejects.toThrow('x')
  expect(limiter.rooms().get('tokens')).toBe(100)
  await expect(fails(false)).rejects.toThrow('x')
  expect(limiter.rooms().get('tokens')).toBe(60)
})

test('limiter/3: who leaves between its turn and its start gives its grant back', async () => {
  const limiter = new Limiter({
    limits: { calls: { cap: 1, windowMs: 0 }, tokens: { cap: 100 } },
    clock: steppedClock(),
  })
  const held = await limiter.wait({ calls: 1 })
  const controller = new AbortController()
  let begun = false
  const ended = limiter
    .run({ calls: 1, tokens: 60 }, { signal: controller.signal }, async () => {
      begun = true
    })
    .catch((reason) => reason)
  await Promise.resolve()
  held.settle()
  controller.abort('left')
  expect([await ended, begun, Object.fromEntries(limiter.rooms())]).toEqual(['left', false, { calls: 1, tokens: 100 }])
})
