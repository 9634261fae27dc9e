import { Disconnected, seededEntropy, Timeout } from '@troupe/core'
import { manualClock } from '@troupe/core/testing'
import { describe, expect, test } from 'vitest'
import { Breaker, type Pass } from './breaker.ts'
import { gate } from './gate.ts'
import { seeds } from './stepped-clock.ts'

const options = { windowMs: 1_000, leastCalls: 4, ratio: 0.5, restMs: 100, longestRestMs: 300, probeMs: 1_000 }

function opened() {
  const clock = manualClock()
  const breaker = new Breaker(clock, options)
  for (let n = 0; n < 4; n++) breaker.admit().end('failed')
  return { clock, breaker }
}

test('breaker/1: it opens by the share of failures in the window, and not before enough calls', () => {
  const clock = manualClock()
  const breaker = new Breaker(clock, options)
  for (let n = 0; n < 3; n++) breaker.admit().end('failed')
  expect(breaker.state).toBe('closed')
  clock.advance(1_100)
  for (let n = 0; n < 5; n++) breaker.admit().end('succeeded')
  for (let n = 0; n < 4; n++) breaker.admit().end('failed')
  expect(breaker.state).toBe('closed')
  breaker.admit().end('failed')
  expect(breaker.state).toBe('open')
  expect(() => breaker.admit()).toThrow(
    expect.objectContaining({ code: 'BreakerOpen', details: { retryAfterMs: 100 } }),
  )
})

test('breaker-machine/1, breaker-machine/2: after its rest one probe; each that fails doubles the rest, up to the longest', () => {
  const { clock, breaker } = opened()
  for (const restMs of [100, 200, 300, 300]) {
    clock.advance(restMs - 1)
    expect(() => breaker.admit()).toThrow('open')
    clock.advance(1)
    const probe = breaker.admit()
    expect([probe.probe, breaker.state]).toEqual([true, 'halfOpen'])
    expect(() => breaker.admit()).toThrow('half-open')
    probe.end('failed')
  }
  clock.advance(300)
  breaker.admit().end('succeeded')
  expect(breaker.state).toBe('closed')
  for (let n = 0; n < 4; n++) breaker.admit().end('failed')
  clock.advance(100)
  expect(breaker.admit().probe).toBe(true)
})

test('breaker-machine/3, breaker-machine/4: a probe without a verdict, or lost, gives its place to the next call', () => {
  const { clock, breaker } = opened()
  clock.advance(100)
  breaker.admit().end('void')
  expect(breaker.state).toBe('open')
  const lost = breaker.admit()
  clock.advance(999)
  expect(() => breaker.admit()).toThrow('half-open')
  clock.advance(1)
  const probe = breaker.admit()
  lost.end('failed')
  expect(breaker.state).toBe('halfOpen')
  probe.end('succeeded')
  expect(breaker.state).toBe('closed')
})

describe.each(seeds(50))('seed %s', (seed) => {
  test('breaker/2, breaker/3: under any interleaving one probe at a time, and late words change nothing', () => {
    const entropy = seededEntropy(seed)
    const clock = manualClock()
    const breaker = new Breaker(clock, options)
    const running: { readonly pass: Pass; readonly atMs: number; readonly era: number }[] = []
    let era = 0
    let probes = 0
    for (let n = 0; n < 2_000; n++) {
      const before = breaker.state
      if (entropy.random() < 0.5) {
        try {
          const pass = breaker.admit()
          expect(pass.probe).toBe(breaker.state === 'halfOpen')
          if (pass.probe) {
            era += 1
            probes += 1
            // No other probe that could still decide, unless it was lost.
            const others = running.filter((one) => one.pass.probe && one.era === era - 1 && before === 'halfOpen')
            for (const other of others) expect(clock.monotonic() - other.atMs).toBeGreaterThanOrEqual(1_000)
          }
          running.push({ pass, atMs: clock.monotonic(), era })
        } catch (error) {
          expect(error).toMatchObject({ code: 'BreakerOpen', applied: 'no', retryable: true })
          expect(before).not.toBe('closed')
        }
      } else if (entropy.random() < 0.7 && running.length > 0) {
        const [one] = running.splice(Math.floor(entropy.random() * running.length), 1)
        if (one === undefined) continue
        const verdict = entropy.random() < 0.5 ? 'failed' : entropy.random() < 0.5 ? 'succeeded' : 'void'
        one.pass.end(verdict)
        one.pass.end('succeeded')
        const after = breaker.state
        const decides = one.era === era && one.pass.probe === (before === 'halfOpen') && before !== 'open'
        if (!decides) expect(after).toBe(before)
        else if (one.pass.probe) expect(after).toBe(verdict === 'succeeded' ? 'closed' : 'open')
        if (after !== before) era += 1
      } else clock.advance(entropy.random() * 150)
    }
    expect(probes).toBeGreaterThan(3)
    expect(clock.waiting).toBe(0)
  })
})

test('breaker/4: refusals and calls that were given up are no verdict; whatever may have reached the other side is', async () => {
  const limited = Object.assign(new Disconnected('429'), { code: 'RateLimited' })
  for (const [error, state] of [
    [limited, 'closed'],
    [new Timeout('x'), 'open'],
    [new TypeError('fetch failed'), 'open'],
  ] as const) {
    const breaker = new Breaker(manualClock(), options)
    for (let n = 0; n < 20; n++) await breaker.run(() => Promise.reject(error)).catch(() => {})
    expect([error.name, breaker.state]).toEqual([error.name, state])
  }
  const breaker = new Breaker(manualClock(), options)
  for (let n = 0; n < 20; n++) {
    const controller = new AbortController()
    const call = breaker.run(
      () => new Promise((_, reject) => controller.signal.addEventListener('abort', reject)),
      controller.signal,
    )
    controller.abort()
    await call.catch(() => {})
  }
  expect(breaker.state).toBe('closed')
})

test.each([
  ['ours', new Timeout('x'), 'open'],
  ['that of AbortSignal.timeout', new DOMException('x', 'TimeoutError'), 'open'],
  ['the caller, who leaves', new DOMException('x', 'AbortError'), 'closed'],
])('breaker/5: a timeout counts at once, also when the work ignores it: %s', (_, reason, state) => {
  const breaker = new Breaker(manualClock(), options)
  for (let n = 0; n < 4; n++) {
    const controller = new AbortController()
    void breaker.run(() => new Promise(() => {}), controller.signal)
    controller.abort(reason)
  }
  expect(breaker.state).toBe(state)
})

test('breaker/5: the reason of a real AbortSignal.timeout is taken for one', async () => {
  const breaker = new Breaker(manualClock(), { ...options, leastCalls: 1 })
  const signal = AbortSignal.timeout(1)
  const left = () => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Disconnected('x'))))
  await breaker.run(left, signal).catch(() => {})
  expect(breaker.state).toBe('open')
})

test.each([
  [{ leastCalls: 0 }, 'a breaker: leastCalls is 0; give a whole number from 1'],
  [{ ratio: Number.NaN }, 'a breaker: ratio is NaN; give a number from 0 to 1'],
  [{ ratio: 50 }, 'ratio is 50'],
  [{ windowMs: 0 }, 'windowMs is 0; give a finite number above 0'],
  [{ restMs: -1 }, 'restMs is -1'],
  [{ probeMs: Infinity }, 'probeMs is Infinity'],
  [{ restMs: 20, longestRestMs: 10 }, 'longestRestMs is 10; give at least restMs, which is 20'],
])('options that mean nothing are refused: %o', (wrong, text) => {
  expect(() => new Breaker(manualClock(), wrong)).toThrow(RangeError)
  expect(() => new Breaker(manualClock(), wrong)).toThrow(text)
  expect(() => gate('acme', { limits: {}, breaker: wrong })).toThrow(
    text.replace('a breaker', "the breaker of gate 'acme'"),
  )
})

test('a first rest that is longer than the usual longest one is kept', () => {
  const clock = manualClock()
  const breaker = new Breaker(clock, { leastCalls: 4, restMs: 400_000 })
  for (let n = 0; n < 4; n++) breaker.admit().end('failed')
  expect(() => breaker.admit()).toThrow('400000 ms')
})
