/** What every `Bus` does, whatever carries it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Disconnected, MessageTooLarge } from '../errors.ts'
import { type Bus, type BusMessage, type Connection, PAYLOAD_BYTES } from '../ports.ts'
import { eventually } from './eventually.ts'
import { bytes, type TestWorld, text } from './world.ts'

export function busConformance(name: string, make: () => Promise<TestWorld>): void {
  describe(`bus: ${name}`, () => {
    let world: TestWorld
    let a: Connection
    let b: Connection
    const errors: string[] = []
    beforeAll(async () => {
      world = await make()
      const onHandlerError = (error: unknown, subject: string): void => void errors.push(`${subject}: ${error}`)
      a = await world.connect({ onHandlerError })
      b = await world.connect({ onHandlerError })
    })
    afterAll(() => world?.end())

    /** Both connections have told the server what they did so far. */
    const settle = async (): Promise<void> => {
      await a.bus.flush()
      await b.bus.flush()
    }
    const collect = async (bus: Bus, subject: string, queue?: string): Promise<BusMessage[]> => {
      const got: BusMessage[] = []
      bus.subscribe(subject, (message) => void got.push(message), queue === undefined ? {} : { queue })
      await bus.flush()
      return got
    }

    test('carries subject, bytes, reply and headers', async () => {
      const got = await collect(b.bus, 'carry.one')
      a.bus.publish('carry.one', bytes('hello'), {
        reply: 'carry.reply',
        headers: { 'X-One': '1', traceparent: '00-a' },
      })
      a.bus.publish('carry.one', bytes(''))
      await eventually(() => got.length === 2, { withinMs: 5_000 })
      expect(got[0]).toMatchObject({
        subject: 'carry.one',
        reply: 'carry.reply',
        headers: { 'X-One': '1', traceparent: '00-a' },
      })
      expect(text(got[0]?.data ?? bytes('?'))).toBe('hello')
      expect(got[1]?.data.length).toBe(0)
      expect(got[1]).not.toHaveProperty('reply')
      expect(got[1]).not.toHaveProperty('headers')
    })

    test('delivers later, never inside publish, and not what happens to the buffer after it', async () => {
      const got = await collect(a.bus, 'later')
      const data = bytes('before')
      a.bus.publish('later', data)
      expect(got).toHaveLength(0)
      await settle()
      data.fill(0)
      await eventually(() => got.length === 1, { withinMs: 5_000 })
      expect(text(got[0]?.data ?? bytes('?'))).toBe('before')
    })

    test('keeps the order of one sender at one subscriber', async () => {
      const got = await collect(b.bus, 'order.*')
      for (let i = 0; i < 1_000; i++) a.bus.publish(`order.${i % 7}`, bytes(String(i)))
      await eventually(() => got.length === 1_000, { withinMs: 5_000, show: () => got.length })
      expect(got.map(({ data }) => Number(text(data)))).toEqual(Array.from({ length: 1_000 }, (_, i) => i))
    })

    test('gives each plain subscriber its own copy, and one member of each queue group one', async () => {
      const plain = [await collect(a.bus, 'fan.>'), await collect(b.bus, 'fan.out')]
      const one = [await collect(a.bus, 'fan.out', 'one'), await collect(b.bus, 'fan.out', 'one')]
      const two = [await collect(a.bus, 'fan.*', 'two'), await collect(b.bus, 'fan.*', 'two')]
      for (let i = 0; i < 200; i++) a.bus.publish('fan.out', bytes(String(i)))
      const count = (lists: BusMessage[][]): number[] => lists.map((list) => list.length)
      const all = (): number => count([...plain, ...one, ...two]).reduce((sum, n) => sum + n)
      await eventually(() => all() === 800, { withinMs: 5_000, show: () => count([...plain, ...one, ...two]) })
      expect(count(plain)).toEqual([200, 200])
      for (const group of [one, two]) {
        expect(count(group).reduce((sum, n) => sum + n)).toBe(200)
        expect(Math.min(...count(group))).toBeGreaterThan(0)
      }
      plain[0]?.[0]?.data.fill(0)
      expect(text(plain[1]?.[0]?.data ?? bytes('?'))).toBe('0')
    })

    test('a subscription that is drained handles what was on its way, and takes nothing new', async () => {
      const got: BusMessage[] = []
      const subscription = b.bus.subscribe('drained', (message) => void got.push(message))
      await settle()
      for (let n = 0; n < 100; n++) a.bus.publish('drained', bytes(`${n}`))
      await a.bus.flush()
      await subscription.drain()
      expect(got).toHaveLength(100)
      a.bus.publish('drained', bytes('late'))
      await settle()
      await settle()
      expect(got).toHaveLength(100)
    })

    test('a drained handler takes what was on its way: each request is taken or told that nobody is there', async () => {
      const asked = 2_000
      let taken = 0
      let nobody = 0
      const subscription = b.bus.subscribe('drained', () => {
        taken += 1
        if (taken === 100) void subscription.drain()
      })
      await settle()
      const reply = a.bus.openReply(() => void (nobody += 1))
      for (let i = 0; i < asked; i++) {
        a.bus.publish('drained', bytes('?'), { reply: reply.subject })
        if (i % 100 === 0) await new Promise(setImmediate)
      }
      await eventually(() => taken + nobody === asked, { withinMs: 5_000, show: () => [taken, nobody] })
      reply.close()
    })

    test('an unsubscribed handler gets nothing more', async () => {
      const got: BusMessage[] = []
      const subscription = b.bus.subscribe('gone', (message) => void got.push(message))
      await settle()
      a.bus.publish('gone', bytes('1'))
      await eventually(() => got.length === 1, { withinMs: 5_000 })
      subscription.unsubscribe()
      await settle()
      a.bus.publish('gone', bytes('2'))
      await settle()
      await settle()
      expect(got).toHaveLength(1)
    })

    test('a reply subject sees every answer until it is closed', async () => {
      b.bus.subscribe('ask', ({ reply }) => {
        for (const answer of ['one', 'two', 'three']) if (reply) b.bus.publish(reply, bytes(answer))
      })
      await settle()
      const answers: string[] = []
      const reply = a.bus.openReply(
        (answer) => void answers.push(typeof answer === 'string' ? answer : text(answer.data)),
      )
      a.bus.publish('ask', bytes(''), { reply: reply.subject })
      await eventually(() => answers.length === 3, { withinMs: 5_000, show: () => answers })
      expect(answers).toEqual(['one', 'two', 'three'])
      reply.close()
      a.bus.publish('ask', bytes(''), { reply: reply.subject })
      await settle()
      await settle()
      expect(answers).toHaveLength(3)
    })

    test('a publish that named a reply subject and found nobody says so', async () => {
      const answers: unknown[] = []
      const reply = a.bus.openReply((answer) => void answers.push(answer))
      a.bus.publish('nobody.here', bytes(''), { reply: reply.subject })
      await eventually(() => answers.length > 0, { withinMs: 5_000 })
      expect(answers).toEqual(['no-responders'])
    })

    test('a handler that throws harms nobody else and reaches onHandlerError', async () => {
      const got = await collect(b.bus, 'bad')
      b.bus.subscribe('bad', () => {
        throw new Error('handler broke')
      })
      await settle()
      a.bus.publish('bad', bytes('1'))
      a.bus.publish('bad', bytes('2'))
      await eventually(() => got.length === 2 && errors.length === 2, { withinMs: 5_000, show: () => errors })
      expect(errors).toEqual(['bad: Error: handler broke', 'bad: Error: handler broke'])
    })

    test('takes a payload of the limit and refuses one byte more', async () => {
      const got = await collect(b.bus, 'big')
      a.bus.publish('big', new Uint8Array(PAYLOAD_BYTES))
      expect(() => a.bus.publish('big', new Uint8Array(PAYLOAD_BYTES + 1))).toThrow(MessageTooLarge)
      await eventually(() => got[0]?.data.length === PAYLOAD_BYTES, { withinMs: 5_000 })
    })

    test('without a connection publish and flush fail at once, nothing arrives later, and subscriptions come back', async () => {
      const got = await collect(b.bus, 'outage')
      const seen: boolean[] = []
      const listening = a.bus.onConnection((connected) => void seen.push(connected))
      const heal = await world.outage()
      await eventually(() => !a.bus.connected && !b.bus.connected, { withinMs: 10_000 })
      expect(() => a.bus.publish('outage', bytes('lost'))).toThrow(Disconnected)
      await expect(a.bus.flush()).rejects.toThrow(Disconnected)
      await heal()
      await eventually(() => a.bus.connected && b.bus.connected, { withinMs: 10_000 })
      await settle()
      a.bus.publish('outage', bytes('after'))
      await eventually(() => got.length > 0, { withinMs: 5_000 })
      expect(got.map(({ data }) => text(data))).toEqual(['after'])
      expect(seen).toEqual([false, true])
      listening.unsubscribe()
    })

    test('a closed connection publishes nothing and gets nothing', async () => {
      const c = await world.connect()
      const got = await collect(c.bus, 'closed')
      const seen: boolean[] = []
      c.bus.onConnection((connected) => void seen.push(connected))
      await c.close()
      expect(seen).toEqual([false])
      expect(() => c.bus.publish('closed', bytes(''))).toThrow(Disconnected)
      a.bus.publish('closed', bytes(''))
      await settle()
      expect(got).toHaveLength(0)
    })
  })
}
