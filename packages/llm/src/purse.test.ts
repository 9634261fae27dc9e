import {
  createSystem,
  cryptoEntropy,
  type EffectRuntime,
  memory,
  type System,
  seededEntropy,
  Timeout,
} from '@troupe/core'
import { describe, expect, test } from 'vitest'
import { type Model, ModelError } from './model.ts'
import { charged, PurseView, purse, purses } from './purse.ts'
import { emptyPurse, giveBack, HELD_MS, heldNanoUsd, hold, type PurseBook, settleHeld } from './purse-book.ts'

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

test('purse-book/3: a hold that comes after it was given back is not held, and few are remembered', () => {
  const call = { id: 'c', nanoUsd: 10, limitNanoUsd: 100 }
  const early = giveBack(emptyPurse, 'c', 0)
  expect(hold(early, call, 1)).toMatchObject({ book: { held: {} }, holding: { ok: false } })
  expect(giveBack(hold(emptyPurse, call, 0).book, 'c', 1)).toEqual(emptyPurse)
  let many = early
  for (let n = 0; n < 2_000; n++) many = giveBack(many, `${n}`, n)
  expect(Object.keys(many.givenBack).length).toBe(1_000)
  expect(Object.keys(giveBack(many, 'last', 3_600_000).givenBack)).toEqual(['last'])
})

test('purse-book/4: sums stop at the largest safe amount', () => {
  const call = { nanoUsd: 10, limitNanoUsd: 100 }
  let book: PurseBook = emptyPurse
  for (const id of ['a', 'b']) book = hold(book, { ...call, id }, 0).book
  for (const id of ['a', 'b']) {
    book = settleHeld(book, id, { model: 'm', failed: false, nanoUsd: Number.MAX_SAFE_INTEGER })
  }
  expect(book.spentNanoUsd).toBe(Number.MAX_SAFE_INTEGER)
})

/** A runtime whose owner answers as `answer` says. */
function between({ runtime }: System, answer: (type: string, ask: () => Promise<unknown>) => Promise<unknown>) {
  const { clock, entropy } = runtime
  const ask: EffectRuntime['ask'] = (...args) => answer(args[2].type, () => runtime.ask(...args))
  return { clock, entropy, ask }
}
const free = modelOf(async () => ({ usage: { promptTokens: 0, completionTokens: 0 } }))

test('a hold whose answer is lost, or that is aborted, is given back', async () => {
  await using system = await createSystem({ actors: [purses] })
  const money = purse('x', { limitUsd: 1 })
  const told: string[] = []
  const losing = between(system, async (type, ask) => {
    told.push(type)
    if (type === 'giveBack' && told.length > 2) return ask()
    if (type === 'hold') await ask()
    throw new Timeout(`no answer to ${type}`)
  })
  await expect(charged(free, new PurseView(money, losing), price).complete(request, { signal })).rejects.toMatchObject({
    code: 'Busy',
    message: expect.stringContaining('is `purses` among the actors of a node?'),
  })
  const controller = new AbortController()
  const aborted = charged(free, money.in(system.runtime), price).complete(request, { signal: controller.signal })
  controller.abort()
  await expect(aborted).rejects.toBeInstanceOf(ModelError)
  await expect.poll(() => money.in(system.runtime).status()).toMatchObject({ heldUsd: 0, spentUsd: 0, models: {} })
  expect(told).toEqual(['hold', 'giveBack', 'giveBack'])
})

test('purse/4: neither an answer nor an abort waits for a purse that does not answer', async () => {
  await using system = await createSystem({ actors: [purses] })
  const silent = between(system, (type, ask) => (type === 'settle' ? new Promise<never>(() => {}) : ask()))
  const view = new PurseView(purse('x', { limitUsd: 1 }), silent)
  const beganMs = performance.now()
  await charged(free, view, price).complete(request, { signal })
  expect(performance.now() - beganMs).toBeLessThan(3_000)
  const controller = new AbortController()
  const hanging = modelOf(() => new Promise((_, reject) => controller.signal.addEventListener('abort', reject)))
  const aborted = charged(hanging, view, price).complete(request, { signal: controller.signal })
  await expect.poll(async () => (await view.status()).heldUsd).toBeGreaterThan(MOST_USD)
  const abortedMs = performance.now()
  controller.abort()
  await expect(aborted).rejects.toThrow()
  expect(performance.now() - abortedMs).toBeLessThan(500)
})

test('whatever a provider says of usage and cost, its call is settled', async () => {
  await using system = await createSystem({ actors: [purses] })
  const after = async (name: string, answer: object, model = 'm') => {
    const view = purse(name, { limitUsd: 1 }).in(system.runtime)
    await charged({ ...modelOf(async () => answer), name: model }, view, price).complete(request, { signal })
    const { heldUsd, spentUsd } = await view.status()
    return { heldUsd, spentUsd }
  }
  const inFull = { heldUsd: 0, spentUsd: MOST_USD }
  expect(await after('half', { usage: { promptTokens: 19.5, completionTokens: 8 } })).toMatchObject({ heldUsd: 0 })
  expect(await after('none', { usage: { promptTokens: 1, completionTokens: Number.NaN } })).toEqual(inFull)
  expect(await after('huge', { costUsd: 1e300 })).toEqual(inFull)
  expect(await after('negative', { costUsd: -1 })).toEqual(inFull)
  expect(await after('long', {}, 'x'.repeat(500))).toEqual(inFull)
})

test('what no purse can hold is an invalid request, and so is a name that no actor can have', async () => {
  await using system = await createSystem({ actors: [purses] })
  const ask = (name: string, maxTokens: number) =>
    charged(free, purse(name, { limitUsd: 1 }).in(system.runtime), price).complete(
      { ...request, maxTokens },
      { signal },
    )
  await expect(ask('x', 1e15)).rejects.toMatchObject({ code: 'InvalidRequest' })
  await expect(ask('x'.repeat(200), 1)).rejects.toMatchObject({ code: 'InvalidRequest' })
  expect(() => purse('x', { limitUsd: 1e300 })).toThrow(/give US dollars/)
})
