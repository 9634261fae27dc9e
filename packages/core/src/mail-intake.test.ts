import { expect, test } from 'vitest'
import { Subjects } from './address.ts'
import { seededEntropy } from './entropy.ts'
import { packLetters } from './letter.ts'
import { MailIntake } from './mail-intake.ts'
import { memory } from './memory/backend.ts'
import type { Mail } from './ports.ts'
import { manualClock } from './testing/manual-clock.ts'

const ADDRESS = 'box/a'
const subject = new Subjects('default').mail('main-0', ADDRESS)

/** An intake whose reader sees nothing from `lag.from` on, as one on a replica that lags. */
async function intake() {
  const clock = manualClock(1_700_000_000_000)
  const { mail } = await memory().connect({ name: 'intake', clock, entropy: seededEntropy('intake') })
  const lag = { from: Number.POSITIVE_INFINITY }
  let failing = 0
  const lagging: Mail = {
    streamId: mail.streamId,
    store: (to, data, options) => mail.store(to, data, options),
    schedule: (to, data, options) => mail.schedule(to, data, options),
    read: async function* (pattern, options) {
      for await (const entry of mail.read(pattern, options)) if (entry.position < lag.from) yield entry
    },
    next: async (of, from) => {
      if (failing-- > 0) throw new Error('no leader now')
      return mail.next(of, from)
    },
    waiting: (pattern) => mail.waiting(pattern),
    purge: (of, upTo) => mail.purge(of, upTo),
    remove: (...entry) => mail.remove(...entry),
  }
  const taken: number[] = []
  const it = new MailIntake({
    address: ADDRESS,
    subject,
    mail: lagging,
    clock,
    offer: ({ position }) => taken.push(position) > 0,
  })
  let ids = 0
  const store = async (): Promise<number> => {
    const id = `${++ids}`
    const cause = { correlation: 'c', causation: 'c' }
    const bytes = packLetters([{ event: { type: 'put' }, cause, command: { client: 'x', n: ids } }])
    const outcome = await mail.store(subject, bytes, { id })
    if (outcome.kind !== 'stored') throw outcome.cause
    return outcome.position
  }
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 50) {
      for (let i = 0; i < 8; i++) await new Promise(setImmediate)
      clock.advance(50)
    }
    for (let i = 0; i < 8; i++) await new Promise(setImmediate)
  }
  return { it, mail, lag, taken, store, pass, failNext: (times: number) => (failing = times) }
}

test('mail-intake/2: a letter that replicas do not show for long is taken before those that follow', async () => {
  const { it, lag, taken, store, pass } = await intake()
  it.begin(0)
  lag.from = 1
  const first = await store()
  it.heard(first)
  await pass(2_000)
  lag.from = Number.POSITIVE_INFINITY
  const second = await store()
  it.heard(second)
  await pass(2_000)
  expect(taken).toEqual([first, second])
  expect(it.idle).toBe(true)
})

test('mail-intake/2: while the leader is not there either, nothing is passed over', async () => {
  const { it, lag, taken, store, pass, failNext } = await intake()
  it.begin(0)
  lag.from = 1
  failNext(2)
  const first = await store()
  for (let i = 0; i < 2; i++) {
    it.heard(first)
    await pass(1_000)
    expect(it.idle).toBe(false)
  }
  it.heard(first)
  await pass(1_000)
  expect(taken).toEqual([first])
})

test('mail-intake/2: what was purged is passed over', async () => {
  const { it, mail, taken, store, pass } = await intake()
  it.begin(0)
  const first = await store()
  await mail.purge(subject)
  it.heard(first)
  await pass(1_000)
  expect(it.idle).toBe(true)
  const second = await store()
  it.heard(second)
  await pass(100)
  expect(taken).toEqual([second])
})
