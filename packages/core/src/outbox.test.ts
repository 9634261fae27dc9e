import { expect, test } from 'vitest'
import { Subjects } from './address.ts'
import { seededEntropy } from './entropy.ts'
import { lettersIn } from './letter.ts'
import { memory } from './memory/backend.ts'
import { Outbox } from './outbox.ts'
import type { Mail, MailOutcome } from './ports.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'

const subjects = new Subjects('default')
const cause = { correlation: 'c', causation: 'c' }
const letter = (n: number, text = `${n}`) => ({ event: { type: 'put', text }, cause, command: { client: 'a/1', n } })

interface Stored {
  readonly id: string
  readonly subject: string
  readonly texts: readonly string[]
}

/** Mail whose next outcomes are told by the test; what it was given is kept. */
async function scripted(clock: ManualClock) {
  const { mail } = await memory().connect({ name: 'outbox', clock, entropy: seededEntropy('outbox') })
  const given: Stored[] = []
  const script: (MailOutcome | Promise<MailOutcome>)[] = []
  const store: Mail['store'] = async (subject, bytes, { id }) => {
    const entry = { subject, position: 1, bytes, headers: {}, storedAt: 0 }
    const texts = lettersIn(entry, 'list/x', '').map(({ content }) =>
      'unreadable' in content ? '?' : String(Reflect.get(Object(content.event), 'text')),
    )
    given.push({ id, subject, texts })
    return (await script.shift()) ?? { kind: 'stored', position: given.length }
  }
  const scriptedMail: Mail = {
    streamId: mail.streamId,
    store,
    schedule: store,
    read: (pattern) => mail.read(pattern),
    next: (subject, from) => mail.next(subject, from),
    waiting: (pattern) => mail.waiting(pattern),
    purge: (subject) => mail.purge(subject),
    remove: (...entry) => mail.remove(...entry),
  }
  const known = new Set(['list', 'other'])
  const outbox = new Outbox({
    mail: scriptedMail,
    subjects,
    clock,
    shardOf: async (address) => (known.has(address.split('/')[0] ?? '') ? 'main-0' : undefined),
  })
  return { outbox, given, script, known }
}

const quiet = async () => {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate)
}
const unknown = { kind: 'unknown', cause: new Error('no answer') } as const

test('outbox/1: one message is under way per pair, and what waits travels together; other pairs do not wait', async () => {
  const { outbox, given, script } = await scripted(manualClock())
  let free = (_: MailOutcome) => {}
  script.push(new Promise<MailOutcome>((resolve) => (free = resolve)))
  const posted = [1, 2, 3].map((n) => outbox.post('list/x', letter(n)))
  const other = outbox.post('other/x', letter(4))
  await quiet()
  expect(await other).toEqual({ kind: 'stored' })
  expect(given.map(({ texts }) => texts)).toEqual([['1'], ['4']])
  free({ kind: 'stored', position: 1 })
  expect(await Promise.all(posted)).toEqual([{ kind: 'stored' }, { kind: 'stored' }, { kind: 'stored' }])
  expect(given.map(({ texts }) => texts)).toEqual([['1'], ['4'], ['2', '3']])
})

test('outbox/2: an unknown outcome is followed by the same bytes under the same id, before anything later', async () => {
  const clock = manualClock()
  const { outbox, given, script } = await scripted(clock)
  script.push(unknown, unknown)
  const posted = [1, 2].map((n) => outbox.post('list/x', letter(n)))
  for (let i = 0; i < 5; i++) {
    await quiet()
    clock.advance(1_000)
  }
  await Promise.all(posted)
  expect(given.map(({ texts }) => texts)).toEqual([['1'], ['1'], ['1'], ['2']])
  expect(new Set(given.slice(0, 3).map(({ id }) => id)).size).toBe(1)
  expect(given[0]?.id).not.toBe(given[3]?.id)
})

test('outbox/2: ids differ between senders and receivers', async () => {
  const { outbox, given } = await scripted(manualClock())
  await outbox.post('list/x', letter(1))
  await outbox.post('list/x', { ...letter(1), command: { client: 'a/2', n: 1 } })
  await outbox.post('list/y', letter(2))
  expect(new Set(given.map(({ id }) => id)).size).toBe(3)
  for (const { id } of given) expect(id).toMatch(/^[A-Za-z0-9_=-]+$/)
})

test('outbox/3: a letter with a deadline is given up, outcome unknown; one without is tried until the node stops', async () => {
  const clock = manualClock()
  const { outbox, script } = await scripted(clock)
  script.push(...Array.from({ length: 200 }, () => unknown))
  const dated = outbox.post('list/x', letter(1), 10_000)
  let over: unknown
  void outbox.post('other/x', letter(2)).then((posted) => (over = posted))
  for (let i = 0; i < 15; i++) {
    await quiet()
    clock.advance(1_000)
  }
  expect(await dated).toMatchObject({ kind: 'failed', error: { code: 'Timeout', applied: 'unknown' } })
  await quiet()
  expect(over).toBeUndefined()
  outbox.stop()
  clock.advance(2_000)
  await quiet()
  expect(over).toMatchObject({ kind: 'failed', error: { code: 'SystemStopped' } })
})

test('a letter that is too large fails alone, and the next one goes on', async () => {
  const { outbox, given } = await scripted(manualClock())
  const large = outbox.post('list/x', letter(1, 'x'.repeat(800_000)))
  const next = outbox.post('list/x', letter(2))
  expect(await large).toMatchObject({ kind: 'failed', error: { code: 'MessageTooLarge', applied: 'no' } })
  expect(await next).toEqual({ kind: 'stored' })
  expect(given.map(({ texts }) => texts)).toEqual([['2']])
})

test('a send to a type that nobody serves yet waits; a delivery to it fails', async () => {
  const clock = manualClock()
  const { outbox, known } = await scripted(clock)
  expect(await outbox.post('new/x', letter(1), 30_000)).toMatchObject({ error: { code: 'TypeNotServed' } })
  const sent = outbox.post('new/x', letter(2))
  await quiet()
  known.add('new')
  for (let i = 0; i < 3; i++) {
    clock.advance(1_000)
    await quiet()
  }
  expect(await sent).toEqual({ kind: 'stored' })
})
