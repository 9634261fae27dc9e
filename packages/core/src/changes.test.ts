import { describe, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, memory, protocol } from './index.ts'

const says = protocol('counter', {
  events: { add: z.object({ by: z.number() }), fill: z.object({ size: z.number() }), close: z.object({}) },
})
const counterOf = (more: { readonly version?: number; readonly persistence?: 'volatile' } = {}) =>
  defineActor(says, {
    ...more,
    logic: setup({ types: says.types<{ count: number; text: string }>() }).createMachine({
      context: { count: 0, text: '' },
      initial: 'open',
      states: {
        open: {
          tags: 'busy',
          on: {
            add: { actions: assign({ count: ({ context, event }) => context.count + event.by }) },
            fill: { actions: assign({ text: ({ event }) => 'x'.repeat(event.size) }) },
            close: 'closed',
          },
        },
        closed: { type: 'final' },
      },
    }),
  })
const counter = counterOf()

/** The first `n` of what an iteration gives. */
async function take<T>(n: number, all: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = []
  for await (const one of all) if (taken.push(one) === n) break
  return taken
}

describe('changes/1: the present state first, then what is committed', () => {
  test('every step folded, in order, by a node and by a client; the end is a state too', async () => {
    const backend = memory()
    await using node = await createSystem({ actors: [counter], backend })
    await using client = await createSystem({ backend })
    const ref = node.get(counter, 'a')
    await ref.ask({ type: 'add', by: 1 })
    const seen = [node, client].map((system) => take(5, system.get(counter, 'a').changes()))
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (const by of [2, 3, 4]) await ref.ask({ type: 'add', by })
    await ref.ask({ type: 'close' })
    for (const views of await Promise.all(seen)) {
      expect(views.map(({ context, seq }) => [context.count, seq])).toEqual([
        [1, 2],
        [3, 3],
        [6, 4],
        [10, 5],
        [10, 6],
      ])
      expect(views.map(({ status }) => status)).toEqual(['active', 'active', 'active', 'active', 'done'])
      expect(views[0]?.hasTag('busy')).toBe(true)
      expect(views[4]?.matches('closed')).toBe(true)
    }
  })

  test('states that no record holds whole are folded', async () => {
    await using system = await createSystem({ actors: [counter] })
    const ref = system.get(counter, 'a')
    await ref.ask({ type: 'fill', size: 10_000 })
    await ref.ask({ type: 'add', by: 1 })
    const seen = take(3, ref.changes())
    await new Promise((resolve) => setTimeout(resolve, 20))
    for (const by of [2, 3]) await ref.ask({ type: 'add', by })
    expect((await seen).map(({ context }) => context.count)).toEqual([1, 3, 6])
  })

  test('a reference from a protocol looks after each append; the newest state is never left out', async () => {
    await using system = await createSystem({ actors: [counter] })
    const ref = system.get(counter, 'a')
    await ref.ask({ type: 'add', by: 1 })
    const counts: unknown[] = []
    for await (const { context } of system.get(says, 'a').changes()) {
      const { count } = z.object({ count: z.number() }).parse(context)
      counts.push(count)
      if (count === 1) void Promise.all([2, 3, 4].map((by) => ref.ask({ type: 'add', by })))
      if (count === 10) break
    }
    expect(counts[0]).toBe(1)
    expect(counts.at(-1)).toBe(10)
  })

  test('a volatile actor is looked at', async () => {
    const fleeting = counterOf({ persistence: 'volatile' })
    await using system = await createSystem({ actors: [fleeting] })
    const ref = system.get(fleeting, 'a')
    const seen = take(2, ref.changes())
    await new Promise((resolve) => setTimeout(resolve, 20))
    await ref.ask({ type: 'add', by: 1 })
    expect((await seen).map(({ context }) => context.count)).toEqual([0, 1])
    await expect(take(1, ref.changes({ from: 1 }))).rejects.toMatchObject({ code: 'LogicRefused' })
  })

  test('a signal ends it without an error', async () => {
    await using system = await createSystem({ actors: [counter] })
    const ended = new AbortController()
    const all = take(100, system.get(counter, 'a').changes({ signal: ended.signal }))
    setTimeout(() => ended.abort(), 20)
    expect(await all).toHaveLength(1)
  })
})

describe('changes/2: with `from` every state from that step on', () => {
  test('out of the log, over activations and large states', async () => {
    const backend = memory()
    for (const by of [1, 2]) {
      await using system = await createSystem({ actors: [counter], backend })
      await system.get(counter, 'a').ask({ type: 'add', by })
      await system.get(counter, 'a').ask({ type: 'fill', size: 9_000 })
    }
    await using system = await createSystem({ actors: [counter], backend })
    const ref = system.get(counter, 'a')
    const counts = async (from: number, n: number) =>
      (await take(n, ref.changes({ from }))).map(({ context, seq }) => [seq, context.count])
    expect(await counts(1, 5)).toEqual([
      [1, 0],
      [2, 1],
      [3, 1],
      [4, 3],
      [5, 3],
    ])
    expect(await counts(4, 2)).toEqual([
      [4, 3],
      [5, 3],
    ])
    await expect(take(1, system.get(says, 'a').changes({ from: 1 }))).rejects.toMatchObject({ code: 'LogicRefused' })
  })
})

describe('changes/3: what the definition no longer folds', () => {
  test('is told again from the next whole state', async () => {
    const backend = memory()
    {
      await using system = await createSystem({ actors: [counter], backend })
      const ref = system.get(counter, 'a')
      await ref.ask({ type: 'add', by: 1 })
      await ref.ask({ type: 'add', by: 1 })
    }
    const doubled = defineActor(says, {
      logic: setup({ types: says.types<{ count: number; text: string }>() }).createMachine({
        context: { count: 0, text: '' },
        initial: 'open',
        states: { open: { on: { add: { actions: assign({ count: ({ context }) => context.count + 10 }) } } } },
      }),
    })
    await using system = await createSystem({ backend, actors: [doubled] })
    const views = await take(3, system.get(doubled, 'a').changes({ from: 1 }))
    expect(views.map(({ seq, context }) => [seq, context.count])).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ])
  })
})

describe('mustExist', () => {
  test('a mistyped key is ActorNotFound and makes no actor; a known one answers', async () => {
    await using system = await createSystem({ actors: [counter] })
    const ref = system.get(counter, 'a', { mustExist: true })
    await expect(ref.ask({ type: 'add', by: 1 })).rejects.toMatchObject({ code: 'ActorNotFound', applied: 'no' })
    await expect(ref.snapshot()).rejects.toMatchObject({ code: 'ActorNotFound' })
    await expect(take(1, ref.changes())).rejects.toMatchObject({ code: 'ActorNotFound' })
    ref.send({ type: 'add', by: 1 })
    await system.get(counter, 'a').ask({ type: 'add', by: 2 })
    expect((await ref.snapshot()).context.count).toBe(2)
    await ref.ask({ type: 'add', by: 1 })
    expect((await ref.snapshot()).context.count).toBe(3)
  })

  test('what is sent is the event as it was at the call', async () => {
    await using system = await createSystem({ actors: [counter] })
    const event = { type: 'add' as const, by: 1 }
    const plain = system.get(counter, 'a')
    const delivered = plain.deliver(event)
    event.by = 10
    await delivered
    await expect.poll(async () => (await plain.snapshot()).context.count).toBe(1)
    const asked = system.get(counter, 'a', { mustExist: true }).ask(event)
    event.by = 100
    await asked
    expect((await plain.snapshot()).context.count).toBe(11)
  })
})
