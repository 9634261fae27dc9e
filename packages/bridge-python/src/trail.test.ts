import { expect, test } from 'vitest'
import { CallIds, CallRecord, Trails } from './trail.ts'

const call = (n: number, spans = 0) => ({
  fn: 'f',
  worker: `w${n}`,
  wallMs: n,
  ...(spans > 0 && { spans: Array.from({ length: spans }, (_, id) => ({ id: `${id}`, text: 'x'.repeat(980) })) }),
})

test('trail/1: a call of a repeated effect finds the id of the first run; the same call twice in one effect has two', () => {
  const ids = () => {
    const made = new CallIds()
    return [made.of('e', 'f', { a: 1 }), made.of('e', 'f', { a: 2 }), made.of('e', 'f', { a: 1 })]
  }
  expect(ids()).toEqual(ids())
  expect(new Set(ids()).size).toBe(3)
  expect(ids()[2]).toBe(`${ids()[0]}:2`)
})

test('trail/2: the newest call is on top, the others follow in their order', () => {
  const calls = new CallRecord()
  expect(calls.add(call(1))).toEqual(call(1))
  calls.add(call(2))
  expect(calls.add(call(3))).toMatchObject({ ...call(3), earlier: [call(1), call(2)] })
})

test('trail/2: a record has room for so many spans; what was left out is counted', () => {
  const calls = new CallRecord()
  calls.add(call(1, 100))
  const record = calls.add(call(2, 100))
  expect(record.spans).toHaveLength(100)
  const [first] = record.earlier ?? []
  expect((first?.spans?.length ?? 0) + (first?.dropped ?? 0)).toBe(100)
  expect(first?.dropped).toBeGreaterThan(50)
  expect(JSON.stringify(record).length).toBeLessThan(140_000)
})

test('trail/2: merged into the record of the effect, no call has the spans of another', () => {
  const calls = new CallRecord()
  const record = { ...calls.add({ ...call(1, 2), dropped: 3, runs: 2 }), ...calls.add(call(2)) }
  expect(record).toMatchObject({ worker: 'w2', spans: [], dropped: 0, runs: 1 })
  expect(record.earlier).toEqual([{ ...call(1, 2), dropped: 3, runs: 2 }])
})

test('trail/1, trail/2: a try that begins again finds the ids of the one before, and adds to its record', () => {
  const trails = new Trails()
  const evidence = () => {}
  const tried = () => {
    const context = { signal: new AbortController().signal, evidence }
    return { id: trails.idsOf(context).of('e', 'f', {}), record: trails.recordOf(context).add(call(1)) }
  }
  const [first, second] = [tried(), tried()]
  expect(second.id).toBe(first.id)
  expect([first.record.earlier, second.record.earlier]).toEqual([undefined, [call(1)]])
})
