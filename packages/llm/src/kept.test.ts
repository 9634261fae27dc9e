import { manualClock } from '@troupe/core/testing'
import { expect, test } from 'vitest'
import { Kept } from './kept.ts'

test('kept/1: an entry lives for its time', () => {
  const clock = manualClock()
  const kept = new Kept<number>(clock, { forMs: 100, count: 10, sizeBytes: 0 })
  kept.put('a', 1)
  clock.advance(60)
  kept.put('b', 2)
  clock.advance(39)
  expect([kept.get('a'), kept.get('b')]).toEqual([1, 2])
  clock.advance(1)
  expect([kept.get('a'), kept.has('b'), kept.count]).toEqual([undefined, true, 1])
})

test('kept/1: a new value starts a new time', () => {
  const clock = manualClock()
  const kept = new Kept<number>(clock, { forMs: 100, count: 10, sizeBytes: 0 })
  kept.put('a', 1)
  kept.put('b', 1)
  clock.advance(60)
  kept.put('a', 2)
  clock.advance(60)
  expect([kept.get('a'), kept.get('b')]).toEqual([2, undefined])
})

test('kept/1: the oldest goes when there are too many or too large ones', () => {
  const kept = new Kept<number>(manualClock(), { forMs: 100, count: 3, sizeBytes: 10 })
  for (const [i, key] of ['a', 'b', 'c', 'd'].entries()) kept.put(key, i, 2)
  expect([kept.has('a'), kept.count, kept.sizeBytes]).toEqual([false, 3, 6])
  kept.put('e', 9, 8)
  expect([kept.has('d'), kept.has('e'), kept.sizeBytes]).toEqual([true, true, 10])
  kept.put('f', 9, 11)
  expect([kept.has('f'), kept.count, kept.sizeBytes]).toEqual([false, 2, 10])
})
