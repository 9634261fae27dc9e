import { expect, test } from 'vitest'
import { seededEntropy } from './entropy.ts'
import { Mailbox } from './mailbox.ts'
import { randomOf } from './testing/random-data.ts'

const message = (id: number, sizeBytes = 1) => ({ id, sizeBytes })

test('mailbox/1: the user lane refuses above its bounds and never drops', () => {
  const mailbox = new Mailbox<number, ReturnType<typeof message>>({ messages: 3, bytes: 10 })
  expect([message(1, 4), message(2, 4), message(3, 3), message(4, 2)].map((m) => mailbox.offer(m))).toEqual([
    true,
    true,
    false, // 11 bytes
    true,
  ])
  expect(mailbox.offer(message(5, 0))).toBe(false) // a fourth message
  expect([mailbox.takeUser()?.id, mailbox.takeUser()?.id, mailbox.takeUser()?.id]).toEqual([1, 2, 4])
  expect(mailbox.takeUser()).toBeUndefined()
})

test('mailbox/1: an empty one takes any message, so that none can stand before the others for ever', () => {
  const mailbox = new Mailbox<number, ReturnType<typeof message>>({ messages: 3, bytes: 10 })
  expect([mailbox.offer(message(1, 99)), mailbox.offer(message(2, 1))]).toEqual([true, false])
})

test('mailbox/2: the system lane has no bound here and does not count', () => {
  const mailbox = new Mailbox<number, ReturnType<typeof message>>({ messages: 0, bytes: 0 })
  for (let i = 0; i < 1_000; i++) mailbox.offerSystem(i)
  expect([mailbox.depth, mailbox.empty, mailbox.takeSystem(), mailbox.takeSystem()]).toEqual([0, false, 0, 1])
})

test.each([1, 2, 3])('against two plain lists (seed %i)', (seed) => {
  const random = randomOf(seededEntropy(seed))
  const limits = { messages: 200, bytes: 2_000 }
  const mailbox = new Mailbox<number, ReturnType<typeof message>>(limits)
  let users: ReturnType<typeof message>[] = []
  let systems: number[] = []
  for (let i = 0; i < 20_000; i++) {
    // Long runs of one kind, so that the lane grows beyond its compaction and empties again.
    const filling = Math.floor(i / 500) % 2 === 0
    const action = random.int(100)
    if (action < (filling ? 70 : 25)) {
      const next = message(i, random.int(30))
      const bytes = users.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      const fits = users.length === 0 || (users.length < limits.messages && bytes + next.sizeBytes <= limits.bytes)
      expect(mailbox.offer(next)).toBe(fits)
      if (fits) users.push(next)
    } else if (action < 95) expect(mailbox.takeUser()).toBe(users.shift())
    else if (action < 97) {
      mailbox.offerSystem(i)
      systems.push(i)
    } else if (action < 99) expect(mailbox.takeSystem()).toBe(systems.shift())
    else if (random.int(20) === 0) {
      expect(mailbox.drain()).toEqual(users)
      users = []
      systems = []
    }
    expect(mailbox.depth).toBe(users.length)
    expect(mailbox.empty).toBe(users.length + systems.length === 0)
  }
})
