import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { modelFrom } from './configured.ts'

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
  expect(accountOf()).toBe('api.example.com/small/no-key')
  expect(accountOf('sk-secret')).toMatch(/^api\.example\.com\/small\/[0-9a-f]{12}$/)
  expect(accountOf('sk-secret')).not.toBe(accountOf('sk-other'))
  expect(modelFrom({ ...paid, ...price, kind: 'anthropic' }).model).toMatchObject({
    name: 'small',
    provider: 'api.example.com',
  })
})
