import { expect, test } from 'vitest'
import { seededEntropy } from './entropy.ts'
import { randomOf } from './testing/random-data.ts'
import { type Place, WaitingList } from './waiting-list.ts'

test.each([1, 2, 3])('keeps the order of arrival whoever leaves, like an array (seed %i)', (seed) => {
  const random = randomOf(seededEntropy(seed))
  const list = new WaitingList<number>()
  const places = new Map<number, Place<number>>()
  for (let n = 0; n < 2_000; n++) {
    if (random.int(2) === 0) places.set(n, list.add(n))
    else {
      const [leaving] = [...places].slice(random.int(Math.max(1, places.size)))
      if (leaving === undefined) continue
      expect(list.leave(leaving[1])).toBe(true)
      expect(list.leave(leaving[1])).toBe(false)
      places.delete(leaving[0])
    }
    expect([...list]).toEqual([...places.keys()])
    expect(list.empty).toBe(places.size === 0)
  }
})

test('who leaves while the list is walked is not met any more; who joins waits for the next walk', () => {
  const list = new WaitingList<string>()
  list.add('a')
  const b = list.add('b')
  const met: string[] = []
  for (const one of list) {
    met.push(one)
    list.leave(b)
    if (met.length === 1) list.add('c')
  }
  expect(met).toEqual(['a'])
  expect([...list]).toEqual(['a', 'c'])
})
