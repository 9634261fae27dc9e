import { describe, expect, test } from 'vitest'
import { type Budget, bounded, costNanoUsd, openBudget, priceOf, reserve, settle, upperNanoUsd } from './budget.ts'
import type { ModelRequest } from './model.ts'

const price = { inPerMillion: 0.15, outPerMillion: 0.6 }
const request = (content: string, maxTokens = 100): ModelRequest & { readonly maxTokens: number } => ({
  messages: [{ role: 'user', content }],
  maxTokens,
})

/** Numbers in [0, 1) that are the same in every run. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    yield state / 2 ** 32
  }
}

describe('budget', () => {
  test('budget/1: spent and reserved together never pass the limit, whatever order calls end in', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const next = numbers(seed)
      const limitUsd = next.next().value * 0.01
      let budget: Budget = openBudget(limitUsd, price)
      const held: number[] = []
      let refusals = 0
      for (let step = 0; step < 200; step++) {
        if (next.next().value < 0.6) {
          const upper = upperNanoUsd(request('x'.repeat(next.next().value * 5000)), price)
          try {
            budget = reserve(budget, upper)
            held.push(upper)
          } catch (error) {
            refusals += 1
            expect(error).toMatchObject({ code: 'BudgetExceeded', retryable: false, applied: 'no' })
          }
        } else {
          const [upper] = held.splice(Math.floor(next.next().value * held.length), 1)
          const share = next.next().value
          if (upper !== undefined) budget = settle(budget, upper, share < 0.2 ? undefined : Math.floor(upper * share))
        }
        expect(budget.spentNanoUsd + budget.reservedNanoUsd).toBeLessThanOrEqual(budget.limitNanoUsd)
        expect(budget.reservedNanoUsd).toBe(held.reduce((sum, upper) => sum + upper, 0))
      }
      expect(refusals).toBeGreaterThan(0)
    }
  })

  test('budget/2: the reservation is above the cost of any answer within the limits', () => {
    for (const text of ['', 'plain words', 'üöä€', '👍🏽'.repeat(50)]) {
      const upper = upperNanoUsd(request(text, 50), price)
      // At most one token per byte, and the longest answer.
      const usage = { promptTokens: Buffer.byteLength(text) + 10, completionTokens: 50 }
      expect(costNanoUsd({ text: '', finishReason: 'stop', usage }, price)).toBeLessThanOrEqual(upper)
    }
  })

  test('budget/2: a request without its own limit gets one', () => {
    expect(bounded({ messages: [] }).maxTokens).toBe(4096)
    expect(bounded({ messages: [], maxTokens: 9 }).maxTokens).toBe(9)
  })

  test('budget/2: an overrun is counted and stops the next call', () => {
    const budget = settle(reserve(openBudget(1, price), 1000), 1000, 2e9)
    expect(budget.spentNanoUsd).toBe(2e9)
    expect(() => reserve(budget, 1)).toThrow(/0\.00 USD of 1\.00 USD are left.*TROUPE_BUDGET_USD/)
  })

  test.each([8e15, Number.NaN, 0.5])('budget/5: an answer of at most %s tokens is refused', (maxTokens) => {
    expect(() => bounded({ messages: [], maxTokens })).toThrow(/maxTokens is .* up to 10000000/)
  })

  test('budget/5: a cost that no sum can hold is refused, and one that a provider says is unknown', () => {
    const dear = { inPerMillion: 1e12, outPerMillion: 1e12 }
    expect(() => upperNanoUsd(request('x'), dear)).toThrow(/no budget can hold/)
    const answer = { text: '', finishReason: 'stop' } as const
    const most = Number.MAX_SAFE_INTEGER
    for (const promptTokens of [most, Number.NaN, -1, 1.5]) {
      expect(costNanoUsd({ ...answer, usage: { promptTokens, completionTokens: 1 } }, price)).toBeUndefined()
    }
    for (const costUsd of [1e300, Number.NaN, -1]) expect(costNanoUsd({ ...answer, costUsd }, price)).toBeUndefined()
  })

  test('budget/3: an unknown outcome counts with all it held', () => {
    expect(settle(reserve(openBudget(1, price), 500), 500, undefined)).toMatchObject({
      spentNanoUsd: 500,
      reservedNanoUsd: 0,
    })
  })

  test('a limit of 0 allows free calls only', () => {
    const free = { inPerMillion: 0, outPerMillion: 0 }
    const budget = openBudget(0, free)
    expect(reserve(budget, upperNanoUsd(request('x'), free))).toEqual(budget)
    expect(() => reserve(openBudget(0, price), upperNanoUsd(request('x'), price))).toThrow(/may cost up to/)
  })

  test("the provider's own figure wins over usage times price", () => {
    const usage = { promptTokens: 1_000_000, completionTokens: 0 }
    expect(costNanoUsd({ text: '', finishReason: 'stop', usage }, price)).toBe(150_000_000)
    expect(costNanoUsd({ text: '', finishReason: 'stop', usage, costUsd: 0.01 }, price)).toBe(10_000_000)
    expect(costNanoUsd({ text: '', finishReason: 'stop' }, price)).toBeUndefined()
  })

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('a limit of %d is refused', (limit) => {
    expect(() => openBudget(limit, price)).toThrow(/limitUsd is .* 0 or more/)
  })
})

describe('prices', () => {
  const table = { known: price }
  test('come from the operator, else from the table', () => {
    expect(priceOf('known', {}, table)).toEqual(price)
    expect(priceOf('known', { in: 1, out: 2 }, table)).toEqual({ inPerMillion: 1, outPerMillion: 2 })
  })

  test.each([['other', {}] as const, ['known', { in: 1 }] as const, ['constructor', {}] as const])(
    'budget/4: of %s with %j are not guessed',
    (model, given) => {
      expect(() => priceOf(model, given, table)).toThrow(/TROUPE_PRICE_IN and TROUPE_PRICE_OUT/)
    },
  )
})
