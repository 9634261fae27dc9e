import { expect, test } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import { Handover, PATIENCE_MS } from './handover.ts'
import { createSystem, defineActor, effect, memory, protocol } from './index.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'

const SHARD = 'main-0'

test('handover/1: a shard without writes may go at once; one that waits goes when the last write is recorded', async () => {
  const clock = manualClock()
  const handover = new Handover(clock)
  expect(handover.wait(SHARD, [])).toBeUndefined()
  const wait = handover.wait(SHARD, ['a/1', 'a/2'])
  let over = false
  void wait?.then(() => {
    over = true
  })
  handover.released(SHARD, 'a/1', () => false)
  handover.released(SHARD, 'a/2', () => true)
  await settled()
  expect(over).toBe(false)
  handover.released(SHARD, 'a/2', () => false)
  await wait
  expect(clock.waiting).toBe(0)
})

test('handover/2: writes that begin during the wait do not prolong it; a shard that was closed begins anew', async () => {
  const clock = manualClock()
  const handover = new Handover(clock)
  const first = handover.wait(SHARD, ['a/1'])
  clock.advance(PATIENCE_MS - 1)
  handover.released(SHARD, 'a/1', () => false)
  await first
  const second = handover.wait(SHARD, ['a/2'])
  clock.advance(1)
  await second
  expect(handover.wait(SHARD, ['a/2'])).toBeUndefined()
  handover.closed(SHARD)
  expect(handover.wait(SHARD, ['a/2'])).toBeInstanceOf(Promise)
})

const none = z.object({})
const says = protocol('clerk', {
  events: { pay: none, ping: none },
  replies: { pay: z.string(), ping: z.string() },
})

/** An actor whose write is ended by the test. */
async function cluster() {
  const clock = manualClock(1_700_000_000_000)
  const backend = memory()
  const paid: ((text: string) => void)[] = []
  const pay = effect('pay', 'write', (_: object) => new Promise<string>((done) => paid.push(done)))
  const logic = setup({ types: says.types<Record<string, never>>(), actors: { pay } }).createMachine({
    context: {},
    initial: 'idle',
    on: { ping: { actions: says.reply('ping', 'pong') } },
    states: {
      idle: { on: { pay: 'paying' } },
      paying: {
        invoke: {
          src: 'pay',
          input: {},
          onDone: { target: 'idle', actions: says.reply('pay', ({ event }) => event.output) },
          onError: {
            target: 'idle',
            actions: says.reply('pay', ({ event }) => String(Reflect.get(Object(event.error), 'code'))),
          },
        },
      },
    },
  })
  const clerk = defineActor(says, { logic })
  const more = { backend, clock, shards: 4 }
  const node = (name: string) => meanwhile(clock, createSystem({ ...more, actors: [clerk], node: name }))
  const client = await meanwhile(clock, createSystem(more))
  return { clock, paid, node, client }
}

test('a node that drains waits for a running write, serving meanwhile: its result is recorded there', async () => {
  const { clock, paid, node, client } = await cluster()
  const first = await node('first')
  const asked = client.get(says, 'k').ask({ type: 'pay' }, { timeoutMs: 30_000 })
  await pass(clock, 500)
  expect(paid).toHaveLength(1)
  let left = false
  const drained = first.drain().then(() => {
    left = true
  })
  await pass(clock, 1_000)
  const pings = [client.get(says, 'k').ask({ type: 'ping' }), client.get(says, 'other').ask({ type: 'ping' })]
  await pass(clock, 200)
  expect(await Promise.all(pings)).toEqual(['pong', 'pong'])
  expect(left).toBe(false)
  paid[0]?.('done here')
  await pass(clock, 100)
  expect(await asked).toBe('done here')
  await drained
  const second = await node('second')
  await pass(clock, 1_000)
  expect(paid).toHaveLength(1)
  for (const system of [second, client]) await meanwhile(clock, system.drain())
})

test('a write that outlasts the patience is told EffectOutcomeUnknown by the next owner; stop waits for nothing', async () => {
  const { clock, paid, node, client } = await cluster()
  const first = await node('first')
  const asked = client.get(says, 'k').ask({ type: 'pay' }, { timeoutMs: 30_000 })
  await pass(clock, 500)
  const before = clock.monotonic()
  await meanwhile(clock, first.drain())
  expect(clock.monotonic() - before).toBeGreaterThanOrEqual(PATIENCE_MS)
  expect(clock.monotonic() - before).toBeLessThan(PATIENCE_MS + 500)
  const second = await node('second')
  expect(await meanwhile(clock, asked)).toBe('EffectOutcomeUnknown')
  const again = client.get(says, 'k').ask({ type: 'pay' }, { timeoutMs: 500 })
  again.catch(() => {})
  await pass(clock, 200)
  expect(paid).toHaveLength(2)
  const stopping = clock.monotonic()
  await meanwhile(clock, second.stop())
  expect(clock.monotonic() - stopping).toBeLessThan(100)
  await pass(clock, 500)
  await meanwhile(clock, client.drain())
})

test('a node without running writes drains at once', async () => {
  const { clock, node, client } = await cluster()
  const first = await node('first')
  expect(await meanwhile(clock, client.get(says, 'k').ask({ type: 'ping' }))).toBe('pong')
  const before = clock.monotonic()
  await meanwhile(clock, first.drain())
  expect(clock.monotonic() - before).toBeLessThan(100)
  await meanwhile(clock, client.drain())
})

test('a node that joins gets the shard of a running write after its result, and no write twice', async () => {
  const { clock, paid, node, client } = await cluster()
  const first = await node('first')
  const keys = Array.from({ length: 8 }, (_, i) => `k${i}`)
  const asked = keys.map((key) => client.get(says, key).ask({ type: 'pay' }, { timeoutMs: 30_000 }))
  await pass(clock, 500)
  expect(paid).toHaveLength(keys.length)
  const second = await node('second')
  await pass(clock, 1_000)
  for (const done of paid) done('done')
  await pass(clock, 1_000)
  expect(await Promise.all(asked)).toEqual(keys.map(() => 'done'))
  expect(paid).toHaveLength(keys.length)
  for (const system of [first, second, client]) await meanwhile(clock, system.drain())
})

async function settled(): Promise<void> {
  for (let i = 0; i < 12; i++) await new Promise(setImmediate)
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 10) {
    clock.advance(10)
    await settled()
  }
}

/** Time passes until it is there. */
async function meanwhile<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let over = false
  const done = () => {
    over = true
  }
  work.then(done, done)
  await settled()
  while (!over) await pass(clock, 10)
  return work
}
