import { createSystem, cryptoEntropy, memory, seededEntropy } from '@troupe/core'
import { describe, expect, test } from 'vitest'
import { type Model, ModelError } from './model.ts'
import { charged, purse, purses } from './purse.ts'
import { emptyPurse, HELD_MS, heldNanoUsd, hold, type PurseBook, settleHeld } from './purse-book.ts'

const price = { inPerMillion: 1, outPerMillion: 10 }
const request = { messages: [{ role: 'user', content: 'x'.repeat(68) } as const], maxTokens: 90 }
/** 100 tokens of a prompt, 90 of an answer. */
const MOST_USD = 0.001
const USED = { promptTokens: 20, completionTokens: 8 }
const USED_USD = 0.0001

const modelOf = (answer: () => Promise<object>): Model => ({
  name: 'm',
  provider: 'p',
  complete: async () => ({ text: 'yes', finishReason: 'stop', ...(await answer()) }),
})
const { signal } = new AbortController()

describe.each(['1', '2', '3', cryptoEntropy().hex(32)])('seed %s', (seed) => {
  test('purse-book/1, /2: spent and held never pass the limit, and every call counts once', () => {
    const entropy = seededEntropy(seed)
    const limitNanoUsd = 10_000
    let book: PurseBook = emptyPurse
    let [nowMs, counted] = [0, 0]
    const open = new Map<string, number>()
    for (let n = 0; n < 2_000; n++) {
      nowMs += entropy.random() < 0.01 ? HELD_MS : 1
      const id = `c${Math.floor(entropy.random() * 40)}`
      if (entropy.random() < 0.5) {
        const nanoUsd = Math.floor(entropy.random() * 800)
        const before = book.held
        const outcome = hold(book, { id, nanoUsd, limitNanoUsd }, nowMs)
        book = outcome.book
        for (const [lost, { atMs }] of Object.entries(before)) {
          if (nowMs - atMs < HELD_MS) continue
          counted += open.get(lost) ?? 0
          open.delete(lost)
        }
        if (outcome.holding.ok && !open.has(id)) open.set(id, nanoUsd)
      } else {
        const held = open.get(id)
        const nanoUsd = entropy.random() < 0.2 || held === undefined ? undefined : Math.floor(held * entropy.random())
        book = settleHeld(book, id, { model: 'm', failed: false, nanoUsd })
        if (held !== undefined) counted += nanoUsd ?? held
        open.delete(id)
      }
      expect(book.spentNanoUsd + heldNanoUsd(book)).toBeLessThanOrEqual(limitNanoUsd)
      expect(book.spentNanoUsd).toBe(counted)
      expect(Object.values(book.models).reduce((sum, { nanoUsd }) => sum + nanoUsd, 0)).toBe(counted)
    }
  })
})

test('nodes spend from one purse, which stops them together and keeps what it counted', async () => {
  const backend = memory()
  const money = purse('session/seed-7', { limitUsd: 5 * MOST_USD })
  {
    await using one = await createSystem({ actors: [purses], backend, node: 'one', shards: 8 })
    await using two = await createSystem({ actors: [purses], backend, node: 'two', shards: 8 })
    const gates = Promise.withResolvers<object>()
    const models = [one, two].map(({ runtime }) =>
      charged(
        modelOf(() => gates.promise),
        money.in(runtime),
        price,
      ),
    )
    const calls = Array.from({ length: 8 }, (_, n) => models[n % 2]?.complete(request, { signal }))
    const outcomes = Promise.allSettled(calls)
    await expect.poll(async () => (await money.in(one.runtime).status()).heldUsd).toBeCloseTo(5 * MOST_USD)
    gates.resolve({ usage: USED })
    const codes = (await outcomes).map((one) => (one.status === 'rejected' ? one.reason.code : 'ok')).sort()
    expect(codes).toEqual([...Array(3).fill('BudgetExceeded'), ...Array(5).fill('ok')])
  }
  await using later = await createSystem({ actors: [purses], backend, node: 'later' })
  const status = await money.in(later.runtime).status()
  expect(status).toMatchObject({ heldUsd: 0, models: { 'p/m': { calls: 5, promptTokens: 100, completionTokens: 40 } } })
  expect(status.spentUsd).toBeCloseTo(5 * USED_USD)
})

test('a refused call costs nothing, one whose outcome or usage is unknown all that it could', async () => {
  await using system = await createSystem({ actors: [purses] })
  const spentBy = async (name: string, answer: () => Promise<object>) => {
    const money = purse(name, { limitUsd: 1 }).in(system.runtime)
    await charged(modelOf(answer), money, price)
      .complete(request, { signal })
      .catch(() => {})
    const { spentUsd, models } = await money.status()
    return { spentUsd, ...models['p/m'] }
  }
  const failing = (code: 'RateLimited' | 'Unreachable') => async () => {
    throw new ModelError(code, 'no')
  }
  expect(await spentBy('refused', failing('RateLimited'))).toMatchObject({ spentUsd: 0, calls: 1, failed: 1 })
  expect(await spentBy('unknown', failing('Unreachable'))).toMatchObject({ spentUsd: MOST_USD, calls: 1, failed: 1 })
  expect(await spentBy('no usage', async () => ({}))).toMatchObject({ spentUsd: MOST_USD, withoutUsage: 1 })
  expect(await spentBy('said', async () => ({ costUsd: 0.25, usage: USED }))).toMatchObject({ spentUsd: 0.25 })
})

test('a purse that cannot be asked refuses before the call; a wrong limit is refused at once', async () => {
  await using system = await createSystem({ actors: [purses] })
  const asked = new AbortController()
  asked.abort(new ModelError('Cancelled', 'gone'))
  const model = charged(
    modelOf(async () => expect.unreachable()),
    purse('x', { limitUsd: 1 }).in(system.runtime),
    price,
  )
  await expect(model.complete(request, { signal: asked.signal })).rejects.toMatchObject({ code: 'Cancelled' })
  expect(() => purse('x', { limitUsd: Number.NaN })).toThrow(/give US dollars/)
})
