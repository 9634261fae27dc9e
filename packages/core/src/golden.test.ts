/** Journal bytes that every later version must read for ever (ADR 0003). */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { assign, emit, fromCallback, setup, spawnChild } from 'xstate'
import { z } from 'zod'
import { type AnyActorDef, defineActor } from './actor.ts'
import { hashOfBytes } from './codec.ts'
import { effect } from './effect.ts'
import { Fold } from './fold.ts'
import { protocol } from './protocol.ts'
import { recover } from './recovery.ts'
import { decodeRecord, encodeRecord, type JournalRecord, stepId } from './step.ts'
import { shapeProblems, undescribed } from './testing/json-schema.ts'
import { Stage, world } from './testing/stage.ts'

const GOLDEN = '../../../test/golden'
/** What was written once; the newest is what is written today. */
const FILES = ['journal-v1.ndjson', 'journal-v1-state-2.ndjson'] as const
const TODAY = FILES[1]
const schema = JSON.parse(readFileSync(new URL('../schema/journal-record-v1.schema.json', import.meta.url), 'utf8'))

const auditSays = protocol('audit', { events: { note: z.object({ text: z.string() }) } })
const orderSays = protocol('order', {
  events: {
    pay: z.object({ cents: z.number() }),
    ship: z.object({}),
    wait: z.object({}),
    tell: z.object({}),
    fill: z.object({ size: z.number() }),
    break: z.object({}),
    cancel: z.object({}),
    close: z.object({}),
  },
  replies: { pay: z.object({ receipt: z.string() }), wait: z.string() },
  emits: { paid: z.object({ cents: z.number() }) },
})

/** The real one follows the text of functions, and that follows the tools that build this file. */
const LOGIC = 'golden-order'

interface Work {
  done(value: { receipt: string }): void
  fail(error: Error): void
}

/** Frozen with the golden file: what it recorded is folded by this machine. */
function orderDef(works: Work[]): AnyActorDef {
  const pay = effect('pay', 'write', (_: { cents: number }, { evidence }) => {
    evidence({ worker: 'w1', spans: [{ name: 'card', ms: 1.5 }] })
    return new Promise<{ receipt: string }>((done, fail) => works.push({ done, fail }))
  })
  const ship = effect('ship', 'idempotent', (_: unknown) => {
    return new Promise<{ receipt: string }>((done, fail) => works.push({ done, fail }))
  })
  return defineActor(orderSays, {
    supervision: { intensity: 2, backoffMs: [100, 100] },
    logic: setup({
      types: orderSays.types<{ cents: number; luck: number; paidAt: bigint; tag: Uint8Array; text: string }>(),
      actors: { pay, ship, child: setup({}).createMachine({}), bell: fromCallback(() => {}) },
      guards: { some: ({ event }) => event.type === 'pay' && event.cents > 0 },
      actions: { note: () => {} },
    }).createMachine({
      context: { cents: 0, luck: 0, paidAt: 0n, tag: Uint8Array.of(1, 2, 255), text: '' },
      type: 'parallel',
      invoke: { src: 'bell', id: 'bell' },
      on: {
        wait: {},
        tell: { actions: orderSays.reply('wait', 'told', { to: 'all' }) },
        fill: { actions: assign({ text: ({ event }) => 'ä'.repeat(event.size) }) },
        break: {
          actions: assign(() => {
            throw new RangeError('broken on purpose')
          }),
        },
      },
      states: {
        payment: {
          initial: 'open',
          states: {
            open: { on: { pay: { guard: 'some', target: 'paying' } } },
            paying: {
              invoke: {
                src: 'pay',
                input: ({ event }) => ({ cents: event.type === 'pay' ? event.cents : 0 }),
                onDone: {
                  target: 'paid',
                  actions: [
                    assign({ cents: 5, luck: () => Math.random(), paidAt: () => BigInt(Date.now()) }),
                    emit(({ context }) => ({ type: 'paid' as const, cents: context.cents })),
                    orderSays.reply('pay', ({ event }) => event.output),
                    auditSays.sendTo('main', ({ context }) => ({ type: 'note', text: `paid ${context.cents}` })),
                    'note',
                  ],
                },
                onError: 'open',
              },
            },
            paid: { entry: spawnChild('child', { id: 'parcel' }), on: { close: 'closed' } },
            closed: { type: 'final' },
          },
        },
        delivery: {
          initial: 'waiting',
          states: {
            waiting: { on: { ship: 'shipping' } },
            shipping: {
              invoke: { src: 'ship', input: {} },
              after: { 1000: 'late' },
              on: { cancel: 'waiting' },
            },
            late: { on: { close: 'closed' } },
            closed: { type: 'final' },
          },
        },
      },
    }),
  })
}

/** One order's life: every kind of input and outcome, two activations, a state that outgrows its records. */
async function life(): Promise<{ actor: Stage; def: AnyActorDef }> {
  const works: Work[] = []
  const def = orderDef(works)
  const here = await world()
  const first = await new Stage({ def, ...here, logicHash: LOGIC }).activate()
  const traced = { correlation: 'c-1', causation: 'client:c-1', sender: 'cart/7', traceparent: '00-1-2-01', hops: 1 }
  const ask = async (stage: Stage, event: { type: string; [name: string]: number | string }, more = {}) => {
    stage.ask(event, more)
    await stage.advance(10)
  }
  await ask(first, { type: 'wait' }, { cause: traced, key: 'key-1', remainingMs: 60_000 })
  await ask(first, { type: 'pay', cents: 0 })
  await ask(first, { type: 'pay', cents: 5 }, { command: { client: 'client', n: 3, settled: 1 } })
  works[0]?.fail(new Error('card refused'))
  await first.advance(10)
  await ask(first, { type: 'pay', cents: 5 })
  works[1]?.done({ receipt: 'r5' })
  await first.advance(10)
  first.sends[0]?.done(true)
  await first.quiet()
  await first.advance(5_000)
  await ask(first, { type: 'ship' })
  await ask(first, { type: 'cancel' })
  await ask(first, { type: 'break' })
  await first.advance(100)
  await ask(first, { type: 'ship' })
  first.resident.stop()
  const second = await new Stage({ def, ...here, logicHash: LOGIC, epoch: 2 }).activate()
  await second.advance(1_000)
  await ask(second, { type: 'tell' }, { client: 'other' })
  await ask(second, { type: 'fill', size: 2_500 }, { client: 'other' })
  await ask(second, { type: 'wait' }, { client: 'other' })
  second.tell({ type: 'fill', size: 2_400 })
  await second.advance(10)
  await second.resident.drain()
  const third = await new Stage({ def, ...here, logicHash: LOGIC, epoch: 3 }).activate()
  await ask(third, { type: 'close' }, { client: 'third' })
  return { actor: third, def }
}

async function ndjson(actor: Stage): Promise<string> {
  return (await actor.records()).map((record) => `${new TextDecoder().decode(encodeRecord(record))}\n`).join('')
}

const linesOf = (file: (typeof FILES)[number]): Uint8Array[] =>
  readFileSync(new URL(`${GOLDEN}/${file}`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line))

const golden = (file: (typeof FILES)[number] = TODAY): JournalRecord[] =>
  linesOf(file).map((line) => decodeRecord(line, 'order/k'))

test('today the same life is recorded in the same bytes', async () => {
  const { actor } = await life()
  await expect(await ndjson(actor)).toMatchFileSnapshot(`${GOLDEN}/${TODAY}`)
})

describe.each(FILES)('the golden journal %s', (file) => {
  test('holds every kind of input and outcome, so that all of them stay readable', () => {
    const steps = golden(file).flatMap((record) => record.steps)
    expect([...new Set(steps.map(({ input }) => input.kind))].sort()).toEqual([
      'effect.done',
      'effect.error',
      'effect.started',
      'init',
      'message',
      'settled',
      'timer',
    ])
    expect([...new Set(steps.map(({ outcome }) => outcome))].sort()).toEqual(['applied', 'error', 'rejected'])
    expect(golden(file).flatMap(({ activated }) => activated?.node ?? [])).toEqual(['node-1', 'node-2', 'node-3'])
    expect(golden(file).some(({ state }) => state === undefined)).toBe(true)
    expect(steps.at(-1)).toMatchObject({ ended: { kind: 'done' } })
  })

  test('is one chain of hashes with gap-free numbers', () => {
    let prev = ''
    let seq = 0
    for (const bytes of linesOf(file)) {
      const record = decodeRecord(bytes, 'order/k')
      expect(record.prev).toBe(prev)
      prev = hashOfBytes(bytes)
      for (const step of record.steps) expect(step.seq).toBe(++seq)
    }
  })

  test('is folded to the hash of every append', () => {
    const def = orderDef([])
    const fold = new Fold('order/k', def, LOGIC)
    for (const record of golden(file)) {
      expect(fold.apply(record)).toBeUndefined()
      expect(fold.check(record)).toBeUndefined()
    }
  })

  test('is recovered at every one of its positions', async () => {
    const def = orderDef([])
    const { connection } = await world()
    const { journal } = connection
    const subject = 'tr.default.j.main-0.order.k'
    for (const [position, bytes] of linesOf(file).entries()) {
      await journal.append(subject, position, bytes)
      const record = decodeRecord(bytes, 'order/k')
      const found = await recover(journal, subject, 'order/k', def, LOGIC)
      const last = record.steps.at(-1)
      expect(found).toMatchObject({ position: position + 1, epoch: record.epoch, ...(last && { seq: last.seq }) })
      expect(found.settlement.waiting(found.at)).toBe(record.open.asks)
      expect(found.settlement.sends).toHaveLength(record.open.sends)
    }
  })
})

describe('the JSON Schema that is shipped', () => {
  const described = (record: JournalRecord) => describedBytes(encodeRecord(record))
  const describedBytes = (bytes: Uint8Array) => {
    const data: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return [...shapeProblems(schema, data), ...undescribed(schema, data)]
  }

  test('describes every field of every golden record', () => {
    for (const file of FILES) for (const bytes of linesOf(file)) expect(describedBytes(bytes)).toEqual([])
  })

  test('describes the records of another actor, with children, draws and a quarantine', async () => {
    const says = protocol('dice', { events: { roll: z.object({}), fail: z.object({}) } })
    const def = defineActor(says, {
      supervision: { intensity: 0 },
      logic: says.handlers(
        { n: 0, id: '' },
        {
          roll: () => ({ n: Math.random(), id: crypto.randomUUID() }),
          fail: () => {
            throw new Error('no')
          },
        },
      ),
    })
    const actor = await new Stage({ def, ...(await world()) }).activate()
    for (const type of ['roll', 'fail']) actor.ask({ type })
    await actor.quiet()
    const records = await actor.records()
    expect(records.flatMap(({ steps }) => steps.flatMap(({ draws = [] }) => draws))).toHaveLength(2)
    for (const record of records) expect(described(record)).toEqual([])
  })

  test('describes the records of an actor that reads mail and tries a message again', async () => {
    const says = protocol('pile', { events: { put: z.object({}) } })
    const def = defineActor(says, { logic: says.handlers({ n: 0 }, { put: ({ n }) => ({ n: n + 1 }) }) })
    const here = await world()
    ;(await new Stage({ def, ...here }).activate()).resident.stop()
    const actor = await new Stage({ def, ...here, epoch: 2 }).activate()
    actor.resident.mailAt(await actor.post([{ event: { type: 'put' }, command: { client: 'pile/other', n: 1 } }]))
    await actor.quiet()
    const records = await actor.records()
    const steps = records.flatMap(({ steps }) => steps)
    expect(steps.filter(({ attempt, mailSeq }) => attempt ?? mailSeq)).toHaveLength(2)
    for (const record of records) expect(described(record)).toEqual([])
  })

  test('refuses what is no record', () => {
    const [record] = golden()
    const broken = (change: object) => shapeProblems(schema, { ...record, ...change })
    expect(broken({})).toEqual([])
    expect(broken({ v: 2 })).toHaveLength(1)
    expect(broken({ epoch: '1' })).toHaveLength(1)
    expect(broken({ steps: [{}] }).length).toBeGreaterThan(0)
    expect(shapeProblems(schema, {}).length).toBeGreaterThan(5)
  })
})

test('a step is named by actor, epoch and number', () => {
  expect(stepId('order/k', 2, 17)).toBe('order/k#2:17')
})

test('a record with a hash of a newer version is not judged by today’s', () => {
  const [record] = golden()
  const newer = Buffer.from(JSON.stringify({ ...record, hashVersion: 4 }))
  expect(() => decodeRecord(newer)).toThrow(expect.objectContaining({ code: 'UnsupportedVersion' }))
})

test.each(['{}', '{"v":0}', '{"v":"1"}', '[]', 'null', '1'])('%s is no record', (text) => {
  expect(() => decodeRecord(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'LogDamaged' }))
})
