import { expect, test } from 'vitest'
import { manualClock } from './manual-clock.ts'

test('1: what is due runs in order of time, then of setting, each at its own time; what it sets runs too', () => {
  const clock = manualClock(1_000)
  const ran: (string | number)[] = []
  const note = (name: string) => () => void ran.push(name, clock.now(), clock.monotonic())
  clock.after(20, note('late'))
  clock.after(10, () => {
    note('first')()
    clock.after(5, note('inner'))
    clock.after(50, note('beyond'))
  })
  clock.after(10, note('second'))
  clock.after(15, note('cancelled')).cancel()
  clock.advance(9)
  expect(ran).toEqual([])
  clock.advance(21)
  expect(ran).toEqual(['first', 1_010, 10, 'second', 1_010, 10, 'inner', 1_015, 15, 'late', 1_020, 20])
  expect([clock.now(), clock.waiting]).toEqual([1_030, 1])
})

test('the wall clock can be set without a timer noticing', () => {
  const clock = manualClock(1_000)
  let ran = 0
  clock.after(10, () => ran++)
  clock.shiftWall(-500)
  expect([clock.now(), clock.monotonic()]).toEqual([500, 0])
  clock.advance(10)
  expect(ran).toBe(1)
})
