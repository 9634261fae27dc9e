import { expect, test } from 'vitest'
import { Ledger } from './ledger.ts'

test('adds up per job and in all', () => {
  const ledger = new Ledger()
  ledger.add('a', { calls: 1, promptTokens: 10, completionTokens: 2, costUsd: 0.5 })
  ledger.add('a', { cacheHits: 1 })
  ledger.add('b', { calls: 1, failed: 1 })
  expect(ledger.job('a')).toMatchObject({ calls: 1, cacheHits: 1, promptTokens: 10, completionTokens: 2, costUsd: 0.5 })
  expect(ledger.total).toMatchObject({ calls: 2, failed: 1, cacheHits: 1 })
  expect(ledger.job('none').calls).toBe(0)
})

test('ledger/1: forgets the job idle longest, but none of its calls', () => {
  const ledger = new Ledger({ maxJobs: 2 })
  for (const job of ['a', 'b', 'a', 'c', 'd']) ledger.add(job, { calls: 1 })
  expect([...ledger.jobs.keys()]).toEqual(['c', 'd'])
  expect(ledger.forgotten.calls).toBe(3)
  expect(ledger.total.calls).toBe(5)
})
