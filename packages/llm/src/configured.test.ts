import { inspect } from 'node:util'
import { createSystem } from '@troupe/core'
import { gates } from '@troupe/resilience'
import { expect, test } from 'vitest'
import { modelFrom } from './configured.ts'
import { inCluster } from './in-cluster.ts'
import { purse, purses } from './purse.ts'

const paid = {
  kind: 'openai-compatible',
  baseUrl: 'https://api.example.com/v1',
  apiKey: 'sk-secret',
  model: 'small',
  budgetUsd: 0.5,
} as const

test('the stand-in is free and says what it is', () => {
  const { model, budget, describe } = modelFrom({ kind: 'stand-in' })
  expect(model).toMatchObject({ name: 'local-knn', provider: 'stand-in' })
  expect(budget).toBeUndefined()
  expect(describe(120)).toBe('model local-knn (deterministic stand-in, not a language model), about 120 calls, free')
})

test('configured/1: a paid model has a budget, and no price means no model', () => {
  expect(modelFrom({ ...paid, priceIn: 0.15, priceOut: 0.6 }).budget?.limitNanoUsd).toBe(5e8)
  const prices = { small: { inPerMillion: 1, outPerMillion: 2 } }
  expect(modelFrom({ ...paid, prices }).budget?.price).toEqual(prices.small)
  expect(() => modelFrom(paid)).toThrow(/price of model 'small' is not known/)
})

test('configured/2: the line to print has provider, model, calls, price and limit, and no key', () => {
  const configured = modelFrom({ ...paid, priceIn: 0.15, priceOut: 0.6 })
  expect(configured.describe(120)).toBe(
    'model small at api.example.com, about 120 calls, 0.15/0.6 USD per million tokens in/out, hard stop at 0.50 USD',
  )
  expect(configured.describe()).not.toContain('calls')
  expect(inspect(configured, { depth: 9, showHidden: true })).not.toContain('sk-secret')
})

test('an account tells keys apart without showing them', () => {
  const price = { priceIn: 0, priceOut: 0 }
  const accountOf = (apiKey?: string) => modelFrom({ ...paid, ...price, apiKey }).account
  expect(accountOf()).toBe('api.example.com/v1/small/no-key')
  expect(accountOf('sk-secret')).toMatch(/^api\.example\.com\/v1\/small\/[0-9a-f]{12}$/)
  expect(accountOf('sk-secret')).not.toBe(accountOf('sk-other'))
  expect(modelFrom({ ...paid, ...price, kind: 'anthropic' }).model).toMatchObject({
    name: 'small',
    provider: 'api.example.com',
  })
})

test('configured/3: a new key spends from the same purse, and another path of the provider from another', () => {
  const price = { priceIn: 0, priceOut: 0 }
  const purseOf = (more: { readonly apiKey?: string; readonly baseUrl?: string }) =>
    modelFrom({ ...paid, ...price, ...more }).purse
  expect(purseOf({})).toBe('api.example.com/v1/small')
  expect(purseOf({ apiKey: 'sk-new' })).toBe(purseOf({}))
  expect(purseOf({ baseUrl: 'https://api.example.com/tenants/b/v1/' })).toBe('api.example.com/tenants/b/v1/small')
})

test('names that are too long for an actor are cut, and stay apart', () => {
  const namesOf = (model: string) => modelFrom({ ...paid, model, priceIn: 0, priceOut: 0 })
  const [one, other] = [namesOf(`${'ü'.repeat(200)}1`), namesOf(`${'ü'.repeat(200)}2`)]
  for (const name of [one.account, one.purse]) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(128)
  expect(one.purse).not.toBe(other.purse)
  expect(one.account).not.toBe(other.account)
  expect(one.purse).toMatch(/^api\.example\.com\/v1\/ü+~[0-9a-f]{24}$/)
})

test('what nodes ask with one key and then with another is paid from one purse', async () => {
  await using system = await createSystem({ actors: [gates, purses] })
  const { signal } = new AbortController()
  const status = () => purse('127.0.0.1:1/v1/small', { limitUsd: 0.5 }).in(system.runtime).status()
  for (const [n, apiKey] of ['sk-old', 'sk-new'].entries()) {
    const configured = modelFrom({ ...paid, baseUrl: 'http://127.0.0.1:1/v1', apiKey, priceIn: 1, priceOut: 1 })
    const answering = {
      ...configured.model,
      complete: async () => ({ text: 'a', finishReason: 'stop', costUsd: 0.1 }) as const,
    }
    await inCluster({ ...configured, model: answering }, system.runtime).complete({ messages: [] }, { signal })
    expect((await status()).spentUsd).toBeCloseTo(0.1 * (n + 1))
  }
})
