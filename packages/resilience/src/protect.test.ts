import { getEventListeners } from 'node:events'
import {
  createSystem,
  Disconnected,
  defineActor,
  type Effect,
  type EffectClass,
  type EffectContext,
  effect,
  LogUnavailable,
  protocol,
  seededEntropy,
  TroupeError,
} from '@troupe/core'
import { decodeRecord } from '@troupe/core/replay'
import { describe, expect, test } from 'vitest'
import { createMachine } from 'xstate'
import { Breaker } from './breaker.ts'
import { Bulkhead } from './bulkhead.ts'
import { Limiter } from './limiter.ts'
import { type ProtectOptions, protect } from './protect.ts'
import { streaming } from './protection.ts'
import { fullestWindow, type SteppedClock, seeds, steppedClock } from './stepped-clock.ts'

class RateLimited extends TroupeError {
  readonly code = 'RateLimited'
  override readonly retryable = true
}

/** Runs an effect as a host would, and shows what it leaves in its record. */
function host(clock: SteppedClock) {
  const controller = new AbortController()
  const record: { [name: string]: unknown } = {}
  const context: EffectContext = {
    effectId: 'e',
    signal: controller.signal,
    attempt: 1,
    cause: { correlation: 'c', causation: 'c' },
    evidence: (data) => Object.assign(record, data),
    runtime: undefined,
  }
  return {
    controller,
    record,
    run: <I, O>(one: Effect<I, O>, input: I) => one.effect.run(input, context),
    left: () => [clock.waiting, getEventListeners(controller.signal, 'abort').length],
  }
}

/** Work that does one thing after the other: answers, fails, or hangs. */
function scripted(name: string, effectClass: EffectClass, ...script: readonly (Error | string | 'hang')[]) {
  let calls = 0
  const one = effect(name, effectClass, async (_: string) => {
    const next = script[Math.min(calls++, script.length - 1)]
    if (next === 'hang') return new Promise<string>(() => {})
    if (next instanceof Error) throw next
    return String(next)
  })
  return { effect: one, calls: () => calls }
}

const protectedBy = (
  clock: SteppedClock,
  one: Effect<string, string>,
  options: ProtectOptions<string, string, string>,
) => protect(one, { clock, entropy: seededEntropy(1), ...options })

test('figures of what was used that cannot be had leave the answer as it is, and are named in the record', async () => {
  const clock = steppedClock()
  const { run, record } = host(clock)
  const work = scripted('model', 'write', 'answer')
  const used = (): { requests: number } => {
    throw new TypeError('no usage')
  }
  const limits = { by: { requests: { cap: 60 } }, cost: () => ({ requests: 1 }), used }
  expect(await run(protectedBy(clock, work.effect, { limits }), 'x')).toBe('answer')
  expect(record).toMatchObject({ 'model.protected': { tries: [{ ended: 'ok', unread: 'TypeError' }] } })
})

test('all parts together answer what the work answers, and the record says how', async () => {
  const clock = steppedClock()
  const { run, record, left } = host(clock)
  const work = scripted('model', 'read', new Disconnected('x'), 'answer')
  const one = protectedBy(clock, work.effect, {
    limits: { by: { requests: { cap: 60 } }, cost: () => ({ requests: 1 }) },
    breaker: {},
    concurrency: 2,
    timeoutMs: 1_000,
    retry: {},
  })
  const answer = run(one, 'q')
  await clock.run(5_000)
  expect(await answer).toBe('answer')
  expect(one.effect).toMatchObject({ name: 'model.protected', class: 'read' })
  expect(record['model.protected']).toEqual({
    answeredBy: 'model',
    tries: [
      { ended: 'Disconnected', next: { kind: 'again', inMs: expect.any(Number), why: 'backoff' } },
      { ended: 'ok' },
    ],
  })
  expect(left()).toEqual([0, 0])
})

test('one-try/1: a try that hangs is a timeout, its breaker hears of it, and the next one may answer', async () => {
  const clock = steppedClock()
  const { run, record, left } = host(clock)
  const breaker = new Breaker(clock, { leastCalls: 1, restMs: 100 })
  const work = scripted('model', 'read', 'hang', 'answer')
  const answer = run(protectedBy(clock, work.effect, { breaker, timeoutMs: 1_000, retry: { firstMs: 1_000 } }), 'q')
  await clock.run(1_000)
  expect(breaker.state).toBe('open')
  await clock.run(10_000)
  expect(await answer).toBe('answer')
  expect(record['model.protected']).toMatchObject({ tries: [{ ended: 'Timeout' }, { ended: 'ok' }] })
  expect([breaker.state, ...left()]).toEqual(['closed', 0, 0])
})

test('one-try/1, one-try/3: waiting for limits is in the timeout, and no fault of the other side', async () => {
  const clock = steppedClock()
  const { run } = host(clock)
  const breaker = new Breaker(clock, { leastCalls: 1 })
  const limiter = new Limiter({ limits: { calls: { cap: 1, windowMs: 0 }, requests: { cap: 60 } }, clock })
  const held = await limiter.wait({ calls: 1 })
  const work = scripted('model', 'read', 'answer')
  const limits = { by: limiter, cost: () => ({ calls: 1, requests: 1 }) }
  const one = protect(work.effect, { clock, limits, breaker, timeoutMs: 1_000 })
  const ended = run(one, 'q').catch(({ code }) => code)
  await clock.run(1_000)
  expect(await ended).toMatch(/^(Timeout|LimitReached)$/)
  held.release()
  expect([work.calls(), breaker.state]).toEqual([0, 'closed'])
  expect(Object.fromEntries(limiter.rooms())).toEqual({ calls: 1, requests: 60 })
})

test('one-try/2: a grant begins with the work, and what was used is settled', async () => {
  const clock = steppedClock()
  const { run } = host(clock)
  const limiter = new Limiter({ limits: { tokens: { cap: 1_000 } }, clock })
  const bulkhead = new Bulkhead({ concurrent: 1 })
  const free = Promise.withResolvers<void>()
  void bulkhead.run(() => free.promise)
  const work = scripted('model', 'read', 'four')
  const limits = { by: limiter, cost: () => ({ tokens: 1_000 }), used: (text: string) => ({ tokens: text.length }) }
  const answer = run(protect(work.effect, { clock, limits, concurrency: bulkhead }), 'q')
  await clock.run(120_000)
  // Held for two windows: still not let go.
  expect(limiter.rooms().get('tokens')).toBe(0)
  free.resolve()
  expect(await answer).toBe('four')
  expect(limiter.rooms().get('tokens')).toBe(996)
})

test('one-try/2: what a long call took leaves the window while it still runs', async () => {
  const clock = steppedClock()
  const limiter = new Limiter({ limits: { requests: { cap: 1 } }, clock })
  const limits = { by: limiter, cost: () => ({ requests: 1 }) }
  void host(clock).run(protect(scripted('model', 'read', 'hang').effect, { clock, limits }), 'q')
  await clock.run(60_599)
  expect(limiter.rooms().get('requests')).toBe(0)
  await clock.run(1)
  expect(limiter.rooms().get('requests')).toBe(1)
})

test('one-try/2: a call that finds no place gives its grant back', async () => {
  const clock = steppedClock()
  const limiter = new Limiter({ limits: { tokens: { cap: 1_000 } }, clock })
  const bulkhead = new Bulkhead({ concurrent: 1, maxWaiting: 0 })
  void bulkhead.run(() => new Promise(() => {}))
  const work = scripted('model', 'read', 'answer')
  const one = protect(work.effect, {
    clock,
    limits: { by: limiter, cost: () => ({ tokens: 400 }) },
    concurrency: bulkhead,
  })
  await expect(host(clock).run(one, 'q')).rejects.toMatchObject({ code: 'Busy' })
  expect([work.calls(), limiter.rooms().get('tokens')]).toEqual([0, 1_000])
})

test('protect/1: 429 drains the limiter, is waited for, and never trips the breaker', async () => {
  const clock = steppedClock()
  const { run, record } = host(clock)
  const breaker = new Breaker(clock, { leastCalls: 1, ratio: 0.01 })
  const limiter = new Limiter({ limits: { requests: { cap: 600 } }, clock })
  const work = scripted('model', 'read', new RateLimited('429', { retryAfterMs: 7_000 }), 'answer')
  const limits = { by: limiter, cost: () => ({ requests: 1 }) }
  const answer = run(protect(work.effect, { clock, limits, breaker, retry: {} }), 'q')
  await clock.run(6_999)
  expect(limiter.check({ requests: 1 })).toMatchObject({ kind: 'later', untilMs: 7_000 })
  expect(work.calls()).toBe(1)
  await clock.run(2_000)
  expect(await answer).toBe('answer')
  expect(breaker.state).toBe('closed')
  expect(record['model.protected']).toMatchObject({
    tries: [{ ended: 'RateLimited', next: { why: 'retry-after' } }, { ended: 'ok' }],
  })
})

describe('protect/2: fallback', () => {
  test('in order, by their own word; the record says who answered and why others did not', async () => {
    const clock = steppedClock()
    const { run, record } = host(clock)
    const small = scripted('small', 'read', 'small answer')
    const other = scripted('other', 'read', new Disconnected('y'))
    const work = scripted('model', 'read', new TypeError('x'))
    const one = protectedBy(clock, work.effect, { fallback: [{ to: other.effect }, { to: small.effect }] })
    expect(await run(one, 'q')).toBe('small answer')
    expect(record['model.protected']).toEqual({
      answeredBy: 'small',
      tries: [{ ended: 'TypeError' }],
      failed: [
        { branch: 'model', code: 'TypeError' },
        { branch: 'other', code: 'Disconnected' },
      ],
    })
  })

  test.each([
    ['after a write whose outcome is unknown', 'write', new LogUnavailable('x'), false],
    ['after a write that was refused', 'write', new Disconnected('x'), true],
    ['after a read whose outcome is unknown', 'read', new LogUnavailable('x'), true],
  ] as const)('%s (%s, %s): %s', async (_, effectClass, error, falls) => {
    const clock = steppedClock()
    const other = scripted('other', 'read', 'other answer')
    const one = protectedBy(clock, scripted('model', effectClass, error).effect, { fallback: [{ to: other.effect }] })
    const ended = await host(clock)
      .run(one, 'q')
      .catch(({ code }) => code)
    expect([ended, one.effect.class]).toEqual([falls ? 'other answer' : error.code, effectClass])
  })

  test('neither retry nor fallback follows a first streamed byte, however deep it was', async () => {
    const clock = steppedClock()
    let calls = 0
    const streams = effect<string, string>('model', 'read', async (_, context) => {
      calls += 1
      streaming(context)
      throw new Disconnected('broke off')
    })
    const other = scripted('other', 'read', 'other answer')
    const middle = protectedBy(clock, streams, { name: 'middle', timeoutMs: 100 })
    const one = protectedBy(clock, middle, { retry: {}, fallback: [{ to: other.effect }] })
    await expect(host(clock).run(one, 'q')).rejects.toMatchObject({ code: 'Disconnected' })
    expect([calls, other.calls()]).toEqual([1, 0])
  })

  test('nor the abort of the caller', async () => {
    const clock = steppedClock()
    const { run, controller, left } = host(clock)
    const other = scripted('other', 'read', 'other answer')
    const work = scripted('model', 'read', 'hang')
    const one = protectedBy(clock, work.effect, {
      timeoutMs: 1_000,
      retry: {},
      breaker: {},
      fallback: [{ to: other.effect }],
    })
    const ended = run(one, 'q').catch((reason) => reason)
    controller.abort('left')
    expect([await ended, work.calls(), other.calls(), ...left()]).toEqual(['left', 1, 0, 0, 0])
  })
})

test('protection/3: a try that was given up and streams after that does not end the next one', async () => {
  const clock = steppedClock()
  const { run, record } = host(clock)
  let calls = 0
  const model = effect('model', 'read', async (_: string, context): Promise<string> => {
    calls += 1
    if (calls > 1) {
      // The first one wakes up while this one runs.
      await new Promise<void>((resolve) => clock.after(900, resolve))
      if (calls === 2) throw new Disconnected('x')
      return 'answer'
    }
    await new Promise<void>((resolve) => clock.after(1_500, resolve))
    streaming(context)
    return 'too late'
  })
  const answer = run(protectedBy(clock, model, { timeoutMs: 1_000, retry: { firstMs: 1 } }), 'q')
  await clock.run(10_000)
  expect(await answer).toBe('answer')
  expect(record['model.protected']).toMatchObject({
    tries: [{ ended: 'Timeout' }, { ended: 'Disconnected' }, { ended: 'ok' }],
  })
})

test('uses/1: each use in one effect keeps its record, also of uses at once; the newest that ended is on top', async () => {
  const clock = steppedClock()
  const { run, record } = host(clock)
  const nap = effect('nap', 'read', async (ms: string) => {
    await new Promise<void>((resolve) => clock.after(Number(ms), resolve))
    if (ms === '200') throw new Disconnected('x')
    return ms
  })
  const one = protectedBy(clock, nap, {})
  const all = Promise.allSettled(['300', '100', '200'].map((ms) => run(one, ms)))
  await clock.run(1_000)
  await all
  const ok = { answeredBy: 'nap', tries: [{ ended: 'ok' }] }
  const failed = { error: 'Disconnected', tries: [{ ended: 'Disconnected' }] }
  expect(record['nap.protected']).toEqual({ ...ok, earlier: [ok, failed] })
  const other = host(clock)
  const alone = other.run(one, '100')
  await clock.run(1_000)
  expect(await alone).toBe('100')
  expect(other.record['nap.protected']).toEqual(ok)
})

test('uses/2: of many uses the oldest are dropped, and the record says how many', async () => {
  const clock = steppedClock()
  const { run, record } = host(clock)
  const one = protectedBy(clock, scripted('model', 'read', new Disconnected('x'), 'answer').effect, {})
  for (let n = 0; n < 25; n++) await run(one, 'q').catch(() => {})
  const use = { answeredBy: 'model', tries: [{ ended: 'ok' }] }
  expect(record['model.protected']).toEqual({ ...use, earlier: Array(20).fill(use), dropped: 4 })
})

test.each([
  [{ timeoutMs: 0 }, "'model.protected': timeoutMs is 0; give a number above 0"],
  [{ timeoutMs: Number.NaN }, 'timeoutMs is NaN'],
  [
    { retry: { attempts: 0 } },
    "the retry of 'model.protected': attempts is 0; give a whole number from 1, or Infinity",
  ],
  [{ retry: { withinMs: -1 } }, 'withinMs is -1'],
  [{ breaker: { ratio: 1.5 } }, "the breaker of 'model.protected': ratio is 1.5; give a number from 0 to 1"],
  [{ concurrency: 0 }, 'concurrent is 0'],
  [{ concurrency: { concurrent: 1, maxWaiting: -1 } }, 'maxWaiting is -1'],
  [{ limits: { by: { requests: { cap: -1 } }, cost: () => ({ requests: 1 }) } }, 'cap -1'],
])('protect/5: options that mean nothing are refused when they are declared: %o', (options, text) => {
  const declare = () => protect(scripted('model', 'read', 'answer').effect, options)
  expect(declare).toThrow(RangeError)
  expect(declare).toThrow(text)
})

describe('protection/1: one owner of retries per call path', () => {
  const nest = async (outer: object, inner: object) => {
    const clock = steppedClock()
    const { run, record } = host(clock)
    const work = scripted('model', 'read', new Disconnected('x'))
    const one = protectedBy(clock, protectedBy(clock, work.effect, { name: 'inner', ...inner }), {
      name: 'outer',
      ...outer,
    })
    const ended = run(one, 'q').catch(({ code }) => code)
    await clock.run(120_000)
    expect(await ended).toBe('Disconnected')
    return { calls: work.calls(), record }
  }

  test('the outermost one that retries', async () => {
    const { calls, record } = await nest({ retry: { attempts: 3 } }, { retry: { attempts: 5 } })
    const use = { tries: [{ ended: 'Disconnected' }], error: 'Disconnected', retriedBy: 'outer' }
    expect([calls, record['inner']]).toEqual([3, { ...use, earlier: [use, use] }])
    expect((await nest({ timeoutMs: 100_000 }, { retry: { attempts: 5 } })).calls).toBe(5)
  })

  test('a fallback is a path of its own', async () => {
    const clock = steppedClock()
    const other = scripted('other', 'read', new Disconnected('x'), new Disconnected('x'), 'other answer')
    const one = protectedBy(clock, scripted('model', 'read', new TypeError('x')).effect, {
      retry: {},
      fallback: [{ to: protectedBy(clock, other.effect, { retry: {} }) }],
    })
    const answer = host(clock).run(one, 'q')
    await clock.run(60_000)
    expect([await answer, other.calls()]).toEqual(['other answer', 3])
  })
})

describe.each(seeds(15))('seed %s', (seed) => {
  test('with all parts on and everything going wrong: no window above its cap, no call after its budget, nothing left', async () => {
    const entropy = seededEntropy(seed)
    const clock = steppedClock()
    const sent: { readonly atMs: number; readonly amount: number }[] = []
    let [running, most] = [0, 0]
    const model = effect('model', 'read', async (_: string, { signal }) => {
      sent.push({ atMs: clock.monotonic() + entropy.random() * 600, amount: 1 })
      most = Math.max(most, ++running)
      try {
        const hangs = entropy.random() < 0.1
        await new Promise<void>((resolve, reject) => {
          const timer = clock.after(hangs ? 100_000 : entropy.random() * 3_000, resolve)
          signal.addEventListener('abort', () => {
            timer.cancel()
            reject(signal.reason)
          })
        })
      } finally {
        running -= 1
      }
      const fate = entropy.random()
      if (fate < 0.1) throw new RateLimited('429', { retryAfterMs: entropy.random() * 3_000 })
      if (fate < 0.3) throw new LogUnavailable('500')
      if (fate < 0.35) throw new TypeError('bug')
      return 'answer'
    })
    const one = protect(model, {
      clock,
      entropy,
      limits: {
        by: { requests: { cap: 40 } },
        cost: () => ({ requests: 1 }),
        priority: () => Math.floor(entropy.random() * 2),
      },
      breaker: { restMs: 2_000 },
      concurrency: 4,
      timeoutMs: 8_000,
      retry: { withinMs: 30_000, attempts: 5 },
    })
    const hosts = Array.from({ length: 150 }, () => host(clock))
    const ends: string[] = []
    for (const { run, controller } of hosts) {
      const begunMs = clock.monotonic()
      const ended = (how: string) => {
        ends.push(how)
        expect(clock.monotonic() - begunMs).toBeLessThanOrEqual(30_000.001)
      }
      run(one, 'q').then(ended, (error) => ended(error instanceof TroupeError ? error.code : String(error)))
      if (entropy.random() < 0.2) clock.after(entropy.random() * 10_000, () => controller.abort('left'))
      await clock.run(entropy.random() * 3_000)
    }
    await clock.run(200_000)
    expect(ends.length).toBe(150)
    expect(ends.filter((how) => how === 'answer').length).toBeGreaterThan(20)
    expect(fullestWindow(sent, 60_000)).toBeLessThanOrEqual(40)
    expect(most).toBeLessThanOrEqual(4)
    expect(hosts.map(({ left }) => left()).filter(([timers, listeners]) => timers !== 0 || listeners !== 0)).toEqual([])
  })
})

test('protect/3, protect/4: in a system it is an effect like others, with parts of its own, and its decisions are in the log', async () => {
  const work = scripted('model', 'read', new Disconnected('x'), 'answer')
  const one = protect(work.effect, { retry: { firstMs: 1 }, concurrency: 1, timeoutMs: 5_000 })
  const idle = defineActor(protocol('idle', { events: {} }), { logic: createMachine({}) })
  await using system = await createSystem({ actors: [idle] })
  expect(await system.run(one, 'q')).toBe('answer')
  const evidence: unknown[] = []
  for await (const { bytes } of system.connection.journal.read(system.runtime.subjects.journals())) {
    for (const { effect: done } of decodeRecord(bytes).steps)
      if (done?.evidence !== undefined) evidence.push(done.evidence)
  }
  expect(evidence).toMatchObject([
    { 'model.protected': { answeredBy: 'model', tries: [{ ended: 'Disconnected' }, { ended: 'ok' }] } },
  ])
})

test('a cost names limits that there are', () => {
  const { effect: work } = scripted('model', 'read', 'answer')
  const by = { requests: { cap: 1 } }
  protect(work, { limits: { by, cost: () => ({ requests: 1 }) } })
  // @ts-expect-error: there is no limit 'reqests'
  protect(work, { limits: { by, cost: () => ({ reqests: 1 }) } })
})
