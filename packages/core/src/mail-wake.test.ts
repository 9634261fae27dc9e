import { expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { Subjects } from './address.ts'
import { createSystem, defineActor, memory, protocol, type System } from './index.ts'
import type { Backend, Bus, Connection } from './ports.ts'
import { decodeRecord, type JournalRecord } from './step.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'

const MINUTE = 60_000

const says = protocol('alarm', { events: { set: z.object({}), off: z.object({}) } })
/** Rings ten minutes after it was set. */
const alarm = defineActor(says, {
  idleAfterMs: MINUTE,
  logic: setup({ types: says.types<{ rings: number[] }>() }).createMachine({
    context: { rings: [] },
    initial: 'quiet',
    states: {
      quiet: { on: { set: 'waiting' } },
      waiting: {
        on: { off: 'quiet' },
        after: {
          600000: { target: 'quiet', actions: assign({ rings: ({ context }) => [...context.rings, Date.now()] }) },
        },
      },
    },
  }),
})

async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) {
    clock.advance(Math.min(left, 1_000))
    for (let i = 0; i < 8; i++) await new Promise(setImmediate)
  }
}

/** Runs `work` while time passes. */
async function meanwhile<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let done = false
  const ended = work.finally(() => {
    done = true
  })
  ended.catch(() => undefined)
  while (!done) await pass(clock, 50)
  return ended
}

/** The methods of a bus, to be replaced one by one. */
const busOf = (bus: Bus): Bus => ({
  publish: (subject, data, options) => bus.publish(subject, data, options),
  subscribe: (subject, handler, options) => bus.subscribe(subject, handler, options),
  openReply: (listener) => bus.openReply(listener),
  flush: () => bus.flush(),
  get connected() {
    return bus.connected
  },
  onConnection: (listener) => bus.onConnection(listener),
})

async function start(
  change: (connection: Connection) => Connection = (connection) => connection,
): Promise<{ clock: ManualClock; node: (name: string) => Promise<System> }> {
  const clock = manualClock(1_700_000_000_000)
  const world = memory()
  const backend: Backend = { kind: 'memory', connect: async (options) => change(await world.connect(options)) }
  return {
    clock,
    node: (name) => meanwhile(clock, createSystem({ actors: [alarm], backend, node: name, shards: 4, clock })),
  }
}

async function recordsOf(system: System, key: string): Promise<JournalRecord[]> {
  const found: JournalRecord[] = []
  for await (const { bytes } of system.connection.journal.read(new Subjects('default').history(`alarm/${key}`))) {
    found.push(decodeRecord(bytes))
  }
  return found
}

test('an actor whose timer is far away leaves memory, is woken for it, and fires once, not early', async () => {
  const { clock, node } = await start()
  const a = await node('a')
  const ref = a.get(alarm, 'x')
  await meanwhile(clock, ref.ask({ type: 'set' }))
  const set = clock.now()
  await pass(clock, 9 * MINUTE)
  expect((await recordsOf(a, 'x')).filter(({ activated }) => activated)).toHaveLength(1)
  await pass(clock, 2 * MINUTE)
  const records = await recordsOf(a, 'x')
  // It was activated again by nothing but the wake-up, so it had left.
  expect(records.filter(({ activated }) => activated)).toHaveLength(2)
  const { context } = await meanwhile(clock, ref.snapshot())
  expect(context.rings).toHaveLength(1)
  expect(context.rings[0]).toBeGreaterThanOrEqual(set + 10 * MINUTE - 1_000)
  expect(context.rings[0]).toBeLessThan(set + 10 * MINUTE + 2_000)
  await meanwhile(clock, a.drain())
})

test('a wake-up whose timer is gone changes nothing', async () => {
  const { clock, node } = await start()
  const a = await node('a')
  const ref = a.get(alarm, 'x')
  await meanwhile(clock, ref.ask({ type: 'set' }))
  await pass(clock, 5 * MINUTE)
  await meanwhile(clock, ref.ask({ type: 'off' }))
  await pass(clock, 10 * MINUTE)
  const steps = (await recordsOf(a, 'x')).flatMap(({ steps }) => steps)
  expect(steps.filter(({ input }) => input.kind === 'timer')).toEqual([])
  expect((await meanwhile(clock, ref.snapshot())).value).toBe('quiet')
  await meanwhile(clock, a.drain())
})

test('a timer whose node died fires at the next owner, also when it fell due while no node was up', async () => {
  const { clock, node } = await start()
  const a = await node('a')
  await meanwhile(clock, a.get(alarm, 'x').ask({ type: 'set' }))
  await pass(clock, 3 * MINUTE)
  await a.stop()
  await pass(clock, 10 * MINUTE)
  const b = await node('b')
  await pass(clock, 30_000)
  const steps = (await recordsOf(b, 'x')).flatMap(({ steps }) => steps)
  expect(steps.filter(({ input }) => input.kind === 'timer')).toHaveLength(1)
  await pass(clock, 5 * MINUTE)
  expect((await meanwhile(clock, b.get(alarm, 'x').snapshot())).context.rings).toHaveLength(1)
  await meanwhile(clock, b.drain())
})

test('mail whose notice was lost is found by the next list', async () => {
  const { clock, node } = await start((connection) => ({
    ...connection,
    bus: {
      ...busOf(connection.bus),
      subscribe: (subject, handler, options) =>
        connection.bus.subscribe(subject, subject.includes('.w.') ? () => {} : handler, options),
    },
  }))
  const a = await node('a')
  await pass(clock, 1_000)
  await meanwhile(clock, a.get(alarm, 'x').deliver({ type: 'set' }))
  await pass(clock, 3_000)
  expect(await recordsOf(a, 'x')).toEqual([])
  await pass(clock, 3_000)
  expect((await meanwhile(clock, a.get(alarm, 'x').snapshot())).value).toBe('waiting')
  await meanwhile(clock, a.drain())
})
