/** What version 1 of a definition has recorded, read by version 2: bytes that are kept for ever (`test/golden/cart-v1.ndjson`). */
import { readFileSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { assign, raise, setup } from 'xstate'
import { z } from 'zod'
import { type ActorPolicy, type AnyActorDef, defineActor, type RecordedEvent } from './actor.ts'
import { Subjects } from './address.ts'
import { changesOf } from './changes.ts'
import { effect } from './effect.ts'
import { protocol } from './protocol.ts'
import { recover } from './recovery.ts'
import { replayActor } from './replay/index.ts'
import { decodeRecord, encodeRecord, type JournalRecord } from './step.ts'
import { Stage, type World, world } from './testing/stage.ts'

const GOLDEN = '../../../test/golden/cart-v1.ndjson'

interface Line {
  readonly name: string
  readonly cents: number
}

/** How an order is priced: what it gives has changed from a number to a record. */
const pricing = <T>(works: ((price: T) => void)[], kind: 'read' | 'write' = 'read') =>
  effect('price', kind, (_: unknown) => new Promise<T>((done) => works.push(done)))

const says1 = protocol('cart', {
  events: {
    add: z.object({ name: z.string(), cents: z.number() }),
    note: z.object({ text: z.string() }),
    price: z.object({}),
    remind: z.object({ after: z.number() }),
    due: z.object({ about: z.string() }),
  },
})

function cart1(works: ((price: number) => void)[] = []): AnyActorDef {
  return defineActor(says1, {
    logic: setup({
      types: says1.types<{ names: string[]; total: number; price: number; note: string; heard: string }>(),
      actors: { price: pricing(works) },
    }).createMachine({
      context: { names: [], total: 0, price: 0, note: '', heard: '' },
      initial: 'open',
      on: {
        add: {
          actions: assign(({ context, event }) => ({
            names: [...context.names, event.name],
            total: context.total + event.cents,
          })),
        },
        note: { actions: assign({ note: ({ event }) => event.text }) },
        due: { actions: assign({ heard: ({ event }) => event.about }) },
        remind: {
          actions: raise({ type: 'due', about: 'the cart' } as const, { delay: ({ event }) => event.after, id: 'due' }),
        },
      },
      states: {
        open: { on: { price: 'pricing' } },
        pricing: {
          invoke: {
            id: 'price',
            src: 'price',
            input: {},
            onDone: { target: 'open', actions: assign({ price: ({ event }) => event.output }) },
          },
        },
      },
    }),
  })
}

const says2 = protocol('cart', {
  events: {
    put: z.object({ line: z.object({ name: z.string(), cents: z.number() }) }),
    note: z.object({ text: z.string() }),
    price: z.object({}),
    remind: z.object({ after: z.number() }),
    due: z.object({ topic: z.string() }),
  },
})

const upgrade = (context: unknown) => {
  const { names, price, heard, note } = z
    .object({ names: z.array(z.string()), price: z.number(), heard: z.string(), note: z.string() })
    .parse(context)
  return { lines: names.map((name) => ({ name, cents: 0 })), price: { cents: price }, heard, note }
}

const upgradeEvent = (event: RecordedEvent): RecordedEvent => {
  if (event.type === 'add') return { type: 'put', line: { name: event['name'], cents: event['cents'] } }
  if (event.type === 'due') return { type: 'due', topic: event['about'] }
  if (event.type === 'xstate.promise.resolve') return { ...event, data: { cents: event['data'] } }
  return event
}

function cart2(policy: ActorPolicy = { upgrade, upgradeEvent }, invoke = 'price'): AnyActorDef {
  return defineActor(says2, {
    version: 2,
    ...policy,
    logic: setup({
      types: says2.types<{ lines: Line[]; price: { cents: number }; note: string; heard: string }>(),
      actors: { price: pricing<{ cents: number }>([]) },
    }).createMachine({
      context: { lines: [], price: { cents: 0 }, note: '', heard: '' },
      initial: 'open',
      on: {
        put: { actions: assign({ lines: ({ context, event }) => [...context.lines, event.line] }) },
        note: { actions: assign({ note: ({ event }) => event.text }) },
        due: { actions: assign({ heard: ({ event }) => event.topic }) },
        remind: {
          actions: raise({ type: 'due', topic: 'the cart' } as const, { delay: ({ event }) => event.after, id: 'due' }),
        },
      },
      states: {
        open: { on: { price: 'pricing' } },
        pricing: {
          invoke: {
            id: invoke,
            src: 'price',
            input: {},
            onDone: { target: 'open', actions: assign({ price: ({ event }) => event.output }) },
          },
        },
      },
    }),
  })
}

/** The real one follows the text of functions, and that follows the tools that build this file. */
const LOGIC = 'golden-cart'

let here: World
beforeEach(async () => {
  here = await world()
})

const add = (name: string, cents: number) => ({ type: 'add', name, cents })
const NOTE = 'long '.repeat(1_200)

/** A state that covers the first line; behind it, without a state: two lines, a price, a failed step, a timer that waits. */
async function life(works: ((price: number) => void)[] = []): Promise<Stage> {
  const actor = await new Stage({ def: cart1(works), ...here, logicHash: LOGIC }).activate()
  const say = async (event: { type: string; [name: string]: string | number }) => {
    actor.ask(event)
    await actor.advance(10)
  }
  await say(add('milk', 90))
  await say({ type: 'note', text: NOTE })
  await say(add('bread', 240))
  await say({ type: 'price' })
  works[0]?.(330)
  await actor.quiet()
  await say(add('salt', 60))
  await say({ type: 'remind', after: 60_000 })
  await say({ type: 'price' })
  await say({ type: 'price' }) // not accepted while pricing
  actor.resident.stop()
  return actor
}

const golden = (): JournalRecord[] =>
  readFileSync(new URL(GOLDEN, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => decodeRecord(Buffer.from(line), 'cart/k'))

/** The golden records up to a number of them, in a world of their own. */
async function stored(records = golden()): Promise<Stage> {
  const stage = new Stage({ def: cart2(), ...here, logicHash: LOGIC })
  for (const [position, record] of records.entries())
    await stage.journal.append(stage.subject, position, encodeRecord(record))
  return stage
}

const recovered = (stage: Stage, def = cart2()) => recover(stage.journal, stage.subject, stage.address, def, 'today')

test('today version 1 records the same life in the same bytes', async () => {
  const records = await (await life()).records()
  const text = records.map((record) => `${new TextDecoder().decode(encodeRecord(record))}\n`).join('')
  await expect(text).toMatchFileSnapshot(GOLDEN)
})

describe('upgrade/1: a tail of version 1 is read by version 2, and stays as it was written', () => {
  test('at every one of its positions', async () => {
    const records = golden()
    expect(records.at(-1)?.base).toBe(2)
    for (const n of records.keys()) {
      here = await world()
      const found = await recovered(await stored(records.slice(0, n + 1)))
      expect(found.seq).toBe(records[n]?.steps.at(-1)?.seq)
      expect(found.settlement.waiting(found.at)).toBe(records[n]?.open.asks)
      expect(found.host?.timers).toHaveLength(records[n]?.open.timers ?? 0)
      expect(Object.keys(found.host?.effects ?? {})).toHaveLength(records[n]?.open.effects ?? 0)
    }
  })

  test('states by upgrade, messages and results by upgradeEvent; what waits in a timer is heard as an event of today', async () => {
    await stored()
    const next = await new Stage({ def: cart2(), ...here, epoch: 2 }).activate()
    const lines = [
      { name: 'milk', cents: 0 },
      { name: 'bread', cents: 240 },
      { name: 'salt', cents: 60 },
    ]
    expect(await next.context()).toEqual({ lines, price: { cents: 330 }, note: NOTE, heard: '' })
    expect((await next.records()).slice(0, -1)).toEqual(golden())
    expect((await next.records()).at(-1)).toMatchObject({ epoch: 2, steps: [], base: 0, state: { version: 2 } })
    await next.advance(61_000)
    expect(await next.context()).toMatchObject({ heard: 'the cart' })
  })

  test('a timer of a saved state holds an event of version 1 as well', async () => {
    const first = await new Stage({ def: cart1(), ...here, logicHash: LOGIC }).activate()
    first.ask({ type: 'remind', after: 60_000 })
    await first.quiet()
    first.resident.stop()
    const next = await new Stage({ def: cart2(), ...here, epoch: 2 }).activate()
    await next.advance(60_000)
    expect(await next.context()).toMatchObject({ heard: 'the cart' })
  })

  test('replay reads it step by step, counts it, and goes on where version 2 took over', async () => {
    await stored()
    const next = await new Stage({ def: cart2(), ...here, logicHash: 'today', epoch: 2 }).activate()
    next.ask({ type: 'put', line: { name: 'oil', cents: 500 } }, { client: 'second' })
    await next.quiet()
    const report = await replayActor(next.journal, new Subjects('default'), 'cart/k', cart2())
    expect(report).toMatchObject({ epochs: 2, mismatches: 0, unchecked: 0, upgraded: golden().length })
  })

  test('changes tells its states', async () => {
    await stored()
    const ended = new AbortController()
    const parts = {
      address: 'cart/k' as const,
      def: cart2(),
      journal: here.connection.journal,
      subjects: new Subjects('default'),
      clock: here.clock,
      look: () => Promise.reject(new Error('nobody looks')),
    }
    const counts: unknown[] = []
    for await (const view of changesOf(parts, { from: 1, signal: ended.signal })) {
      const { context } = z.object({ context: z.object({ lines: z.array(z.unknown()) }) }).parse(view)
      if (counts.push(context.lines.length) === 8) break
    }
    expect(counts).toEqual([0, 1, 1, 2, 2, 2, 3, 3])
  })
})

describe('upgrade/2: what was recorded stands', () => {
  test('an effect under another name would run again: StateDiverged, and who has the code is said', async () => {
    await stored()
    const servedBy = (logic: string) => (logic === LOGIC ? ['old-node'] : [])
    const def = cart2({ upgrade, upgradeEvent }, 'renamed')
    const next = await new Stage({ def, ...here, epoch: 2, servedBy }).activate()
    const told = next.ask({ type: 'price' }, { client: 'late' })
    await next.quiet()
    expect(told.answers[0]).toMatchObject({
      error: {
        code: 'StateDiverged',
        message: expect.stringMatching(/steps that version 1 has recorded; old-node and other nodes with/),
        details: { step: 'cart/k#1:5', from: 1, logic: LOGIC, nodes: ['old-node'] },
      },
    })
  })

  test('without upgradeEvent nothing is guessed: the error says what is missing', async () => {
    const stage = await stored()
    await expect(recovered(stage, cart2({ upgrade }))).rejects.toMatchObject({
      code: 'StateDiverged',
      message: expect.stringContaining('give its definition an upgradeEvent'),
    })
  })

  test.each<[string, ActorPolicy, RegExp]>([
    ['an upgrade that throws', { upgrade: () => JSON.parse('{'), upgradeEvent }, /^upgrade of 'cart' threw on what/],
    [
      'an upgradeEvent that throws',
      { upgrade, upgradeEvent: (event) => JSON.parse(`{${event.type}`) },
      /^upgradeEvent of 'cart' threw on what version 1/,
    ],
    [
      'an upgradeEvent that gives no event',
      { upgrade, upgradeEvent: (event) => JSON.parse(`"${event.type}"`) },
      /made no event of a recorded 'note'; return one with a type/,
    ],
    ['an event that today’s machine does not take', { upgrade, upgradeEvent: (event) => event }, /machine-changed/],
  ])('%s: StateDiverged', async (_, policy, message) => {
    const stage = await stored()
    await expect(recovered(stage, cart2(policy))).rejects.toMatchObject({
      code: 'StateDiverged',
      message: expect.stringMatching(message),
    })
  })
})

test('upgrade/3: an older version does not read a newer one', async () => {
  await stored()
  const second = await new Stage({ def: cart2(), ...here, epoch: 2 }).activate()
  second.resident.stop()
  await expect(recovered(second, cart1())).rejects.toMatchObject({
    code: 'StateDiverged',
    details: { from: 2, to: 1 },
  })
})
