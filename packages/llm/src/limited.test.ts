import { createSystem } from '@troupe/core'
import { manualClock } from '@troupe/core/testing'
import { gates, Limiter } from '@troupe/resilience'
import { expect, test } from 'vitest'
import { limited, modelGate } from './limited.ts'
import { type Model, ModelError, type ModelRequest } from './model.ts'

const request: ModelRequest = { messages: [{ role: 'user', content: 'x'.repeat(68) }], maxTokens: 100 }
/** 16 + 16 + 68 bytes, and the answer. */
const MOST_TOKENS = 200
const USED = { promptTokens: 20, completionTokens: 10 }

interface Called extends Model {
  readonly times: readonly number[]
}

const modelAt = (now: () => number, answer: () => Promise<{ readonly usage?: typeof USED }>): Called => {
  const times: number[] = []
  return {
    ...{ name: 'm', provider: 'p', times },
    complete: async () => {
      times.push(now())
      return { text: 'yes', finishReason: 'stop', ...(await answer()) }
    },
  }
}
/** Says with every answer what is left, and until when. */
function telling(now: () => number, limit: string, remaining: string, reset: string) {
  const times: number[] = []
  const headers = new Headers({ [`x-ratelimit-remaining-${limit}`]: remaining, [`x-ratelimit-reset-${limit}`]: reset })
  const model: Model = {
    ...{ name: 'm', provider: 'p' },
    complete: async (_, { onHeaders }) => {
      times.push(now())
      onHeaders?.(headers)
      return { text: 'yes', finishReason: 'stop', usage: USED }
    },
  }
  return { model, times }
}
const settled = () => new Promise((resolve) => setImmediate(resolve))

test('limited/1: calls leave as the limit of requests allows, in their order, and no answer is lost', async () => {
  const clock = manualClock()
  const model = modelAt(clock.monotonic, async () => ({ usage: USED }))
  const slow = limited(model, { requestsPerMinute: 6 }, clock)
  const { signal } = new AbortController()
  const answers = Promise.all(Array.from({ length: 12 }, () => slow.complete(request, { signal })))
  for (let step = 0; step < 1_300; step++) {
    clock.advance(100)
    await settled()
  }
  expect(await answers).toHaveLength(12)
  for (const from of model.times) {
    expect(model.times.filter((at) => at >= from && at < from + 60_000).length).toBeLessThanOrEqual(6)
  }
})

test('limited/1: what a call did not use makes room; what is unknown counts in full', async () => {
  const room = async (usage: typeof USED | undefined) => {
    const clock = manualClock()
    const model = modelAt(clock.monotonic, async () => (usage === undefined ? {} : { usage }))
    const slow = limited(model, { tokensPerMinute: 2 * MOST_TOKENS }, clock)
    const { signal } = new AbortController()
    for (let n = 0; n < 6; n++) void slow.complete(request, { signal })
    for (let step = 0; step < 300; step++) {
      clock.advance(100)
      await settled()
    }
    return model.times.length
  }
  expect(await room(USED)).toBe(6)
  expect(await room(undefined)).toBe(1)
})

test.each([
  { promptTokens: Number.MAX_SAFE_INTEGER, completionTokens: Number.MAX_SAFE_INTEGER },
  { promptTokens: Number.NaN, completionTokens: 1 },
  { promptTokens: 1.5, completionTokens: 1 },
])('limited/1: a usage of %j is none, and what was reserved counts', async (usage) => {
  const clock = manualClock()
  const limiter = new Limiter({ limits: { requests: { cap: 10 }, tokens: { cap: 10 * MOST_TOKENS } }, clock })
  const model = modelAt(clock.monotonic, async () => ({ usage }))
  await limited(model, limiter, clock).complete(request, new AbortController())
  expect(limiter.rooms().get('tokens')).toBe(9 * MOST_TOKENS)
})

test.each([8e15, Number.NaN, 0.5, -1])(
  'an answer of at most %s tokens is refused before it is asked for',
  async (maxTokens) => {
    const clock = manualClock()
    const model = modelAt(clock.monotonic, async () => ({}))
    const refused = limited(model, {}, clock).complete({ ...request, maxTokens }, new AbortController())
    await expect(refused).rejects.toMatchObject({
      code: 'InvalidRequest',
      message: expect.stringContaining('maxTokens'),
    })
    expect(model.times).toEqual([])
  },
)

test('limited/2: a refusal for the rate closes the limits for as long as the provider asks', async () => {
  const clock = manualClock()
  let refuses = true
  const model = modelAt(clock.monotonic, async () => {
    if (refuses) throw new ModelError('RateLimited', 'too fast', { retryAfterMs: 5_000 })
    return { usage: USED }
  })
  const slow = limited(model, { requestsPerMinute: 6_000 }, clock)
  const { signal } = new AbortController()
  await expect(slow.complete(request, { signal })).rejects.toMatchObject({ code: 'RateLimited' })
  refuses = false
  const next = slow.complete(request, { signal })
  clock.advance(4_900)
  await settled()
  expect(model.times).toEqual([0])
  clock.advance(200)
  await next
  expect(model.times).toHaveLength(2)
})

test('limited/2: what the headers of an answer say is left is all that is left until the reset', async () => {
  const clock = manualClock()
  const { model, times } = telling(clock.monotonic, 'requests', '0', '30s')
  const slow = limited(model, { requestsPerMinute: 6_000 }, clock)
  const { signal } = new AbortController()
  await slow.complete(request, { signal })
  const next = slow.complete(request, { signal })
  for (let step = 0; step < 400; step++) {
    clock.advance(100)
    await settled()
  }
  await next
  expect(times).toHaveLength(2)
  expect(times[1]).toBeGreaterThanOrEqual(30_000)
})

test('limited/2: headers that come before the answer is settled hold after it', async () => {
  const clock = manualClock()
  const { model, times } = telling(clock.monotonic, 'tokens', '5', '60s')
  const slow = limited(model, { tokensPerMinute: 100_000 }, clock)
  const { signal } = new AbortController()
  const heard: unknown[] = []
  await slow.complete(request, {
    signal,
    onHeaders: (headers) => heard.push(headers.get('x-ratelimit-remaining-tokens')),
  })
  const next = slow.complete(request, { signal })
  clock.advance(50_000)
  await settled()
  expect([times, heard]).toEqual([[0], ['5']])
  clock.advance(15_000)
  await next
  expect(times).toHaveLength(2)
})

test('limited/3: a call that was aborted as its turn came does not reach the model', async () => {
  const clock = manualClock()
  const model = modelAt(clock.monotonic, async () => ({ usage: USED }))
  const slow = limited(model, { requestsPerMinute: 6 }, clock)
  await slow.complete(request, new AbortController())
  const late = new AbortController()
  const answer = slow.complete(request, late)
  clock.advance(60_000)
  late.abort(new ModelError('Cancelled', 'nobody waits'))
  await expect(answer).rejects.toMatchObject({ code: 'Cancelled' })
  expect(model.times).toEqual([0])
})

test('limited/3: an abort ends the wait with the error of the call, and who comes next is served', async () => {
  const clock = manualClock()
  const model = modelAt(clock.monotonic, async () => ({ usage: USED }))
  const slow = limited(model, { requestsPerMinute: 6 }, clock)
  const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()]
  await slow.complete(request, first)
  const given = [slow.complete(request, second), slow.complete(request, third)]
  second.abort(new ModelError('Timeout', 'too late'))
  await expect(given[0]).rejects.toMatchObject({ code: 'Timeout' })
  clock.advance(60_000)
  await given[1]
  expect(model.times).toEqual([0, 60_000])
})

test('a call that no limit could ever let through is refused at once, with what to do', async () => {
  const clock = manualClock()
  const model = modelAt(clock.monotonic, async () => ({ usage: USED }))
  const slow = limited(model, { tokensPerMinute: MOST_TOKENS - 1 }, clock)
  await expect(slow.complete(request, new AbortController())).rejects.toMatchObject({
    code: 'InvalidRequest',
    message: expect.stringContaining('raise the limit'),
  })
  expect(model.times).toEqual([])
})

test('a gate limits the calls of all who go through it, and leaves alone what fails too often', async () => {
  await using system = await createSystem({ actors: [gates] })
  const { clock } = system.runtime
  const breaker = { leastCalls: 3, restMs: 60_000 }
  const account = modelGate('p/m/no-key', { requestsPerMinute: 1_000 }, breaker)
  const down = async (): Promise<{ readonly usage: typeof USED }> => {
    throw new ModelError('ServerFailed', 'down')
  }
  const model = modelAt(clock.monotonic, down)
  const calls = [1, 2, 3].map(() => limited(model, account.in(system.runtime), clock))
  const { signal } = new AbortController()
  for (const call of calls)
    await expect(call.complete(request, { signal })).rejects.toMatchObject({ code: 'ServerFailed' })
  const state = () => system.get(gates, account.name).ask({ type: 'state' })
  await expect.poll(async () => (await state()).breaker, { timeout: 10_000 }).toBe('open')
  expect((await state()).rooms['requests']).toBe(997)
  await expect(calls[0]?.complete(request, { signal })).rejects.toMatchObject({
    code: 'BreakerOpen',
    applied: 'no',
    fields: { retryAfterMs: expect.any(Number) },
  })
  expect(model.times).toHaveLength(3)
})

test('a deadline of the service counts at once as a failure of the model, also when the model ignores it', async () => {
  await using system = await createSystem({ actors: [gates] })
  const { clock } = system.runtime
  const account = modelGate('p/m/hangs', {}, { leastCalls: 3, restMs: 60_000 })
  const asked = Promise.withResolvers<void>()
  const hung = Promise.withResolvers<never>()
  let calls = 0
  const model: Model = {
    ...{ name: 'm', provider: 'p' },
    complete: () => {
      if (++calls === 3) asked.resolve()
      return hung.promise
    },
  }
  const slow = limited(model, account.in(system.runtime), clock)
  const controllers = Array.from({ length: 3 }, () => new AbortController())
  const ended = Promise.allSettled(controllers.map(({ signal }) => slow.complete(request, { signal })))
  await asked.promise
  for (const controller of controllers) controller.abort(new ModelError('Timeout', 'no answer within the time'))
  const state = () => system.get(gates, account.name).ask({ type: 'state' })
  await expect.poll(async () => (await state()).breaker, { timeout: 10_000 }).toBe('open')
  hung.reject(new ModelError('Timeout', 'no answer within the time'))
  await ended
})
