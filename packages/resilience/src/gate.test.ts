import { getEventListeners } from 'node:events'
import { seededEntropy, Timeout, TroupeError, TypeNotServed } from '@troupe/core'
import { describe, expect, test } from 'vitest'
import { drawn, emptyBook, type GateBook, hosted, reported, statusOf } from './gate-book.ts'
import { judged, openGateBreaker, probing } from './gate-breaker.ts'
import type { Terms } from './gate-protocol.ts'
import { GateWorld } from './gate-world.ts'
import type { Grant } from './grant.ts'
import { pause } from './pause.ts'
import { fullestWindow, seeds, steppedClock } from './stepped-clock.ts'

const counts = (error: unknown) => !(error instanceof TroupeError) || error.applied === 'unknown'
const terms = (limits: Terms['limits'], breaker?: Terms['breaker']): Terms => ({ limits, ...(breaker && { breaker }) })
const BREAKER = { windowMs: 30_000, leastCalls: 4, ratio: 0.5, restMs: 10_000, longestRestMs: 60_000, probeMs: 20_000 }

interface Counted {
  readonly atMs: number
  readonly amount: number
}

describe.each(seeds(20))('seed %s', (seed) => {
  test('gate-book: no window holds more than its cap, whoever dies, moves or is not heard, and nobody waits for ever', async () => {
    const entropy = seededEntropy(seed)
    const clock = steppedClock()
    const between = (least: number, most: number) => Math.floor(least + entropy.random() * (most - least + 1))
    const caps = { requests: between(20, 200), tokens: between(2_000, 20_000), concurrent: between(3, 30) }
    const isHeld = entropy.random() < 0.3
    const agreed = terms({
      requests: { cap: caps.requests },
      tokens: { cap: caps.tokens, counted: entropy.random() < 0.5 ? 'start' : 'end' },
      ...(isHeld && { concurrent: { cap: caps.concurrent, windowMs: 0 } }),
    })
    const world = new GateWorld(clock, entropy, { loss: entropy.random() * 0.1, delayMs: entropy.random() * 100 })
    const counted = { requests: [] as Counted[], tokens: [] as Counted[] }
    let [open, running, mostRunning] = [0, 0, 0]

    const call = async (view: ReturnType<GateWorld['view']>['view'], alive: () => boolean) => {
      const reserved = between(Math.floor(caps.tokens / 40), Math.floor(caps.tokens / 10))
      const cost = { requests: 1, tokens: reserved, ...(isHeld && { concurrent: 1 }) }
      open += 1
      const asked = new AbortController()
      const gone = entropy.random() < 0.1
      if (gone) clock.after(entropy.random() * 20_000, () => asked.abort(new Error('gone')))
      try {
        const grant = await view.wait(cost, { signal: asked.signal })
        if (entropy.random() < 0.05) return grant.release()
        if (entropy.random() < 0.3) await pause(clock, entropy.random() * 8_000)
        // Longer than a gate waits for a word of a holder.
        else if (entropy.random() < 0.02) await pause(clock, entropy.random() * 80_000)
        grant.begin()
        counted.requests.push({ atMs: clock.monotonic() + entropy.random() * 500, amount: 1 })
        running += 1
        mostRunning = Math.max(mostRunning, running)
        const beganMs = clock.monotonic()
        await pause(clock, entropy.random() * 15_000)
        running -= 1
        const used = entropy.random() < 0.7 ? reserved : between(1, reserved)
        const atMs = agreed.limits['tokens']?.counted === 'end' ? clock.monotonic() : beganMs
        counted.tokens.push({ atMs: atMs + entropy.random() * 500, amount: used })
        if (alive()) grant.settle({ tokens: used })
      } catch (error) {
        if (!gone) throw error
      } finally {
        expect(getEventListeners(asked.signal, 'abort')).toEqual([])
        open -= 1
      }
    }

    const waits: Promise<void>[] = []
    const holder = async (name: string) => {
      let alive = true
      const { view, kill } = world.view(name)
      view.agree(agreed, counts)
      const dies = entropy.random() < 0.3 ? clock.monotonic() + entropy.random() * 100_000 : Infinity
      const calls = between(20, 120)
      for (let n = 0; n < calls && alive; n++) {
        const done = call(view, () => alive)
        if (dies === Infinity) waits.push(done)
        else done.catch(() => {})
        await pause(clock, entropy.random() * 600)
        alive = clock.monotonic() < dies
      }
      if (dies === Infinity) return
      alive = false
      kill()
    }
    const others = Array.from({ length: between(1, 4) }, (_, n) => holder(`node-${n}`))
    const host = async () => {
      for (let n = 0; n < 4; n++) {
        await pause(clock, entropy.random() * 40_000)
        world.lose()
        await pause(clock, entropy.random() * 6_000)
        world.host(between(-30_000, 30_000))
      }
    }
    const all = Promise.all([...others, host()]).then(() => Promise.all(waits))
    let ended = false
    void all.then(() => {
      ended = true
    })
    for (let n = 0; n < 60 && !ended; n++) await clock.run(60_000)
    expect(ended, `${open} calls without an end, ${JSON.stringify(world.status)}`).toBe(true)
    expect(fullestWindow(counted.requests, 60_000)).toBeLessThanOrEqual(caps.requests)
    expect(fullestWindow(counted.tokens, 60_000)).toBeLessThanOrEqual(caps.tokens)
    if (isHeld) expect(mostRunning).toBeLessThanOrEqual(caps.concurrent)
    await clock.run(200_000)
    const { rooms, allowances, holders } = world.status
    expect({ rooms, allowances, holders }).toEqual({
      rooms: Object.fromEntries(Object.entries(agreed.limits).map(([name, { cap }]) => [name, cap])),
      allowances: 0,
      holders: 0,
    })
  })
})

const CALM = '1'

/** Holders of one gate without faults. */
function calm(agreed: Terms, names: readonly string[]) {
  const clock = steppedClock()
  const world = new GateWorld(clock, seededEntropy(CALM))
  const views = names.map((name) => world.view(name).view.agree(agreed, counts))
  return { clock, world, views }
}

test('gate-view/1: hot holders ask once for many calls', async () => {
  const { clock, world, views } = calm(terms({ requests: { cap: 60_000 } }), ['a', 'b'])
  let ended = 0
  for (const view of views) {
    const calls = async () => {
      for (let n = 0; n < 2_000; n++) {
        void view.run({ requests: 1 }, {}, async (grant) => {
          grant.begin()
          await pause(clock, 30)
          ended += 1
        })
        await pause(clock, 10)
      }
    }
    void calls()
  }
  await clock.run(30_000)
  expect(ended).toBe(4_000)
  expect(world.answers.length).toBeLessThan(100)
})

test('gate-book/1: waiting holders share the whole rate evenly, in turns', async () => {
  const { clock, views } = calm(terms({ requests: { cap: 600 } }), ['a', 'b', 'c', 'd'])
  const served = views.map(() => 0)
  const counted: Counted[] = []
  views.forEach((view, n) => {
    for (let call = 0; call < 2_000; call++) {
      void view.run({ requests: 1 }, {}, async (grant) => {
        grant.begin()
        served[n] = (served[n] ?? 0) + 1
        counted.push({ atMs: clock.monotonic(), amount: 1 })
        await pause(clock, 2_000)
      })
    }
  })
  await clock.run(10 * 60_000)
  expect(fullestWindow(counted, 60_000)).toBeLessThanOrEqual(600)
  expect(counted.length).toBeGreaterThan(0.93 * 6_000)
  for (const share of served) expect(share / counted.length).toBeCloseTo(0.25, 1)
})

test('gate-book/1: what is large is not starved by holders of small calls', async () => {
  const { clock, views } = calm(terms({ tokens: { cap: 1_000, lagMs: 0 } }), ['large', 'small'])
  const [large, small] = views
  const hurry = async () => {
    for (let n = 0; n < 3_000; n++) {
      void small?.run({ tokens: 5 }, {}, async (grant) => grant.begin()).catch(() => {})
      await pause(clock, 100)
    }
  }
  void hurry()
  await clock.run(20_000)
  let servedMs = 0
  void large?.run({ tokens: 900 }, {}, async (grant) => {
    grant.begin()
    servedMs = clock.monotonic()
  })
  await clock.run(70_000)
  expect(servedMs).toBeGreaterThan(0)
})

test.each([10_000, 10_500, 11_000, 11_500])(
  'gate-view/4: who is refused for the rate at %d ms stops all holders, until the provider lets them on',
  async (afterMs) => {
    const { clock, views } = calm(terms({ requests: { cap: 6_000 } }), ['a', 'b'])
    const begun: number[] = []
    const calls = async (view: (typeof views)[number]) => {
      for (let n = 0; n < 1_500; n++) {
        void view.run({ requests: 1 }, {}, async (grant) => {
          grant.begin()
          begun.push(clock.monotonic())
        })
        await pause(clock, 20)
      }
    }
    for (const view of views) void calls(view)
    await clock.run(afterMs)
    const refusedMs = clock.monotonic()
    views[0]?.drain(5_000)
    await clock.run(8_000)
    const spared = begun.filter((atMs) => atMs > refusedMs + 600 && atMs < refusedMs + 4_900)
    expect(spared).toEqual([])
    expect(begun.some((atMs) => atMs > refusedMs + 5_000)).toBe(true)
  },
)

test('gate-breaker: failures of all holders open it together, and one probe of one holder decides', async () => {
  const { clock, world, views } = calm(terms({ requests: { cap: 6_000 } }, BREAKER), ['a', 'b', 'c'])
  let [asked, well] = [0, false]
  const call = (view: (typeof views)[number] | undefined) =>
    view?.run({ requests: 1 }, {}, async (grant) => {
      grant.begin()
      asked += 1
      await pause(clock, 1_000)
      if (!well) throw new Error('down')
    })
  const outcomes = () => Promise.allSettled(views.map(call))
  const first = outcomes()
  await clock.run(2_000)
  await first
  expect(world.status.breaker).toBe('closed')
  void outcomes()
  await clock.run(3_000)
  expect(world.status.breaker).toBe('open')
  asked = 0
  const refused = outcomes()
  await clock.run(100)
  const codes = (await refused).map((one) => one.status === 'rejected' && one.reason.code)
  expect(codes).toEqual(['BreakerOpen', 'BreakerOpen', 'BreakerOpen'])
  await clock.run(9_000)
  void outcomes()
  await clock.run(600)
  expect([asked, world.status.breaker]).toEqual([1, 'halfOpen'])
  await clock.run(3_000)
  expect(world.status.breaker).toBe('open')
  well = true
  asked = 0
  await clock.run(20_000)
  void outcomes()
  await clock.run(3_000)
  expect([asked, world.status.breaker]).toEqual([1, 'closed'])
  void outcomes()
  await clock.run(3_000)
  expect(asked).toBe(4)
})

test('gate-breaker: a probe whose caller has gone, or whose answer was lost, is no verdict and blocks nobody', async () => {
  const { clock, world, views } = calm(terms({ requests: { cap: 6_000 } }, BREAKER), ['a', 'b'])
  const [a, b] = views
  const fail = () =>
    a?.run({ requests: 1 }, {}, async (grant) => {
      grant.begin()
      throw new Error('down')
    })
  await Promise.allSettled([1, 2, 3, 4].map(() => fail()))
  await clock.run(15_000)
  expect(world.status.breaker).toBe('open')
  const gone = new AbortController()
  const probe = a?.run({ requests: 1 }, { signal: gone.signal }, async (grant) => {
    grant.begin()
    await pause(clock, 5_000, gone.signal)
  })
  await clock.run(100)
  expect(world.status.breaker).toBe('halfOpen')
  gone.abort(new Error('the caller has gone'))
  await expect(probe).rejects.toThrow('the caller has gone')
  await clock.run(1_000)
  const done = b?.run({ requests: 1 }, {}, async (grant) => grant.begin())
  await clock.run(1_000)
  await done
  expect(world.status.breaker).toBe('closed')
})

test.each([
  ['a timeout of ours', new Timeout('x'), 'open'],
  ['an AbortSignal.timeout', new DOMException('x', 'TimeoutError'), 'open'],
  ['the caller, who leaves', new DOMException('x', 'AbortError'), 'closed'],
])(
  'breaker/5, for a gate: what ends work that ignores its signal is a verdict or none at once: %s',
  async (_, reason, state) => {
    const { clock, world, views } = calm(terms({ requests: { cap: 6_000 } }, BREAKER), ['a'])
    const controllers = [1, 2, 3, 4].map(() => new AbortController())
    for (const { signal } of controllers) {
      const hang = (grant: Grant<string>) => {
        grant.begin()
        return new Promise<never>(() => {})
      }
      void views[0]?.run({ requests: 1 }, { signal }, hang)
    }
    await clock.run(1_000)
    for (const controller of controllers) controller.abort(reason)
    await clock.run(3_000)
    expect(world.status.breaker).toBe(state)
  },
)

test('gate-book: limits that change hold from then on, and what was used stays used', async () => {
  const { clock, world, views } = calm(terms({ requests: { cap: 100, burst: 100 } }), ['a'])
  const calls = (view: (typeof views)[number] | undefined, n: number) =>
    Promise.all(Array.from({ length: n }, () => view?.run({ requests: 1 }, {}, async (grant) => grant.begin())))
  const first = calls(views[0], 60)
  await clock.run(3_000)
  await first
  const later = world.view('b').view.agree(terms({ tokens: { cap: 1_000 }, requests: { cap: 70, burst: 70 } }), counts)
  const second = calls(later, 1)
  await clock.run(3_000)
  await second
  expect(world.status.rooms).toEqual({ tokens: 1_000, requests: 9 })
  await clock.run(120_000)
  expect(world.status.rooms).toEqual({ tokens: 1_000, requests: 70 })
})

test('gate-book: nodes that were told other limits do not undo each other', async () => {
  const { clock, world } = calm(terms({}), [])
  const old = world.view('old').view.agree(terms({ requests: { cap: 61 } }, { ...BREAKER, restMs: 9_000 }), counts)
  const fresh = world
    .view('fresh')
    .view.agree(terms({ tokens: { cap: 100, burst: 100 }, requests: { cap: 60 } }, BREAKER), counts)
  const counted = { requests: [] as Counted[], tokens: [] as Counted[] }
  const call = (view: typeof old, tokens: number) =>
    view.run({ requests: 1, tokens }, {}, async (grant) => {
      grant.begin()
      counted.requests.push({ atMs: clock.monotonic(), amount: 1 })
      counted.tokens.push({ atMs: clock.monotonic(), amount: tokens })
    })
  for (let n = 0; n < 300; n++) {
    void call(old, 0)
    void call(fresh, 5)
  }
  await clock.run(10 * 60_000)
  expect(fullestWindow(counted.requests, 60_000)).toBeLessThanOrEqual(61)
  expect(fullestWindow(counted.tokens, 60_000)).toBeLessThanOrEqual(100)
  expect(counted.requests.length, 'the rate is used').toBeGreaterThan(300)
  await clock.run(10 * 60_000)
  expect([old.waiting, fresh.waiting]).toEqual([0, 0])
  const failing = Array.from({ length: 6 }, (_, n) =>
    (n % 2 === 0 ? old : fresh).run({ requests: 1 }, {}, async (grant) => {
      grant.begin()
      throw new Error('down')
    }),
  )
  const ended = Promise.allSettled(failing)
  await clock.run(20_000)
  await ended
  const { era, value } = world.breaker ?? { era: 0, value: 'none' }
  expect([era > 0, value]).toEqual([true, 'open'])
})

test('one node cannot declare an account twice, and differently', () => {
  const { views } = calm(terms({ requests: { cap: 10 }, tokens: { cap: 5 } }), ['a'])
  expect(views[0]?.agree(terms({ tokens: { cap: 5 }, requests: { cap: 10 } }), counts)).toBe(views[0])
  expect(() => views[0]?.agree(terms({ requests: { cap: 10 } }), counts)).toThrow(/declared twice/)
})

test('gate-reports/2: what a living holder has not begun yet is its own, however long that takes', async () => {
  const { clock, world, views } = calm(terms({ requests: { cap: 10, burst: 10 } }), ['a'])
  const grants = Promise.all(Array.from({ length: 10 }, () => views[0]?.wait({ requests: 1 })))
  await clock.run(1_000)
  const held = await grants
  await clock.run(100_000)
  expect(world.status.rooms).toEqual({ requests: 0 })
  for (const grant of held) grant?.begin()
  await clock.run(50_000)
  expect(world.status.rooms).toEqual({ requests: 0 })
  for (const grant of held) grant?.settle()
  await clock.run(62_000)
  expect(world.status.rooms).toEqual({ requests: 10 })
})

test('a figure that is none harms nobody: the reservation counts, and the gate is asked as before', async () => {
  const { clock, world, views } = calm(terms({ tokens: { cap: 1_000, burst: 1_000 } }), ['a'])
  const [view] = views
  const use = (tokens: number) =>
    view?.run({ tokens: 100 }, {}, async (grant) => {
      grant.begin()
      grant.settle({ tokens })
    })
  for (const figure of [Number.NaN, Infinity, Number.MAX_SAFE_INTEGER + 1_000, -5, 10.2]) {
    const used = use(figure)
    view?.learn({ retryAfterMs: Number.NaN, limits: { tokens: { cap: Infinity, remaining: Number.NaN } } })
    await clock.run(2_000)
    await used
  }
  await clock.run(5_000)
  // Three times what was reserved, once nothing, once eleven.
  expect(world.status.rooms).toEqual({ tokens: 1_000 - 311 })
  view?.drain(Infinity)
  await clock.run(1_000)
  expect(world.status.closedMs).toBeLessThanOrEqual(86_400_000)
  world.reopen()
  const after = use(1)
  await clock.run(20_000)
  await after
})

test('a cap that the provider has told holds for a window, and not for ever', async () => {
  const { clock, world, views } = calm(terms({ tokens: { cap: 10_000, burst: 10_000 } }), ['a'])
  const call = () => views[0]?.run({ tokens: 4_000 }, {}, async (grant) => grant.begin())
  const first = call()
  views[0]?.learn({ limits: { tokens: { cap: 2_000 } } })
  await clock.run(2_000)
  await first
  const refused = expect(call()).rejects.toMatchObject({ code: 'CostRefused' })
  await clock.run(2_000)
  await refused
  await clock.run(65_000)
  const again = call()
  await clock.run(20_000)
  await again
  expect(world.status.rooms).toEqual({ tokens: 6_000 })
})

test('what is held at a time is passed on as soon as it is given back', async () => {
  const { clock, views } = calm(terms({ calls: { cap: 4, windowMs: 0 } }), ['a', 'b'])
  let [ended, running, most] = [0, 0, 0]
  for (const view of views) {
    for (let n = 0; n < 400; n++) {
      void view.run({ calls: 1 }, {}, async (grant) => {
        grant.begin()
        running += 1
        most = Math.max(most, running)
        await pause(clock, 10)
        running -= 1
        ended += 1
      })
    }
  }
  await clock.run(10_000)
  expect(most).toBeLessThanOrEqual(4)
  expect(ended).toBe(800)
})

test('a gate that no node serves is said so', async () => {
  const { clock, world, views } = calm(terms({ requests: { cap: 10 } }), ['a'])
  world.lose(new TypeNotServed('no node serves gate'))
  const waits = [views[0]?.wait({ requests: 1 }, { deadlineMs: 5_000 }), views[0]?.wait({ requests: 1 })]
  const ends = Promise.allSettled(waits)
  await clock.run(30_000)
  for (const end of await ends) {
    expect(end).toMatchObject({
      status: 'rejected',
      reason: { code: 'LimitReached', message: expect.stringContaining('among the actors of a node') },
    })
  }
})

test('gate-view/5: waits end by deadline, refusal and stop, and leave nothing behind', async () => {
  const { clock, views } = calm(terms({ requests: { cap: 1 } }), ['a'])
  const [a] = views
  if (a === undefined) throw new Error('no view')
  const codeOf = (wait: Promise<unknown>) =>
    wait.then(
      () => 'granted',
      (error: unknown) => (error instanceof TroupeError ? error.code : String(error)),
    )
  const first = await Promise.all([a.wait({ requests: 1 }), clock.run(100)])
  first[0].begin()
  first[0].settle()
  const soon = codeOf(a.wait({ requests: 1 }, { deadlineMs: clock.monotonic() + 5_000 }))
  await clock.run(1_000)
  expect(await soon, 'there will be no room before').toBe('LimitReached')
  expect(await codeOf(a.wait({ requests: 2 }))).toBe('CostRefused')
  expect(await codeOf(a.wait({ requests: 0.5 }))).toBe('CostRefused')
  const stopped = codeOf(a.wait({ requests: 1 }))
  await clock.run(1_000)
  a.close()
  expect(await stopped).toBe('SystemStopped')
  expect(await codeOf(a.wait({ requests: 1 }))).toBe('SystemStopped')
  await clock.run(120_000)
  expect([a.waiting, clock.waiting]).toEqual([0, 0])
})

test('gate-view/3: an owner that is away for a minute loses no caller', async () => {
  const { clock, world, views } = calm(terms({ requests: { cap: 60 } }), ['a'])
  world.lose()
  const calls = Promise.all(
    Array.from({ length: 20 }, () => views[0]?.run({ requests: 1 }, {}, async (grant) => grant.begin())),
  )
  let done = false
  void calls.then(() => {
    done = true
  })
  await clock.run(60_000)
  expect(done).toBe(false)
  world.host(-3_600_000)
  await clock.run(60_000)
  expect(done).toBe(true)
})

describe('gate-book, by hand', () => {
  const NOTHING = { entries: [] }
  const agreed = terms({ requests: { cap: 100, burst: 100, lagMs: 0 } })
  const ask = { holder: 'a', newest: 0, terms: agreed, least: { requests: 1 }, report: NOTHING }
  const roomAt = (book: GateBook, ms: number) => statusOf(book, ms).rooms['requests']
  /** Of the first allowance. */
  const says = (entry: { spent?: { requests: number }; used?: { requests: number } }) => ({
    holder: 'a',
    report: { entries: [{ id: 1, succeeded: 0, failed: 0, ...entry }] },
  })
  const granted = (calls: number) =>
    drawn(hosted(emptyBook(), 1_000), { ...ask, calls, most: { requests: calls } }, 1_000)

  test('what of an allowance was not spent comes back when it closes, though its calls still run', () => {
    const { book, answer } = granted(40)
    expect(answer).toMatchObject({ kind: 'granted', calls: 40 })
    expect(roomAt(book, 2_000)).toBe(60)
    const closed = reported(book, says({ spent: { requests: 3 } }), 3_000).book
    expect(roomAt(closed, 3_000)).toBe(97)
  })

  test('what is counted at the start leaves the window that long after its allowance has closed, not after its calls have ended', () => {
    let { book } = granted(1)
    for (let ms = 3_000; ms < 62_000; ms += 10_000) book = reported(book, says({ spent: { requests: 1 } }), ms).book
    expect(roomAt(book, 62_000)).toBe(99)
    expect(roomAt(book, 65_000)).toBe(100)
    expect(roomAt(reported(book, says({ used: { requests: 1 } }), 66_000).book, 66_000)).toBe(100)
  })

  test('what is said twice, late, or by somebody else changes nothing', () => {
    const { book } = granted(10)
    const spent = reported(book, says({ spent: { requests: 4 } }), 2_000).book
    const twice = reported(spent, says({ spent: { requests: 10 } }), 3_000).book
    expect(roomAt(twice, 3_000)).toBe(96)
    const used = reported(twice, says({ spent: { requests: 4 }, used: { requests: 2 } }), 4_000).book
    expect(roomAt(reported(used, says({ used: { requests: 90 } }), 5_000).book, 5_000)).toBe(98)
    const other = { ...says({ spent: { requests: 0 }, used: { requests: 0 } }), holder: 'b' }
    expect(roomAt(reported(book, other, 3_000).book, 3_000)).toBe(90)
  })

  test('an answer that was lost is taken back with the next question', () => {
    const { book } = granted(10)
    const again = drawn(book, { ...ask, calls: 2, most: { requests: 2 } }, 2_000)
    expect(again.answer).toMatchObject({ kind: 'granted', id: 2, calls: 2 })
    expect(roomAt(again.book, 2_000)).toBe(98)
  })

  test('its time is its own: a host whose clock is ahead does not make a window pass', () => {
    const { book } = granted(100)
    const spent = reported(book, says({ spent: { requests: 100 }, used: { requests: 100 } }), 2_000).book
    for (const wallMs of [10_000_000, 0]) {
      const moved = hosted(spent, wallMs)
      expect(roomAt(moved, wallMs + 59_000)).toBe(0)
      expect(roomAt(moved, wallMs + 61_000)).toBe(100)
    }
    // The same host, whose clock is set back by an hour.
    const back = reported(spent, says({}), -3_600_000).book
    expect(roomAt(back, -3_600_000 + 59_000)).toBe(0)
    expect(roomAt(back, -3_600_000 + 61_000)).toBe(100)
  })
})

test('gate-breaker: what ends late says nothing about the state that came after', () => {
  const fresh = openGateBreaker({ ...BREAKER, leastCalls: 1 })
  const told = { succeeded: 0, failed: 1, probe: false, over: true }
  const open = judged(fresh, 1_000, { ...told, era: fresh.era })
  const half = probing(open, 12_000)
  const closed = judged(half, 13_000, { succeeded: 1, failed: 0, probe: true, over: true, era: half.era })
  expect([open.value, half.value, closed.value]).toEqual(['open', 'halfOpen', 'closed'])
  expect(judged(closed, 14_000, { ...told, era: fresh.era }).value).toBe('closed')
  expect(judged(closed, 14_000, { ...told, era: closed.era }).value).toBe('open')
})
