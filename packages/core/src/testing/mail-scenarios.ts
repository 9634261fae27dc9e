/** What users are promised of mail, on every backend: exactly once, in order, or a dead letter. */
import { describe, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import type { ListedDeadLetter } from '../dead-letter.ts'
import { createSystem, defineActor, protocol, type System } from '../index.ts'
import type { Backend } from '../ports.ts'
import { eventually } from './eventually.ts'

const listSays = protocol('list', {
  events: {
    put: z.object({ text: z.string() }),
    open: z.object({}),
    close: z.object({}),
    end: z.object({}),
    break: z.object({}),
    wait: z.object({}),
  },
  replies: { wait: z.string() },
})
export const list = defineActor(listSays, {
  logic: setup({ types: listSays.types<{ texts: string[] }>() }).createMachine({
    context: { texts: [] },
    initial: 'open',
    on: {
      put: { actions: assign({ texts: ({ context, event }) => [...context.texts, event.text] }) },
      wait: {},
      break: {
        actions: assign(() => {
          throw new Error('broken on purpose')
        }),
      },
      end: '.ended',
    },
    states: {
      open: { on: { close: { target: 'closed', actions: listSays.reply('wait', 'closed', { to: 'oldest' }) } } },
      closed: { on: { open: 'open' } },
      ended: { type: 'final' },
    },
  }),
})

const tellerSays = protocol('teller', {
  events: { tell: z.object({ to: z.string(), from: z.number(), count: z.number() }) },
})
/** Sends `count` texts in one step. */
export const teller = defineActor(tellerSays, {
  logic: setup({ types: tellerSays.types<{ told: number }>() }).createMachine({
    context: { told: 0 },
    on: {
      tell: {
        actions: Array.from({ length: 5 }, (_, i) =>
          listSays.sendTo(
            ({ event }) => event.to,
            ({ event }) => ({ type: 'put', text: `${event.from + i}` }),
          ),
        ),
      },
    },
  }),
})

const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${from + i}`)

export async function deadLetters(system: System): Promise<ListedDeadLetter[]> {
  const found: ListedDeadLetter[] = []
  for await (const letter of system.deadLetters()) found.push(letter)
  return found
}

export function mailScenarios(name: string, world: () => { readonly backend: Backend }): void {
  describe(`mail for users: ${name}`, () => {
    const start = (node: string, options: { readonly onLog?: (text: string, data: object) => void } = {}) =>
      createSystem({ actors: [list, teller], backend: world().backend, node, shards: 8, leaseMs: 3_000, ...options })
    const client = () => createSystem({ backend: world().backend, node: 'client' })
    const texts = async (system: System, key: string): Promise<readonly string[]> =>
      (await system.get(list, key).snapshot()).context.texts
    const arrives = (system: System, key: string, expected: readonly string[], withinMs = 10_000) =>
      eventually(async () => (await texts(system, key)).length >= expected.length, {
        withinMs,
        show: () => texts(system, key),
      }).then(async () => expect(await texts(system, key)).toEqual(expected))

    test('resolves when stored, is applied once, in the order of the calls', async () => {
      await using node = await start('a')
      const ref = node.get(list, 'order')
      await Promise.all(numbers(300).map((text) => ref.deliver({ type: 'put', text })))
      await arrives(node, 'order', numbers(300))
    })

    test('with no node up: applied when there is one again; a type that never was is refused', async () => {
      const first = await start('a')
      await first.drain()
      await using outside = await client()
      const ref = outside.get(list, 'later')
      await Promise.all(numbers(100).map((text) => ref.deliver({ type: 'put', text })))
      const never = outside.get(protocol('never', { events: { put: z.object({}) } }), 'x')
      await expect(never.deliver({ type: 'put' })).rejects.toMatchObject({ code: 'TypeNotServed', applied: 'no' })
      await using second = await start('b')
      await arrives(second, 'later', numbers(100))
    })

    test('one key is one delivery; another payload under it is a dead letter', async () => {
      await using node = await start('a')
      const ref = node.get(list, 'keyed')
      for (let i = 0; i < 3; i++) await ref.deliver({ type: 'put', text: 'once' }, { idempotencyKey: 'k' })
      await ref.deliver({ type: 'put', text: 'other' }, { idempotencyKey: 'k' })
      await ref.deliver({ type: 'put', text: 'last' })
      await arrives(node, 'keyed', ['once', 'last'])
      const dead = (await deadLetters(node)).filter(({ to }) => to === 'list/keyed')
      expect(dead).toMatchObject([{ reason: 'IdempotencyMismatch', event: { text: 'other' }, key: 'k', attempts: 1 }])
    })

    test('a letter that nobody could take in time is a dead letter, the next one is applied', async () => {
      const first = await start('a')
      await first.drain()
      await using outside = await client()
      const ref = outside.get(list, 'expiring')
      await ref.deliver({ type: 'put', text: 'stale' }, { expiresAfterMs: 1 })
      await ref.deliver({ type: 'put', text: 'fresh' }, { expiresAfterMs: 60_000 })
      await ref.deliver({ type: 'put', text: 'late' }, { delayMs: 20, expiresAfterMs: 60_000 })
      for (const expiresAfterMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
        await expect(ref.deliver({ type: 'open' }, { expiresAfterMs })).rejects.toThrow(RangeError)
      }
      await expect(ref.deliver({ type: 'open' }, { delayMs: 5, expiresAfterMs: 5 })).rejects.toThrow(RangeError)
      await using second = await start('b')
      await eventually(async () => (await texts(second, 'expiring')).length === 2, { withinMs: 20_000 })
      expect(new Set(await texts(second, 'expiring'))).toEqual(new Set(['fresh', 'late']))
      const dead = (await deadLetters(second)).filter(({ to }) => to === 'list/expiring')
      expect(dead).toMatchObject([{ reason: 'LetterExpired', event: { text: 'stale' }, attempts: 1 }])
    })

    test('what no step takes is a dead letter with its reason, and what comes after it goes on', async () => {
      await using node = await start('a')
      const ref = node.get(list, 'dead')
      await ref.deliver({ type: 'open' })
      await ref.deliver({ type: 'break' })
      // What a sender with older code may say.
      const loose = node.get(protocol('list', { events: { shout: z.object({}) } }), 'dead')
      await loose.deliver({ type: 'shout' })
      await ref.deliver({ type: 'put', text: 'after' })
      await arrives(node, 'dead', ['after'])
      await ref.deliver({ type: 'end' })
      await ref.deliver({ type: 'put', text: 'too late' })
      const mine = async () => (await deadLetters(node)).filter(({ to }) => to === 'list/dead')
      await eventually(async () => (await mine()).length === 4, { withinMs: 10_000, show: mine })
      expect((await mine()).map(({ reason, event }) => [reason, Reflect.get(Object(event), 'type')])).toEqual([
        ['EventNotAccepted', 'open'],
        ['ActorFailed', 'break'],
        ['InvalidEvent', 'shout'],
        ['ActorDone', 'put'],
      ])
    })

    test('a dead letter is delivered again by an order, once for several at a time, and leaves the list', async () => {
      await using node = await start('a')
      await using other = await client()
      const ref = node.get(list, 'redriven')
      await ref.deliver({ type: 'open' }, { idempotencyKey: 'k' })
      await ref.deliver({ type: 'put', text: 'other' })
      const mine = async () => (await deadLetters(node)).filter(({ to }) => to === 'list/redriven')
      await eventually(async () => (await mine()).length === 1, { withinMs: 10_000, show: mine })
      const [dead] = await mine()
      if (dead === undefined) throw new Error('no dead letter')
      // Refused again: dead again, under another command and without the key that its first refusal stands for.
      expect(await node.redrive(dead)).toBe(true)
      await eventually(async () => (await mine())[0]?.position !== dead.position, { withinMs: 10_000, show: mine })
      await eventually(async () => (await mine()).length === 1, { withinMs: 10_000, show: mine })
      const [again] = await mine()
      if (again === undefined) throw new Error('no dead letter')
      expect(again).toMatchObject({ reason: 'EventNotAccepted', event: { type: 'open' }, cause: dead.cause })
      expect(again.key).toBeUndefined()
      expect(again.command).not.toEqual(dead.command)
      expect(await node.redrive(dead)).toBe(false)
      await ref.ask({ type: 'close' })
      const before = (await ref.snapshot()).seq
      await Promise.all([node.redrive(again), other.redrive(again), node.redrive(again)])
      await eventually(async () => (await ref.snapshot()).matches('open'), { withinMs: 10_000 })
      expect((await ref.snapshot()).seq).toBe(before + 1)
      expect(await mine()).toEqual([])
      expect(await other.redrive(again)).toBe(false)
    })

    test('a delayed one comes once, not before its time, and holds up nothing', async () => {
      await using node = await start('a')
      const ref = node.get(list, 'delayed')
      const started = performance.now()
      await ref.deliver({ type: 'put', text: 'delayed' }, { delayMs: 1_200 })
      await ref.deliver({ type: 'put', text: 'at once' })
      await arrives(node, 'delayed', ['at once'])
      expect(performance.now() - started).toBeLessThan(1_000)
      await arrives(node, 'delayed', ['at once', 'delayed'])
      expect(performance.now() - started).toBeGreaterThanOrEqual(1_190)
    })

    test('no reply of a letter goes to somebody who asked', async () => {
      await using node = await start('a')
      const ref = node.get(list, 'reply')
      const asked = ref.ask({ type: 'wait' })
      await ref.deliver({ type: 'wait' })
      await ref.deliver({ type: 'close' })
      expect(await asked).toBe('closed')
    })

    test('sends of one actor to another keep their order, over a hand-over in the middle', async () => {
      const first = await start('a')
      const tell = (system: System, from: number) =>
        system.get(teller, 't').ask({ type: 'tell', to: 'told', from, count: 5 }, { timeoutMs: 15_000 })
      for (let from = 0; from < 100; from += 5) await tell(first, from)
      await using second = await start('b')
      for (let from = 100; from < 200; from += 5) await tell(second, from)
      await first.drain()
      for (let from = 200; from < 300; from += 5) await tell(second, from)
      await arrives(second, 'told', numbers(300), 20_000)
    })

    test('a node that ends between commit and purge: the next one applies nothing again', async () => {
      const first = await start('a')
      await Promise.all(numbers(50).map((text) => first.get(list, 'again').deliver({ type: 'put', text })))
      await arrives(first, 'again', numbers(50))
      await first.stop()
      await using second = await start('b')
      await second.get(list, 'again').deliver({ type: 'put', text: '50' })
      await arrives(second, 'again', numbers(51))
    })
  })
}
