/** What every `Mail` does. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Address, addressOf, Subjects } from '../address.ts'
import { Disconnected, MessageTooLarge } from '../errors.ts'
import { type MailNotice, noticeIn } from '../mail-notice.ts'
import { type Connection, type MailEntry, PAYLOAD_BYTES } from '../ports.ts'
import { eventually } from './eventually.ts'
import { bytes, type TestWorld, text } from './world.ts'

export function mailConformance(name: string, make: () => Promise<TestWorld>): void {
  describe(`mail: ${name}`, () => {
    let world: TestWorld
    let a: Connection
    let b: Connection
    let subjects: Subjects
    let shard: `main-${number}`
    let to: string
    let tests = 0
    let ids = 0
    beforeAll(async () => {
      world = await make()
      a = await world.connect()
      b = await world.connect()
      subjects = new Subjects(a.namespace)
    })
    beforeEach(() => {
      tests += 1
      shard = `main-${tests}`
      to = subjects.mail(shard, box('a'))
    })
    afterAll(() => world?.end())

    const box = (key: string): Address => addressOf('box', key)
    const freshId = (): string => `id-${++ids}`
    const store = async (subject: string, data: string, id = freshId()): Promise<number> => {
      const outcome = await a.mail.store(subject, bytes(data), { id })
      if (outcome.kind !== 'stored') throw new Error(`mail '${data}' to ${subject}: ${JSON.stringify(outcome)}`)
      return outcome.position
    }
    const all = async (entries: AsyncIterable<MailEntry>): Promise<string[]> => {
      const found: string[] = []
      for await (const entry of entries) found.push(text(entry.bytes))
      return found
    }
    const listen = async (connection: Connection): Promise<MailNotice[]> => {
      const heard: MailNotice[] = []
      connection.bus.subscribe(subjects.notices(shard), (message) => {
        const notice = noticeIn(message)
        if (notice !== undefined) heard.push(notice)
      })
      await connection.bus.flush()
      return heard
    }

    test('stores in order and gives back what came, with its headers', async () => {
      const data = bytes('first')
      const outcome = await a.mail.store(to, data, { id: freshId(), headers: { 'content-type': 'x' } })
      data.fill(0)
      await store(to, 'second')
      const found: MailEntry[] = []
      for await (const entry of b.mail.read(to)) found.push(entry)
      expect(found.map((entry) => text(entry.bytes))).toEqual(['first', 'second'])
      expect(found[0]).toMatchObject({ subject: to, headers: { 'content-type': 'x' } })
      expect(outcome).toEqual({ kind: 'stored', position: found[0]?.position })
      expect(Object.keys(found[1]?.headers ?? {})).toEqual([])
    })

    test('stores once what comes twice under one id, and tells the first position', async () => {
      const id = freshId()
      const first = await store(to, 'once', id)
      expect(await b.mail.store(to, bytes('once'), { id })).toEqual({ kind: 'stored', position: first })
      expect(await all(b.mail.read(to))).toEqual(['once'])
    })

    test('reads one subject from a position on, also many', async () => {
      const positions: number[] = []
      for (let i = 0; i < 150; i++) {
        positions.push(await store(to, String(i)))
        if (i % 3 === 0) await store(subjects.mail(shard, box('b')), 'other')
      }
      expect(await all(b.mail.read(to))).toEqual(Array.from({ length: 150 }, (_, i) => String(i)))
      expect(await all(b.mail.read(to, { from: (positions[100] ?? 0) + 1 }))).toHaveLength(49)
      expect(await all(b.mail.read(to, { from: (positions[149] ?? 0) + 1 }))).toEqual([])
      expect(await all(b.mail.read(subjects.mail(shard, box('none'))))).toEqual([])
    })

    test('tells the next entry of a subject from a position on, or that there is none', async () => {
      const first = await store(to, '1')
      await store(subjects.mail(shard, box('b')), 'other')
      const second = await store(to, '2')
      expect(await b.mail.next(to, 1)).toMatchObject({ subject: to, position: first })
      const found = await b.mail.next(to, first + 1)
      expect(found).toMatchObject({ subject: to, position: second, headers: {} })
      expect(text(found?.bytes ?? bytes(''))).toBe('2')
      expect(await b.mail.next(to, second + 1)).toBeUndefined()
      await a.mail.purge(to)
      expect(await b.mail.next(to, 1)).toBeUndefined()
    })

    test('gives notice of each stored message on the subject of its shard', async () => {
      const heard = await listen(b)
      const position = await store(to, 'x')
      await eventually(() => heard.length === 1, { withinMs: 5_000 })
      expect(heard).toEqual([{ subject: to, position }])
    })

    test('lists the subjects on which something waits, with their newest position', async () => {
      await store(to, 'old')
      const newest = await store(to, 'new')
      const other = await store(subjects.mail(shard, box('b')), 'x')
      const found: { subject: string; position: number }[] = []
      for await (const item of b.mail.waiting(to.replace(/\.[^.]*$/, '.*'))) found.push(item)
      expect(found.toSorted((x, y) => x.position - y.position)).toEqual([
        { subject: to, position: newest },
        { subject: subjects.mail(shard, box('b')), position: other },
      ])
      for await (const item of b.mail.waiting(subjects.mail(shard, box('none')))) found.push(item)
      expect(found).toHaveLength(2)
    })

    test('purges up to a position, and goes on counting', async () => {
      await store(to, '1')
      const second = await store(to, '2')
      const third = await store(to, '3')
      await b.mail.purge(to, second)
      expect(await all(a.mail.read(to))).toEqual(['3'])
      await a.mail.purge(to, third)
      expect(await all(b.mail.read(to))).toEqual([])
      expect(await store(to, '4')).toBeGreaterThan(third)
      await a.mail.purge(to, third)
      expect(await all(b.mail.read(to))).toEqual(['4'])
    })

    test("removes one entry, the others stay; one that is not there, or not on that subject, is nobody's", async () => {
      await store(to, '1')
      const second = await store(to, '2')
      await store(to, '3')
      const dead = subjects.deadLetters(`removed-${tests}`)
      const only = await store(dead, 'dead')
      await b.mail.remove(subjects.mail(shard, box('b')), second)
      expect(await all(a.mail.read(to))).toEqual(['1', '2', '3'])
      await Promise.all([a.mail.remove(to, second), b.mail.remove(to, second)])
      await b.mail.remove(to, second)
      await b.mail.remove(dead, only)
      expect(await all(a.mail.read(to))).toEqual(['1', '3'])
      expect(await b.mail.next(dead, 1)).toBeUndefined()
      expect(await store(dead, 'next')).toBeGreaterThan(only)
    })

    test('fires a schedule once, not before its time, with notice; its own message is gone then', async () => {
      const heard = await listen(b)
      const plan = subjects.schedule(shard, box('a'), 'later')
      const at = Date.now() + 1_000
      const headers = { 'content-type': 'x' }
      const outcome = await a.mail.schedule(plan, bytes('late'), { id: freshId(), at, target: to, headers })
      expect(outcome.kind).toBe('stored')
      expect(await all(b.mail.read(to))).toEqual([])
      expect(heard).toEqual([])
      await eventually(() => heard.length > 0, { withinMs: 10_000 })
      expect(Date.now()).toBeGreaterThanOrEqual(at - 5)
      expect(heard[0]?.subject).toBe(to)
      const found: MailEntry[] = []
      for await (const entry of b.mail.read(to)) found.push(entry)
      expect(found).toMatchObject([{ position: heard[0]?.position, headers }])
      expect(text(found[0]?.bytes ?? bytes(''))).toBe('late')
      await eventually(async () => (await all(b.mail.read(plan))).length === 0, { withinMs: 5_000 })
      expect(heard).toHaveLength(1)
    })

    test('a schedule that was purged or replaced does not fire; one of the past fires at once', async () => {
      const plan = (id: string): string => subjects.schedule(shard, box('a'), id)
      const set = (id: string, data: string, inMs: number) =>
        a.mail.schedule(plan(id), bytes(data), { id: freshId(), at: Date.now() + inMs, target: to })
      await set('purged', 'purged', 1_000)
      await set('replaced', 'replaced', 1_000)
      await set('replaced', 'replacement', 1_500)
      await set('past', 'past', -1_000)
      await b.mail.purge(plan('purged'))
      await eventually(async () => (await all(b.mail.read(to))).length === 2, { withinMs: 10_000 })
      expect(await all(b.mail.read(to))).toEqual(['past', 'replacement'])
    })

    test('a wake-up fires on a subject of its own', async () => {
      const heard = await listen(b)
      const target = subjects.wakeUp(shard, box('a'))
      const at = Date.now() + 100
      await a.mail.schedule(subjects.schedule(shard, box('a'), 'wake'), bytes(''), { id: freshId(), at, target })
      await eventually(() => heard.length === 1, { withinMs: 10_000 })
      expect(heard[0]?.subject).toBe(target)
      expect(await all(b.mail.read(target))).toEqual([''])
      const found: string[] = []
      for await (const item of b.mail.waiting(subjects.waiting()[1])) found.push(item.subject)
      expect(found).toContain(target)
    })

    test('keeps dead letters, read over all types in order', async () => {
      const heard = await listen(b)
      await store(subjects.deadLetters(`one-${tests}`), 'a')
      await store(subjects.deadLetters(`two-${tests}`), 'b')
      const found = await all(b.mail.read(subjects.deadLetters()))
      expect(found.slice(-2)).toEqual(['a', 'b'])
      expect(await all(b.mail.read(subjects.deadLetters(`two-${tests}`)))).toEqual(['b'])
      expect(heard).toEqual([])
    })

    test('refuses what is too large or on a foreign subject, and stores neither', async () => {
      const large = await a.mail.store(to, new Uint8Array(PAYLOAD_BYTES + 1), { id: freshId() })
      expect(large).toMatchObject({ kind: 'refused', cause: expect.any(MessageTooLarge) })
      expect((await a.mail.store('elsewhere.m.x', bytes('x'), { id: freshId() })).kind).not.toBe('stored')
      expect(await all(b.mail.read(to))).toEqual([])
    })

    test('a message published on a mail subject is stored, with notice', async () => {
      const heard = await listen(b)
      a.bus.publish(to, bytes('by hand'))
      await eventually(() => heard.length === 1, { withinMs: 5_000 })
      expect(await all(b.mail.read(to))).toEqual(['by hand'])
    })

    test('across an outage: unknown, then the same id again is stored once; what was stored and planned stays', async () => {
      const id = freshId()
      await store(to, 'before', id)
      const plan = subjects.schedule(shard, box('a'), 'later')
      await a.mail.schedule(plan, bytes('planned'), { id: freshId(), at: Date.now() + 500, target: to })
      const heal = await world.outage()
      await eventually(() => !a.bus.connected && !b.bus.connected, { withinMs: 10_000 })
      expect(await a.mail.store(to, bytes('during'), { id: freshId() })).toMatchObject({ kind: 'unknown' })
      await expect(all(a.mail.read(to))).rejects.toThrow(Disconnected)
      await expect(a.mail.next(to, 1)).rejects.toThrow(Disconnected)
      await expect(a.mail.purge(to)).rejects.toThrow(Disconnected)
      await expect(a.mail.remove(to, 1)).rejects.toThrow(Disconnected)
      await heal()
      await eventually(() => a.bus.connected && b.bus.connected, { withinMs: 20_000 })
      await eventually(async () => (await a.mail.store(to, bytes('before'), { id })).kind === 'stored', {
        withinMs: 20_000,
      })
      await eventually(async () => (await all(b.mail.read(to))).length === 2, { withinMs: 20_000 })
      expect(await all(b.mail.read(to))).toEqual(['before', 'planned'])
      expect(a.mail.streamId).toBe(b.mail.streamId)
    })
  })
}
