/** What every `Journal` does. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Disconnected, MessageTooLarge } from '../errors.ts'
import { type Connection, type JournalEntry, PAYLOAD_BYTES } from '../ports.ts'
import { eventually } from './eventually.ts'
import { bytes, type TestWorld, text } from './world.ts'

export function journalConformance(name: string, make: () => Promise<TestWorld>): void {
  describe(`journal: ${name}`, () => {
    let world: TestWorld
    let a: Connection
    let b: Connection
    /** Subjects of each test lie below their own one. */
    let root: string
    let tests = 0
    beforeAll(async () => {
      world = await make()
      a = await world.connect()
      b = await world.connect()
    })
    beforeEach(() => {
      tests += 1
      root = `tr.${a.namespace}.j.main-${tests}`
    })
    afterAll(() => world?.end())

    const store = async (subject: string, expected: number, data: string): Promise<number> => {
      const outcome = await a.journal.append(subject, expected, bytes(data))
      if (outcome.kind !== 'stored') throw new Error(`append of '${data}' to ${subject}: ${JSON.stringify(outcome)}`)
      return outcome.position
    }
    const all = async (entries: AsyncIterable<JournalEntry>): Promise<string[]> => {
      const found: string[] = []
      for await (const entry of entries) found.push(text(entry.bytes))
      return found
    }

    test('stores what is expected and gives it back as it was', async () => {
      const before = Date.now()
      const data = bytes('first')
      const outcome = await a.journal.append(`${root}.t.a`, 0, data)
      data.fill(0)
      const last = await b.journal.last(`${root}.t.a`)
      expect(outcome).toEqual({ kind: 'stored', position: last?.position })
      expect(last).toMatchObject({ subject: `${root}.t.a` })
      expect(text(last?.bytes ?? bytes('?'))).toBe('first')
      expect(Math.abs((last?.storedAt ?? 0) - before)).toBeLessThan(60_000)
      last?.bytes.fill(0)
      expect(text((await b.journal.last(`${root}.t.a`))?.bytes ?? bytes('?'))).toBe('first')
    })

    test('knows nothing of an empty subject', async () => {
      expect(await a.journal.last(`${root}.t.none`)).toBeUndefined()
      expect(await all(a.journal.read(`${root}.>`))).toEqual([])
      expect(await all(a.journal.heads(`${root}.>`))).toEqual([])
    })

    test('refuses an expectation that is too old, too new or not empty', async () => {
      const first = await store(`${root}.t.a`, 0, '1')
      const second = await store(`${root}.t.a`, first, '2')
      for (const expected of [0, first, second + 1_000]) {
        expect(await b.journal.append(`${root}.t.a`, expected, bytes('x'))).toEqual({ kind: 'conflict' })
      }
      expect(await b.journal.append(`${root}.t.b`, second, bytes('x'))).toEqual({ kind: 'conflict' })
      expect(second).toBeGreaterThan(first)
    })

    test('of writers that fight for one subject exactly one wins each position', async () => {
      const subject = `${root}.t.fight`
      const write = async (connection: Connection, writer: string): Promise<string[]> => {
        const won: string[] = []
        for (let round = 0; round < 25; ) {
          const expected = (await connection.journal.last(subject))?.position ?? 0
          const outcome = await connection.journal.append(subject, expected, bytes(`${writer}${round}`))
          // Unknown: a replicated journal may say no more while another entry of the subject is on its way.
          expect(['stored', 'conflict', 'unknown']).toContain(outcome.kind)
          if (outcome.kind === 'stored') won.push(`${writer}${round++}`)
        }
        return won
      }
      const won = await Promise.all([write(a, 'a'), write(b, 'b'), write(a, 'c'), write(b, 'd')])
      const stored = await all(a.journal.read(subject))
      expect(stored.toSorted()).toEqual(won.flat().toSorted())
      for (const own of won) expect(stored.filter((entry) => own.includes(entry))).toEqual(own)
    })

    test('appends to many subjects at once each keep their own order', async () => {
      await Promise.all(
        Array.from({ length: 40 }, async (_, i) => {
          let position = 0
          for (let n = 0; n < 10; n++) position = await store(`${root}.t.k${i}`, position, `${i}:${n}`)
        }),
      )
      const stored = await all(b.journal.read(`${root}.>`))
      expect(stored).toHaveLength(400)
      for (let i = 0; i < 40; i++) {
        expect(stored.filter((entry) => entry.startsWith(`${i}:`))).toEqual(
          Array.from({ length: 10 }, (_, n) => `${i}:${n}`),
        )
      }
    })

    test('reads from a position, by pattern, in order, and no further than the end at the start', async () => {
      const positions: number[] = []
      for (let i = 0; i < 700; i++) {
        const before = i < 2 ? 0 : (positions[i - 2] ?? 0)
        positions.push(await store(`${root}.t.${i % 2 ? 'odd' : 'even'}`, before, String(i)))
      }
      const numbers = Array.from({ length: 700 }, (_, i) => String(i))
      expect(await all(b.journal.read(`${root}.*.odd`))).toEqual(numbers.filter((n) => Number(n) % 2))
      expect(await all(b.journal.read(`${root}.t.even`, { from: (positions[10] ?? 0) + 1 }))).toEqual(
        numbers.filter((n) => Number(n) % 2 === 0 && Number(n) > 10),
      )
      const found: string[] = []
      for await (const entry of b.journal.read(`${root}.t.*`, { from: positions[500] ?? 0 })) {
        if (found.length === 0) await store(`${root}.t.late`, 0, 'late')
        found.push(text(entry.bytes))
      }
      expect(found).toEqual(numbers.slice(500))
      expect(
        await all(b.journal.read(`${root}.>`, { from: (await b.journal.last(`${root}.t.late`))?.position ?? 0 })),
      ).toEqual(['late'])
    })

    test('heads gives the newest entry of every subject once', async () => {
      for (let i = 0; i < 300; i++) {
        const first = await store(`${root}.t.k${i}`, 0, 'old')
        if (i % 3 === 0) await store(`${root}.t.k${i}`, first, 'new')
      }
      const heads = new Map<string, string>()
      for await (const entry of b.journal.heads(`${root}.>`)) {
        expect(heads.has(entry.subject)).toBe(false)
        heads.set(entry.subject, text(entry.bytes))
      }
      expect(heads.size).toBe(300)
      expect([...heads.values()].filter((value) => value === 'new')).toHaveLength(100)
    })

    test('follow gives what is there and then what comes, and ends with the signal', async () => {
      const stop = new AbortController()
      let position = await store(`${root}.t.a`, 0, '0')
      const found: string[] = []
      const following = (async () => {
        for await (const entry of b.journal.follow(`${root}.>`, { signal: stop.signal })) found.push(text(entry.bytes))
      })()
      await eventually(() => found.length === 1, { withinMs: 5_000 })
      for (let i = 1; i < 50; i++) position = await store(`${root}.t.a`, position, String(i))
      await eventually(() => found.length === 50, { withinMs: 5_000, show: () => found.length })
      stop.abort()
      await following
      expect(found).toEqual(Array.from({ length: 50 }, (_, i) => String(i)))
    })

    test('a purge takes what lies below a position off one subject; expectations stay as they were', async () => {
      const [subject, other] = [`${root}.t.a`, `${root}.t.b`]
      const positions: number[] = []
      for (let i = 0; i < 5; i++) {
        positions.push(await store(subject, positions.at(-1) ?? 0, `a${i}`))
        await store(other, i === 0 ? 0 : ((await a.journal.last(other))?.position ?? 0), `b${i}`)
      }
      const [, , third = 0, , newest = 0] = positions
      await b.journal.purge(subject, third)
      expect(await all(a.journal.read(subject))).toEqual(['a2', 'a3', 'a4'])
      expect(await all(a.journal.read(subject, { from: 1 }))).toEqual(['a2', 'a3', 'a4'])
      expect(await all(a.journal.read(other))).toEqual(['b0', 'b1', 'b2', 'b3', 'b4'])
      expect(await all(a.journal.read(`${root}.>`))).toEqual(['b0', 'b1', 'a2', 'b2', 'a3', 'b3', 'a4', 'b4'])
      for (const expected of [0, third, newest + 1_000]) {
        expect(await a.journal.append(subject, expected, bytes('x'))).toEqual({ kind: 'conflict' })
      }
      await store(subject, newest, 'a5')
      expect(await all(b.journal.read(subject))).toEqual(['a2', 'a3', 'a4', 'a5'])
    })

    test('a purge above the newest entry leaves it; of what is gone or was never there it takes nothing', async () => {
      const subject = `${root}.t.a`
      const first = await store(subject, 0, '1')
      const second = await store(subject, first, '2')
      await a.journal.purge(subject, second + 1_000)
      await a.journal.purge(subject, second)
      await a.journal.purge(`${root}.t.none`, 1_000)
      expect(await all(b.journal.read(subject))).toEqual(['2'])
      const heads: string[] = []
      for await (const head of b.journal.heads(`${root}.>`)) heads.push(text(head.bytes))
      expect(heads).toEqual(['2'])
      expect((await b.journal.last(subject))?.position).toBe(second)
      expect(await b.journal.append(subject, 0, bytes('x'))).toEqual({ kind: 'conflict' })
      await store(subject, second, '3')
    })

    test('who follows a log while it is purged gets what stays, in order', async () => {
      const [subject, other] = [`${root}.t.a`, `${root}.t.b`]
      const stop = new AbortController()
      let position = await store(subject, 0, '0')
      const found: string[] = []
      const following = (async () => {
        for await (const entry of b.journal.follow(subject, { signal: stop.signal })) found.push(text(entry.bytes))
      })()
      for (let i = 1; i < 30; i++) {
        position = await store(subject, position, String(i))
        if (i % 10 === 0) await a.journal.purge(subject, position)
        if (i === 15) await store(other, 0, 'other')
      }
      await eventually(() => found.at(-1) === '29', { withinMs: 5_000, show: () => found })
      stop.abort()
      await following
      expect(found).toEqual(found.toSorted((x, y) => Number(x) - Number(y)))
      expect(found.slice(-9)).toEqual(Array.from({ length: 9 }, (_, i) => String(21 + i)))
    })

    test('refuses an entry above the limit and a subject no log takes, and stores neither', async () => {
      const large = await a.journal.append(`${root}.t.a`, 0, new Uint8Array(PAYLOAD_BYTES + 1))
      expect(large).toMatchObject({ kind: 'refused', cause: expect.any(MessageTooLarge) })
      const elsewhere = await a.journal.append('elsewhere.t.a', 0, bytes('x'))
      expect(elsewhere).toMatchObject({ kind: 'refused', cause: { code: 'LogUnavailable' } })
      expect(await a.journal.last(`${root}.t.a`)).toBeUndefined()
      expect((await a.journal.append(`${root}.t.a`, 0, new Uint8Array(PAYLOAD_BYTES))).kind).toBe('stored')
    })

    test('a message published on a journal subject is stored without any expectation', async () => {
      await store(`${root}.t.a`, 0, 'mine')
      a.bus.publish(`${root}.t.a`, bytes('foreign'))
      await a.bus.flush()
      await eventually(async () => text((await b.journal.last(`${root}.t.a`))?.bytes ?? bytes('')) === 'foreign', {
        withinMs: 5_000,
      })
    })

    test('across an outage: unknown, then resolved by last; follow goes on without a gap', async () => {
      const subject = `${root}.t.a`
      let position = await store(subject, 0, '0')
      const stop = new AbortController()
      const found: string[] = []
      const following = (async () => {
        for await (const entry of b.journal.follow(subject, { signal: stop.signal })) found.push(text(entry.bytes))
      })()
      await eventually(() => found.length === 1, { withinMs: 5_000 })
      const purged = `${root}.t.purged`
      const newest = await store(purged, await store(purged, 0, 'old'), 'new')
      await a.journal.purge(purged, newest)
      const heal = await world.outage()
      await eventually(() => !a.bus.connected && !b.bus.connected, { withinMs: 10_000 })
      expect(await a.journal.append(subject, position, bytes('1'))).toMatchObject({ kind: 'unknown' })
      await expect(a.journal.last(subject)).rejects.toThrow(Disconnected)
      await expect(all(a.journal.read(subject))).rejects.toThrow(Disconnected)
      await heal()
      await eventually(() => a.bus.connected && b.bus.connected, { withinMs: 10_000 })
      await eventually(async () => (await a.journal.last(subject))?.position === position, { withinMs: 20_000 })
      for (let i = 1; i < 20; i++) position = await store(subject, position, String(i))
      await eventually(() => found.length >= 20, { withinMs: 10_000, show: () => found })
      stop.abort()
      await following
      expect(found).toEqual(Array.from({ length: 20 }, (_, i) => String(i)))
      expect(await a.journal.append(purged, 0, bytes('x'))).toEqual({ kind: 'conflict' })
      await store(purged, newest, 'newer')
      expect(await all(b.journal.read(purged))).toEqual(['new', 'newer'])
    })

    test('every connection sees the same log', async () => {
      const c = await world.connect()
      expect(c.journal.streamId).toBe(a.journal.streamId)
      expect(c.journal.streamId).toMatch(/^[0-9a-f]{32}$/)
      await c.close()
      expect(await c.journal.append(`${root}.t.a`, 0, bytes('x'))).toMatchObject({ kind: 'unknown' })
    })
  })
}
