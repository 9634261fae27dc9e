/** Retry, timeout, bulkhead, fallback and hedge, each alone. */
import { getEventListeners } from 'node:events'
import { Disconnected, type EffectClass, LogUnavailable, NotSerializable, seededEntropy, Timeout } from '@troupe/core'
import { describe, expect, test } from 'vitest'
import { Bulkhead } from './bulkhead.ts'
import { LimitReached } from './errors.ts'
import { fallback } from './fallback.ts'
import { hedge } from './hedge.ts'
import { decideRetry, type RetryDecision, retry } from './retry.ts'
import { seeds, steppedClock } from './stepped-clock.ts'
import { timeout } from './timeout.ts'

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length
const codeOf = (error: { readonly code: string }) => error.code
const never = () => new Promise<never>(() => {})

describe('retry', () => {
  const failed = { attempt: 1, class: 'read' as EffectClass, nowMs: 0, deadlineMs: 60_000 }
  const applied = new LogUnavailable('retryable, and perhaps done')
  const refused = new Disconnected('retryable, and not done')

  test.each([
    ['read', applied, 'again'],
    ['idempotent', applied, 'again'],
    ['write', applied, 'outcome unknown'],
    ['write', refused, 'again'],
    ['read', new NotSerializable('x'), 'not retryable'],
    ['read', new TypeError('x'), 'not retryable'],
    ['write', new TypeError('x'), 'outcome unknown'],
  ] as const)('retry/1: %s with %s: %s', (effectClass, error, expected) => {
    const decision = decideRetry({}, { ...failed, error, class: effectClass }, 0.5)
    expect(decision.kind === 'end' ? decision.why : decision.kind).toBe(expected)
  })

  test('retry/1: `when` decides instead, but never of a write that may be done', () => {
    const when = () => true
    expect(decideRetry({ when }, { ...failed, error: new TypeError('x') }, 0).kind).toBe('again')
    expect(decideRetry({ when }, { ...failed, error: applied, class: 'write' }, 0)).toEqual({
      kind: 'end',
      why: 'outcome unknown',
    })
  })

  test('retry/3: full jitter, on top of what the error asks for', () => {
    const inMs = (attempt: number, random: number, error: Error = refused) => {
      const decision = decideRetry({ attempts: 99, longestMs: 1_000 }, { ...failed, attempt, error }, random)
      return decision.kind === 'again' ? decision.inMs : decision.why
    }
    expect([inMs(1, 0), inMs(1, 0.5), inMs(2, 0.5), inMs(3, 0.5), inMs(9, 0.5)]).toEqual([0, 125, 250, 500, 500])
    expect(inMs(1, 0.5, new LimitReached('x', { retryAfterMs: 3_000 }))).toBe(3_125)
  })

  test.each(seeds(20))(
    'retry/2: no try begins after the deadline, and no pause outlasts it (seed %s)',
    async (seed) => {
      const clock = steppedClock()
      const entropy = seededEntropy(seed)
      const decisions: RetryDecision[] = []
      const begun: number[] = []
      const work = async () => {
        begun.push(clock.monotonic())
        await new Promise<void>((resolve) => clock.after(entropy.random() * 300, resolve))
        throw refused
      }
      const controller = new AbortController()
      const decided = (decision: RetryDecision) => void decisions.push(decision)
      const options = {
        clock,
        entropy,
        class: 'read',
        signal: controller.signal,
        withinMs: 2_000,
        attempts: 100,
        decided,
      } as const
      const ended = retry(work, options).catch(codeOf)
      await clock.run(3_000)
      expect(await ended).toBe('Disconnected')
      expect(Math.max(...begun)).toBeLessThan(2_000)
      expect(decisions.at(-1)).toEqual({ kind: 'end', why: 'deadline' })
      expect([clock.waiting, listeners(controller.signal)]).toEqual([0, 0])
    },
  )

  test('retry/4: an abort ends the pause with its reason, and nothing is left', async () => {
    const clock = steppedClock()
    const { signal, abort } = aborting()
    const tries: number[] = []
    const work = async (attempt: number) => {
      tries.push(attempt)
      throw new LimitReached('x', { retryAfterMs: 1_000 })
    }
    const ended = retry(work, { clock, entropy: seededEntropy(1), class: 'read', signal }).catch((reason) => reason)
    await clock.run(500)
    abort('left')
    expect(await ended).toBe('left')
    expect([tries, clock.waiting, listeners(signal)]).toEqual([[1], 0, 0])
  })
})

test('retry/4: with a signal that has aborted nothing is tried', async () => {
  let tries = 0
  const work = async () => ++tries
  const { signal, abort } = aborting()
  abort('left')
  const options = { clock: steppedClock(), entropy: seededEntropy(1), class: 'read', signal } as const
  expect([await retry(work, options).catch((reason) => reason), tries]).toEqual(['left', 0])
})

describe('options that mean nothing are refused with what to give instead', () => {
  const clock = steppedClock()
  const again = { clock, entropy: seededEntropy(1), class: 'read' } as const
  const work = async () => 1
  test.each<[string, () => unknown, string]>([
    ['bulkhead', () => new Bulkhead({ concurrent: 0 }), 'concurrent is 0; give a whole number from 1'],
    ['bulkhead', () => new Bulkhead({ concurrent: 1.5 }), 'concurrent is 1.5'],
    ['bulkhead', () => new Bulkhead({ concurrent: 1, maxWaiting: Number.NaN }), 'maxWaiting is NaN'],
    ['timeout', () => timeout(work, { clock, timeoutMs: Number.NaN }), 'timeoutMs is NaN; give a number from 0'],
    ['timeout', () => timeout(work, { clock, timeoutMs: -1 }), 'timeoutMs is -1'],
    ['hedge', () => hedge(work, { clock, afterMs: -1 }), 'afterMs is -1; give a number from 0'],
    ['hedge', () => hedge(work, { clock, afterMs: 1, most: 0 }), 'most is 0; give a whole number from 1'],
    [
      'retry',
      () => retry(work, { ...again, attempts: 0.5 }),
      'attempts is 0.5; give a whole number from 1, or Infinity',
    ],
    ['retry', () => retry(work, { ...again, withinMs: 0 }), 'withinMs is 0; give a number above 0'],
    ['retry', () => retry(work, { ...again, firstMs: -1 }), 'firstMs is -1; give a number from 0'],
    ['retry', () => retry(work, { ...again, longestMs: Number.NaN }), 'longestMs is NaN'],
  ])('%s %#', async (of, make, text) => {
    const refused = await Promise.resolve()
      .then(make)
      .catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(RangeError)
    expect(String(refused)).toContain(`a ${of}: ${text}`)
  })

  test('what has no end is Infinity', async () => {
    expect(await retry(work, { ...again, attempts: Infinity, withinMs: Infinity, firstMs: 0 })).toBe(1)
    expect(await new Bulkhead({ concurrent: 1, maxWaiting: Infinity }).run(work)).toBe(1)
  })
})

describe('timeout', () => {
  test('timeout/1: the work is aborted, and not waited for', async () => {
    const clock = steppedClock()
    let reason: unknown
    const work = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => (reason = signal.reason))
      return never()
    }
    const ended = timeout(work, { clock, timeoutMs: 100 }).catch((error) => error)
    await clock.run(100)
    expect(await ended).toBeInstanceOf(Timeout)
    expect(reason).toBe(await ended)
    expect(clock.waiting).toBe(0)
  })

  test('timeout/2, timeout/3: however it ends, nothing is left', async () => {
    const clock = steppedClock()
    const { signal, abort } = aborting()
    const options = { clock, timeoutMs: 100, signal }
    expect(await timeout(async () => 1, options)).toBe(1)
    await expect(timeout(() => Promise.reject(new Error('own')), options)).rejects.toThrow('own')
    await expect(
      timeout(() => {
        throw new Error('at once')
      }, options),
    ).rejects.toThrow('at once')
    expect([clock.waiting, listeners(signal)]).toEqual([0, 0])
    const ended = timeout(never, options).catch((reason) => reason)
    abort('left')
    expect(await ended).toBe('left')
    expect(await timeout(never, options).catch((reason) => reason)).toBe('left')
    expect([clock.waiting, listeners(signal)]).toEqual([0, 0])
  })
})

describe.each(seeds(20))('seed %s', (seed) => {
  test('bulkhead/1, bulkhead/2: never more than its places, in order, and nothing is left', async () => {
    const entropy = seededEntropy(seed)
    const clock = steppedClock()
    const bulkhead = new Bulkhead({ concurrent: 3, maxWaiting: 20 })
    const signals: AbortSignal[] = []
    const begun: number[] = []
    const ends = { done: 0, left: 0, Busy: 0 }
    let [running, most] = [0, 0]
    for (let n = 0; n < 300; n++) {
      const { signal, abort } = aborting()
      signals.push(signal)
      const work = async () => {
        begun.push(n)
        most = Math.max(most, ++running)
        await new Promise<void>((resolve) => clock.after(entropy.random() * 200, resolve))
        running -= 1
        if (entropy.random() < 0.2) throw new Error('own')
      }
      const end = (error: unknown) =>
        (ends[error === 'left' ? 'left' : error instanceof Error && error.name === 'Busy' ? 'Busy' : 'done'] += 1)
      bulkhead.run(work, signal).then(end, end)
      if (entropy.random() < 0.3) clock.after(entropy.random() * 300, () => abort('left'))
      if (entropy.random() < 0.5) await clock.run(entropy.random() * 120)
    }
    await clock.run(60_000)
    expect(most).toBe(3)
    expect(begun).toEqual(begun.toSorted((a, b) => a - b))
    expect([ends.done + ends.left + ends.Busy, bulkhead.running, bulkhead.waiting, clock.waiting]).toEqual([
      300, 0, 0, 0,
    ])
    expect(signals.map(listeners).filter((count) => count > 0)).toEqual([])
  })
})

test('fallback/1, fallback/2, fallback/3: the first that answers, by its own word, with what went before', async () => {
  const fails = (name: string) => ({ name, run: () => Promise.reject(new Error(name)) })
  const answers = (name: string) => ({ name, run: async () => name })
  const isA = (error: unknown) => error instanceof Error && error.message === 'a'
  expect(await fallback(fails('a'), [{ ...answers('b'), when: () => false }, fails('c'), answers('d')])).toMatchObject({
    value: 'd',
    branch: 'd',
    failed: [{ branch: 'a' }, { branch: 'c' }],
  })
  await expect(fallback(fails('a'), [fails('b'), { ...answers('c'), when: isA }])).rejects.toThrow('b')
  await expect(fallback(fails('a'), [answers('b')], () => false)).rejects.toThrow('a')
})

describe('hedge', () => {
  const answersIn = (clock: ReturnType<typeof steppedClock>, ...times: readonly number[]) => {
    const aborted: number[] = []
    const work = (signal: AbortSignal, run: number) =>
      new Promise<number>((resolve, reject) => {
        const timer = clock.after(Math.abs(times[run - 1] ?? 0), () =>
          (times[run - 1] ?? 0) < 0 ? reject(new Error(`${run}`)) : resolve(run),
        )
        signal.addEventListener('abort', () => {
          timer.cancel()
          aborted.push(run)
        })
      })
    return { work, aborted }
  }

  test.each([
    ['the first alone', [50], { answeredBy: 1, begun: 1 }, []],
    ['the second, when the first is slow', [500, 50], { answeredBy: 2, begun: 2 }, [1]],
    ['the first, when it is only a little slow', [120, 500], { answeredBy: 1, begun: 2 }, [2]],
    ['the other one, when one fails', [120, -10], { answeredBy: 1, begun: 2 }, []],
    ['no hedge for a failure', [-50], '1', []],
    ['the last to fail', [-300, -50], '1', []],
  ])('hedge/1, hedge/2, hedge/3: %s', async (_, times, expected, losers) => {
    const clock = steppedClock()
    const { signal } = aborting()
    const { work, aborted } = answersIn(clock, ...times)
    const ended = hedge(work, { clock, afterMs: 100, signal }).then(
      ({ answeredBy, begun }) => ({ answeredBy, begun }),
      (error) => error.message,
    )
    await clock.run(1_000)
    expect(await ended).toEqual(expected)
    expect([aborted, clock.waiting, listeners(signal)]).toEqual([losers, 0, 0])
  })

  test('hedge/3: the caller’s abort ends all of them', async () => {
    const clock = steppedClock()
    const { signal, abort } = aborting()
    const { work, aborted } = answersIn(clock, 500, 500)
    const ended = hedge(work, { clock, afterMs: 100, signal }).catch((reason) => reason)
    await clock.run(200)
    abort('left')
    expect([await ended, aborted, clock.waiting, listeners(signal)]).toEqual(['left', [1, 2], 0, 0])
  })
})

function aborting() {
  const controller = new AbortController()
  return { signal: controller.signal, abort: (reason: unknown) => controller.abort(reason) }
}
