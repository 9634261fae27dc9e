import { expect, test } from 'vitest'
import { type Address, type ShardName, Subjects } from './address.ts'
import { seededEntropy } from './entropy.ts'
import { MailRoom } from './mail-room.ts'
import { memory } from './memory/backend.ts'
import type { Mail } from './ports.ts'
import { manualClock } from './testing/manual-clock.ts'

const subjects = new Subjects('default')
const ADDRESS: Address = 'box/a'
const SHARD: ShardName = 'main-0'
const mailSubject = subjects.mail(SHARD, ADDRESS)

async function room() {
  const clock = manualClock(1_700_000_000_000)
  const entropy = seededEntropy('room')
  const { mail, bus } = await memory().connect({ name: 'room', clock, entropy })
  const open = new Set<ShardName>()
  const heard: [string, number][] = []
  const woken: string[] = []
  const purged: [string, number | undefined][] = []
  let failing = 0
  const counting: Mail = {
    streamId: mail.streamId,
    store: (subject, data, options) => mail.store(subject, data, options),
    schedule: (subject, data, options) => mail.schedule(subject, data, options),
    read: (pattern, options) => mail.read(pattern, options),
    next: (subject, from) => mail.next(subject, from),
    waiting: (pattern) => mail.waiting(pattern),
    remove: (...entry) => mail.remove(...entry),
    purge: async (subject, upTo) => {
      if (failing-- > 0) throw new Error('no leader now')
      purged.push([subject, upTo])
      await mail.purge(subject, upTo)
    },
  }
  const it = new MailRoom({
    connection: { mail: counting, bus },
    subjects,
    clock,
    entropy,
    shardOf: () => SHARD,
    isOpen: (shard) => open.has(shard),
    onMail: (address, position) => heard.push([address, position]),
    onWakeUp: (address) => woken.push(address),
    onLog: () => {},
  })
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 500) {
      clock.advance(Math.min(left, 500))
      for (let i = 0; i < 8; i++) await new Promise(setImmediate)
    }
  }
  const opened = () => {
    open.add(SHARD)
    return it.open(SHARD)
  }
  const fail = (times: number) => (failing = times)
  let ids = 0
  const store = async () => {
    const outcome = await mail.store(mailSubject, new Uint8Array(), { id: `${++ids}` })
    return outcome.kind === 'stored' ? outcome.position : 0
  }
  return { it, mail, clock, open, heard, woken, purged, pass, opened, store, fail }
}

test('room/1: what lay there before the shard was opened is listed, what comes later is noticed', async () => {
  const { heard, pass, opened, store } = await room()
  const first = await store()
  await pass(10_000)
  expect(heard).toEqual([])
  opened()
  await pass(500)
  expect(heard).toEqual([[ADDRESS, first]])
  const second = await store()
  await pass(1)
  expect(heard.at(-1)).toEqual([ADDRESS, second])
})

test('room/2: what is not consumed is announced again, what is consumed is not', async () => {
  const { it, heard, pass, opened, store } = await room()
  opened()
  const position = await store()
  await pass(1)
  heard.length = 0
  await pass(6_000)
  expect(heard.length).toBeGreaterThan(0)
  it.consumed(ADDRESS, position)
  await pass(1_500)
  heard.length = 0
  await pass(20_000)
  expect(heard).toEqual([])
})

test('room/3: purging comes later, once for many, and a failure is tried again', async () => {
  const { it, purged, pass, opened, store, fail } = await room()
  opened()
  const positions = [await store(), await store(), await store()]
  for (const position of positions) it.consumed(ADDRESS, position)
  expect(purged).toEqual([])
  fail(1)
  await pass(3_000)
  expect(purged).toEqual([[mailSubject, positions[2]]])
})

test('room/4: a later wake-up does not replace an earlier one, an earlier one does; nothing is kept over a change of owner', async () => {
  const { it, clock, mail, woken, pass, opened } = await room()
  const subscription = opened()
  const planned = async () => {
    const found: number[] = []
    for await (const { position } of mail.read(subjects.schedule(SHARD, ADDRESS, 'wake'))) found.push(position)
    return found
  }
  const now = clock.now()
  expect(await it.planWakeUp(ADDRESS, now + 60_000)).toBe(true)
  const [first] = await planned()
  expect(await it.planWakeUp(ADDRESS, now + 90_000)).toBe(true)
  expect(await planned()).toEqual([first])
  expect(await it.planWakeUp(ADDRESS, now + 30_000)).toBe(true)
  const [second] = await planned()
  expect(second).not.toBe(first)
  // Another owner has replaced it by a later one, and the shard comes back.
  await mail.schedule(subjects.schedule(SHARD, ADDRESS, 'wake'), new Uint8Array(), {
    id: 'other',
    at: now + 80_000,
    target: subjects.wakeUp(SHARD, ADDRESS),
  })
  subscription.unsubscribe()
  opened()
  expect(await it.planWakeUp(ADDRESS, now + 40_000)).toBe(true)
  await pass(39_000)
  expect(woken).toEqual([])
  await pass(1_500)
  expect(woken.length).toBeGreaterThan(0)
  // Told again until the actor is awake, then taken away.
  await pass(10_000)
  expect(woken.length).toBeGreaterThan(1)
  it.awake(ADDRESS)
  await pass(2_000)
  woken.length = 0
  await pass(60_000)
  expect(woken).toEqual([])
})
