import { createSystem, defineActor, type EffectContext, effect, memory, protocol, type System } from '@troupe/core'
import { manualClock } from '@troupe/core/testing'
import { signature } from '@troupe/signatures'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { cached } from './cached.ts'
import { memoryResults, type ResultStore, storedResults } from './result-store.ts'

const label = signature('text: str -> label: str, score: float')
const says = protocol('idle', { events: { nothing: z.object({}) } })
/** A node needs an actor to serve. */
const idle = defineActor(says, { logic: says.handlers({}, { nothing: (state) => ({ state }) }) })
const input = { text: 'hello' }

/** Answers with how often it was asked. */
function counting(fails: () => boolean = () => false) {
  let times = 0
  const inner = effect('label', 'idempotent', async (_: { text: string }) => {
    times += 1
    const mine = times
    await new Promise((resolve) => setImmediate(resolve))
    if (fails()) throw new Error('down')
    return { label: `${mine}`, score: 1 }
  })
  return { inner, times: () => times }
}
const systemOf = () => createSystem({ actors: [idle], backend: memory() })
const of = (results: ResultStore, more: { endpoint?: string; tenant?: string; forMs?: number } = {}) => ({
  signature: label,
  results,
  endpoint: 'p/m',
  ...more,
})

test.each([
  ['memory', (_: System) => memoryResults(manualClock())],
  ['the store of a system', (system: System) => storedResults(system.connection.store)],
])('what was checked once is not asked for again: %s', async (_, store) => {
  await using system = await systemOf()
  const { inner, times } = counting()
  const answer = cached(inner, of(store(system)))
  expect(await system.run(answer, input)).toEqual({ label: '1', score: 1 })
  expect(await system.run(answer, input)).toEqual({ label: '1', score: 1 })
  expect(await system.run(answer, { text: 'other' })).toEqual({ label: '2', score: 1 })
  expect(times()).toBe(2)
})

test('cached/2: tenants, endpoints and signatures do not see the results of each other', async () => {
  await using system = await systemOf()
  const results = memoryResults(manualClock())
  const { inner, times } = counting()
  const other = signature('text: str -> label: str, score: float', { instructions: 'Be strict.' })
  const answers = [
    cached(inner, of(results)),
    cached(inner, of(results, { tenant: 'a' })),
    cached(inner, of(results, { tenant: 'b' })),
    cached(inner, of(results, { endpoint: 'p/n' })),
    cached(inner, { ...of(results), signature: other }),
  ]
  for (const answer of answers) await system.run(answer, input)
  for (const answer of answers) await system.run(answer, input)
  expect(times()).toBe(5)
})

test('cached/1: what does not fit the signature, or any more, counts as none', async () => {
  await using system = await systemOf()
  const kept = new Map<string, string>()
  const results: ResultStore = {
    get: async (key) => kept.get(key),
    put: async (key, text) => void kept.set(key, text),
  }
  const { inner, times } = counting()
  const answer = cached(inner, of(results))
  await system.run(answer, input)
  for (const text of ['{"label":"x"}', 'no JSON', '{"label":"x","score":"high"}']) {
    for (const key of kept.keys()) kept.set(key, text)
    await system.run(answer, input)
  }
  expect(times()).toBe(4)
})

test('cached/3: a store that fails is passed by', async () => {
  await using system = await systemOf()
  const down = async (): Promise<never> => {
    throw new Error('the store is down')
  }
  const { inner, times } = counting()
  const answer = cached(inner, of({ get: down, put: down }))
  expect(await system.run(answer, input)).toMatchObject({ label: '1' })
  expect(await system.run(answer, input)).toMatchObject({ label: '2' })
  expect(times()).toBe(2)
})

test('cached/4: one question at a time is asked; who follows a failure asks for itself', async () => {
  await using system = await systemOf()
  const { inner, times } = counting()
  const answer = cached(inner, of(memoryResults(manualClock())))
  const all = await Promise.all([1, 2, 3].map(() => system.run(answer, input)))
  expect([all.map(({ label }) => label), times()]).toEqual([['1', '1', '1'], 1])
  let fails = true
  const flaky = counting(() => fails)
  const other = cached(flaky.inner, of(memoryResults(manualClock())))
  const first = system.run(other, input)
  const second = system.run(other, input)
  await expect(first).rejects.toThrow()
  fails = false
  await second.catch(() => {})
  expect(flaky.times()).toBe(2)
})

const contextOf = (signal: AbortSignal, tell: (said: unknown) => void = () => {}): EffectContext => ({
  ...{ effectId: 'e', attempt: 1, cause: { correlation: 'c', causation: 'c' }, runtime: undefined },
  signal,
  evidence: tell,
})
const { signal } = new AbortController()

test('cached/4: when the one who asks fails, one of the others asks next', async () => {
  let fails = 3
  const { inner, times } = counting(() => fails-- > 0)
  const answer = cached(inner, of(memoryResults(manualClock())))
  const all = await Promise.allSettled(Array.from({ length: 50 }, () => answer.effect.run(input, contextOf(signal))))
  expect(all.filter(({ status }) => status === 'rejected').length).toBe(3)
  expect(times()).toBe(4)
})

test('cached/4: who follows waits no longer than its own signal lets it', async () => {
  const slow = Promise.withResolvers<{ label: string; score: number }>()
  const inner = effect('label', 'idempotent', (_: { text: string }) => slow.promise)
  const answer = cached(inner, of(memoryResults(manualClock())))
  const first = answer.effect.run(input, contextOf(signal))
  const controller = new AbortController()
  const second = answer.effect.run(input, contextOf(controller.signal))
  controller.abort(new Error('gone'))
  await expect(second).rejects.toThrow('gone')
  slow.resolve({ label: 'x', score: 1 })
  expect(await first).toEqual({ label: 'x', score: 1 })
})

test('cached/5: who shares an answer has an object of its own', async () => {
  const { inner } = counting()
  const answer = cached(inner, of(memoryResults(manualClock())))
  const [one, two, three] = await Promise.all([1, 2, 3].map(() => answer.effect.run(input, contextOf(signal))))
  expect(one).toEqual(two)
  expect(new Set([one, two, three]).size).toBe(3)
})

test('cached/1: in the store of a system, what no longer fits is replaced', async () => {
  await using system = await systemOf()
  const results = storedResults(system.connection.store)
  const { inner, times } = counting()
  const answer = cached(inner, of(results))
  const said: { readonly how: string; readonly key: string }[] = []
  const saying = z.looseObject({ 'label.cached': z.object({ how: z.string(), key: z.string(), endpoint: z.string() }) })
  const context = contextOf(signal, (one) => said.push(saying.parse(one)['label.cached']))
  await answer.effect.run(input, context)
  await results.put(said[0]?.key ?? '', 'no JSON', 86_400_000)
  for (let n = 0; n < 2; n++) expect(await answer.effect.run(input, context)).toMatchObject({ label: '2' })
  expect(said.map(({ how }) => how)).toEqual(['asked', 'asked', 'kept'])
  expect(times()).toBe(2)
})

test('cached/3: a store that has no room for a result says so', async () => {
  const { inner } = counting()
  const answer = cached(inner, of(memoryResults(manualClock(), { sizeBytes: 10 })))
  const said: unknown[] = []
  await answer.effect.run(
    input,
    contextOf(signal, (one) => said.push(one)),
  )
  expect(said).toMatchObject([{ 'label.cached': { how: 'asked, the store failed' } }])
})

test('results expire', async () => {
  await using system = await systemOf()
  const clock = manualClock()
  const { inner, times } = counting()
  const answer = cached(inner, of(memoryResults(clock), { forMs: 1_000 }))
  await system.run(answer, input)
  clock.advance(999)
  await system.run(answer, input)
  expect(times()).toBe(1)
  clock.advance(1)
  await system.run(answer, input)
  expect(times()).toBe(2)
})
