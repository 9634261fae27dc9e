import { beforeAll, describe, expect, test } from 'vitest'
import { installTape, play, record, TapeMismatch } from './tape.ts'

beforeAll(installTape)

const half = () => 0.5
const keep = <T>(step: () => T, now = 1_000): { value: T; draws: readonly (number | string)[] } => {
  const values: T[] = []
  const { draws } = record(now, half, () => void values.push(step()))
  const [value] = values
  if (value === undefined) throw new Error('the step made nothing')
  return { value, draws }
}

describe('tape/1: during a step the time stands still at `now`', () => {
  test('Date.now, new Date, and dates that are given keep their meaning', () => {
    const { value } = keep(() => [Date.now(), new Date().toISOString(), new Date(5).getTime(), Date.UTC(1970, 0, 2)])
    expect(value).toEqual([1_000, '1970-01-01T00:00:01.000Z', 5, 86_400_000])
    expect(Date.now()).toBeGreaterThan(1e12)
    expect(new Date() instanceof Date).toBe(true)
    expect(keep(() => new Date() instanceof Date && Object.prototype.toString.call(new Date())).value).toBe(
      '[object Date]',
    )
  })

  test('a step that throws gives the time back', () => {
    const failing = () => {
      throw new Error('in the step')
    }
    expect(() => record(1, half, failing)).toThrow('in the step')
    expect(() => play({ now: 1, draws: [] }, failing)).toThrow('in the step')
    expect(Date.now()).toBeGreaterThan(1e12)
  })
})

describe('tape/2: a fold draws exactly what the step drew, in the same order', () => {
  const draws = () => [Math.random(), crypto.randomUUID(), Math.random(), crypto.randomUUID(), Date.now()]

  test('the same values come back', () => {
    const recorded = keep(draws)
    expect(recorded.draws).toHaveLength(4)
    expect(recorded.draws[0]).toBe(0.5)
    const folded: unknown[] = []
    play({ now: 1_000, draws: recorded.draws }, () => void folded.push(draws()))
    expect(folded).toEqual([recorded.value])
  })

  test.each([
    ['more', [0.1], () => [Math.random(), Math.random()]],
    ['fewer', [0.1, 0.2], () => [Math.random()]],
    ['none of those there are', [0.1], () => []],
    ['a number where an id was drawn', ['7f2c0d7e-0000-4000-8000-000000000000'], () => [Math.random()]],
    ['an id where a number was drawn', [0.1], () => [crypto.randomUUID()]],
  ])('%s is a mismatch', (_, recorded, step) => {
    expect(() => play({ now: 1, draws: recorded }, () => void step())).toThrow(TapeMismatch)
  })

  test('a mismatch is told even if the step swallows it', () => {
    const swallowing = () => {
      try {
        crypto.randomUUID()
      } catch {}
    }
    expect(() => play({ now: 1, draws: [0.1] }, swallowing)).toThrow(TapeMismatch)
  })
})

test('a step inside a step has its own tape, and the outer one goes on after it', () => {
  const inner: unknown[] = []
  const outer = keep(() => {
    const first = Math.random()
    inner.push(keep(() => [Date.now(), Math.random()], 7).value)
    return [first, Date.now(), Math.random()]
  })
  expect(inner).toEqual([[7, 0.5]])
  expect(outer).toEqual({ value: [0.5, 1_000, 0.5], draws: [0.5, 0.5] })
})

test('outside a step the globals behave as before', () => {
  const values = new Set(Array.from({ length: 100 }, () => Math.random()))
  expect(values.size).toBe(100)
  expect(crypto.randomUUID()).not.toBe(crypto.randomUUID())
  installTape()
  expect(keep(() => [Math.random()]).draws).toEqual([0.5])
})
