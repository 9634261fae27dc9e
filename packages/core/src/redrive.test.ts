import { expect, test } from 'vitest'
import { addressOf, Subjects } from './address.ts'
import { type DeadLetter, type ListedDeadLetter, packDeadLetter, readDeadLetters } from './dead-letter.ts'
import { seededEntropy } from './entropy.ts'
import { LogUnavailable } from './errors.ts'
import type { Letter } from './letter.ts'
import { memory } from './memory/backend.ts'
import type { Posted } from './outbox.ts'
import { redrive, redriven } from './redrive.ts'
import { manualClock } from './testing/manual-clock.ts'

const to = addressOf('box', 'a')
const dead: DeadLetter = {
  to,
  reason: 'LetterExpired',
  message: 'too late',
  attempts: 1,
  at: 7,
  event: { type: 'put' },
  cause: { correlation: 'c', causation: 'client:c' },
  command: { client: 'sender', n: 3 },
  key: 'k',
}

async function grave(letter: DeadLetter = dead) {
  const clock = manualClock(1_700_000_000_000)
  const { mail, namespace } = await memory().connect({ name: 'r', clock, entropy: seededEntropy('redrive') })
  const subjects = new Subjects(namespace)
  const bury = (id: string) => mail.store(subjects.deadLetters('box'), packDeadLetter(letter), { id })
  await bury('first')
  const posted: Letter[] = []
  const outcome: { next: Posted } = { next: { kind: 'stored' } }
  const outbox = {
    post: async (_: string, given: Letter): Promise<Posted> => {
      posted.push(given)
      return outcome.next
    },
  }
  const list = async (): Promise<ListedDeadLetter[]> => {
    const found: ListedDeadLetter[] = []
    for await (const one of readDeadLetters(mail, subjects)) found.push(one)
    return found
  }
  const [listed] = await list()
  if (listed === undefined) throw new Error('nothing is buried')
  return { listed, list, bury, posted, outcome, parts: { mail, outbox, subjects, clock } }
}

test('redrive/1: it stays on the list until the new letter is stored', async () => {
  const { listed, list, posted, outcome, parts } = await grave()
  outcome.next = { kind: 'failed', error: new LogUnavailable('no leader') }
  await expect(redrive(listed, parts)).rejects.toThrow(LogUnavailable)
  expect(await list()).toEqual([listed])
  outcome.next = { kind: 'stored' }
  expect(await redrive(listed, parts)).toBe(true)
  expect(await list()).toEqual([])
  expect(await redrive(listed, parts)).toBe(false)
  expect(posted).toHaveLength(2)
  expect(posted[1]).toEqual(posted[0])
})

test('redrive/2: the same command each time, also for a letter that is buried twice; another for another letter', async () => {
  const { list, bury, posted, parts } = await grave()
  await bury('second')
  for (const listed of await list()) await redrive(listed, parts)
  expect(posted.map(({ command }) => command)).toEqual([posted[0]?.command, posted[0]?.command])
  const other = { ...dead, position: 1, command: { client: 'sender', n: 4 } }
  expect(redriven(other).command).not.toEqual(posted[0]?.command)
})

test.each([
  ['LetterExpired', 'k'],
  ['Poison', 'k'],
  ['ActorDone', 'k'],
  ['EventNotAccepted', undefined],
  ['ActorFailed', undefined],
])('redrive/3: after %s its key is %s', (reason, key) => {
  expect(redriven({ ...dead, reason, position: 1 }).key).toBe(key)
})

test('redrive/4: event and cause go along, an expiry does not', () => {
  const { event, cause } = dead
  const letter = redriven({ ...dead, position: 1 })
  expect(letter).toEqual({ event, cause, key: 'k', command: { client: letter.command.client, n: 1 } })
})

test('one whose event is not kept stays, and the error says why', async () => {
  const { event: _, ...without } = dead
  const { listed, list, posted, parts } = await grave(without)
  await expect(redrive(listed, parts)).rejects.toMatchObject({ code: 'InvalidEvent', details: { position: 1 } })
  expect(await list()).toEqual([listed])
  expect(posted).toEqual([])
})

test('another letter at its position, of a stream that was made anew, is left alone', async () => {
  const { listed, list, posted, parts } = await grave()
  expect(await redrive({ ...listed, at: listed.at + 1 }, parts)).toBe(false)
  expect(await list()).toHaveLength(1)
  expect(posted).toEqual([])
})
