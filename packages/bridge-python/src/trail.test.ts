import { expect, test } from 'vitest'
import { Trail } from './trail.ts'

const call = (n: number, spans = 0) => ({
  fn: 'f',
  worker: `w${n}`,
  wallMs: n,
  ...(spans > 0 && { spans: Array.from({ length: spans }, (_, id) => ({ id: `${id}`, text: 'x'.repeat(980) })) }),
})

test('trail/1: a call of a repeated effect finds the id of the first run; the same call twice in one effect has two', () => {
  const ids = () => {
    const trail = new Trail()
    return [trail.idOf('e', 'f', { a: 1 }), trail.idOf('e', 'f', { a: 2 }), trail.idOf('e', 'f', { a: 1 })]
  }
  expect(ids()).toEqual(ids())
  expect(new Set(ids()).size).toBe(3)
  expect(ids()[2]).toBe(`${ids()[0]}:2`)
})

test('trail/2: the newest call is on top, the others follow in their order', () => {
  const trail = new Trail()
  expect(trail.add(call(1))).toEqual(call(1))
  trail.add(call(2))
  expect(trail.add(call(3))).toEqual({ ...call(3), earlier: [call(1), call(2)] })
})

test('trail/2: a record has room for so many spans; what was left out is counted', () => {
  const trail = new Trail()
  trail.add(call(1, 100))
  const record = trail.add(call(2, 100))
  expect(record.spans).toHaveLength(100)
  const [first] = record.earlier ?? []
  expect((first?.spans?.length ?? 0) + (first?.dropped ?? 0)).toBe(100)
  expect(first?.dropped).toBeGreaterThan(50)
  expect(JSON.stringify(record).length).toBeLessThan(140_000)
})
