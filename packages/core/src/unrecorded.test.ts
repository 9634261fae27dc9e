import { expect, test } from 'vitest'
import type { OpenSend } from './settlement.ts'
import { manualClock } from './testing/manual-clock.ts'
import { Unrecorded } from './unrecorded.ts'

test('unrecorded/1: a send that is stored is not given out again before a step has recorded it', async () => {
  const clock = manualClock()
  const given: OpenSend[] = []
  let due = 0
  const unrecorded = new Unrecorded({
    clock,
    onSend: async (send) => given.push(send) > 0,
    mailStream: undefined,
    alive: () => true,
    onDue: () => (due += 1),
  })
  const send = { n: 1, to: 'note/a', event: null, correlation: '', step: 's#1:1', at: 0 } as const
  unrecorded.deliver(send)
  unrecorded.deliver(send) // on its way
  await Promise.resolve()
  unrecorded.deliver(send) // stored: a tree that begins again finds it open
  expect([given.length, unrecorded.deliveredSends, unrecorded.due]).toEqual([1, 1, false])
  clock.advance(5_000)
  expect([due, unrecorded.due]).toEqual([1, true])
})
