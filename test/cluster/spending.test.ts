/** The ledger of the log against what models were really asked, through all that may stand around a call. */
import { createSystem, memory, realClock, type System } from '@troupe/core'
import {
  cached,
  direct,
  type Line,
  ModelError,
  memoryResults,
  predict,
  routed,
  routings,
  scriptedModel,
} from '@troupe/llm'
import { protect } from '@troupe/resilience'
import { signature } from '@troupe/signatures'
import { openEventIndex, type Spending, type SpendingFilter, spendingOf } from '@troupe/telemetry'
import { expect, test } from 'vitest'
import { callerOf } from './python-caller.ts'

const triage = signature("docstring: str -> module: Literal['email', 'socket'], score: float", { name: 'Triage' })
const input = { docstring: 'Read a message.' }
const usage = (promptTokens: number, completionTokens: number) => ({ usage: { promptTokens, completionTokens } })
const says = (text: string, more: object = {}): Line => ({ text, finishReason: 'stop', ...usage(100, 10), ...more })
const good = '{"module": "email", "score": 0.5}'

async function spendingIn({ connection, runtime }: System, filter?: SpendingFilter): Promise<Spending> {
  const index = openEventIndex(':memory:')
  try {
    expect((await index.update(connection.journal, runtime.subjects)).complete).toBe(true)
    return spendingOf(index.withEvidence(), filter)
  } finally {
    index.close()
  }
}

test('routed in protect in cached, asked by one actor of another: every call once, for both of them', async () => {
  const cheap = scriptedModel([says('no JSON'), says('no JSON either')], { name: 'cheap' })
  const strong = scriptedModel([new ModelError('ServerFailed', 'down'), says(good, { costUsd: 0.25 })], {
    name: 'strong',
  })
  const third = scriptedModel([says(good)], { name: 'third' })
  const routes = [
    { name: 'a', model: cheap, price: { inPerMillion: 1, outPerMillion: 1 } },
    { name: 'b', model: strong, price: { inPerMillion: 2, outPerMillion: 2 } },
    { name: 'c', model: third, price: { inPerMillion: 3, outPerMillion: 3 } },
  ]
  const chosen = routed(triage, { routes, maxRepairs: 1, policy: { order: 'escalate' } })
  const guarded = protect(chosen, { retry: {}, timeoutMs: 10_000 })
  const kept = cached(guarded, { signature: triage, results: memoryResults(realClock()), endpoint: 'e' })
  const worker = callerOf('worker', kept)
  const boss = callerOf('boss', worker.says.ask('run', { timeoutMs: 10_000 }))
  await using system = await createSystem({ actors: [worker.def, boss.def, routings], backend: memory() })
  const ask = () => boss.run(system, 'b', { key: 'w', input })
  expect(await ask()).toMatchObject({ value: { value: { module: 'email' } } })
  expect(await ask()).toMatchObject({ value: { value: { module: 'email' } } })

  const { total, models, actors, trees } = await spendingIn(system)
  const asked = [cheap, strong, third].map(({ name, asked }) => [`script/${name}`, asked.length])
  expect(asked).toEqual([
    ['script/cheap', 2],
    ['script/strong', 1],
    ['script/third', 1],
  ])
  expect(Object.fromEntries(models.map(({ name, calls }) => [name, calls]))).toEqual(Object.fromEntries(asked))
  expect(total).toMatchObject({
    calls: 4,
    failed: 1,
    promptTokens: 300,
    completionTokens: 30,
    withoutUsage: 1,
    unseen: 0,
  })
  // What the routing worked out, but for the one that failed.
  const costs = models.map(({ name, costUsd, withoutPrice }) => [name, costUsd, withoutPrice])
  expect(costs).toEqual([
    ['script/cheap', 0.00022, 0],
    ['script/strong', 0, 1],
    ['script/third', 0.00033, 0],
  ])
  expect(actors).toEqual([{ name: 'worker/w', ...total }])
  expect(trees).toEqual([
    { name: 'boss/b', ...total },
    { name: 'worker/w', ...total },
  ])
  expect((await spendingIn(system, { actor: 'boss/b' })).total).toEqual(total)
})

test('predict with repairs and direct in a retry, with the costs that providers told: every call once', async () => {
  const repaired = scriptedModel([says('no JSON', { costUsd: 0.25 }), says(good, { costUsd: 0.5 })], { name: 'one' })
  const down = new ModelError('ServerFailed', 'down')
  const words = scriptedModel([down, says('hello')], { name: 'two' })
  const first = callerOf('first', predict(triage, { model: repaired }))
  const second = callerOf('second', protect(direct(words, { name: 'greet' }), { retry: { firstMs: 1 } }))
  await using system = await createSystem({ actors: [first.def, second.def], backend: memory() })
  await first.run(system, 'k', input)
  await second.run(system, 'k', 'Say hello.')

  const { total, models } = await spendingIn(system)
  expect(models).toMatchObject([
    { name: 'script/one', calls: 2, costUsd: 0.75, withoutPrice: 0, promptTokens: 200 },
    { name: 'script/two', calls: 2, failed: 1, costUsd: 0, withoutPrice: 2 },
  ])
  expect([words.asked.length, total.calls, total.unseen]).toEqual([2, 4, 0])
})
