import { afterEach, expect, test } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import type { Checkpoint } from './checkpoint.ts'
import { createSystem, defineActor, effect, memory, protocol, type System } from './index.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'

const running = new Map<string, string>()
const work = effect('work', 'idempotent', ({ key }: { key: string }, { runtime, signal }) => {
  running.set(key, runtime?.node ?? '')
  return new Promise<null>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
})
const says = protocol('job', { events: { begin: z.object({}), note: z.object({}) } })
const job = defineActor(says, {
  logic: setup({ types: says.types<{ key: string }>(), actors: { work } }).createMachine({
    context: ({ input }) => ({ key: input.key }),
    initial: 'idle',
    states: {
      idle: { on: { begin: 'working', note: {} } },
      working: { invoke: { src: 'work', input: ({ context }) => context } },
    },
  }),
})

let clock: ManualClock
const systems: System[] = []
afterEach(async () => {
  for (const system of systems.splice(0)) await system.stop()
  running.clear()
})

async function advance(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    clock.advance(250)
    for (let i = 0; i < 10; i++) await new Promise(setImmediate)
  }
}

/** Joins one world again and again. */
function world() {
  clock = manualClock()
  const backend = memory()
  const join = async (node: string) => {
    const joining = createSystem({ actors: [job], backend, node, clock, leaseMs: 3_000, shards: 8 })
    await advance(500)
    const system = await joining
    systems.push(system)
    return system
  }
  return { backend, join }
}

test('take-up/1: what was open when its owner wrote a checkpoint is taken up, though its records lie before that; so is what began after it', async () => {
  const { join } = world()
  const first = await join('first')
  const keys = Array.from({ length: 24 }, (_, n) => `k${n}`)
  for (const key of keys) first.get(job, key).send({ type: 'begin' })
  await advance(1_000)
  // Newer records in every shard, of actors that owe nothing.
  for (let n = 0; n < 64; n++) first.get(job, `n${n}`).send({ type: 'note' })
  await advance(20_000)
  const named = await checkpointsOf(first)
  expect(named.flatMap(({ open }) => open).sort()).toEqual(keys.map((key) => `job/${key}`).sort())
  expect(Math.min(...named.map(({ position }) => position))).toBeGreaterThan(keys.length)
  // And what begins after it.
  const late = Array.from({ length: 24 }, (_, n) => `late${n}`)
  for (const key of late) first.get(job, key).send({ type: 'begin' })
  await advance(250)
  expect(await checkpointsOf(first)).toEqual(named)
  await first.stop()
  running.clear()
  await join('second')
  await advance(6_000)
  expect([...running.entries()].sort()).toEqual([...keys, ...late].map((key) => [key, 'second']).sort())
})

test('take-up/1: what slips past a checkpoint, as a record that arrived late, is found by the second look', async () => {
  const { join } = world()
  const first = await join('first')
  first.get(job, 'late').send({ type: 'begin' })
  await advance(1_000)
  const { store } = first.connection
  for (let n = 0; n < 8; n++) {
    const entry = await store.get(`shard.main-${n}`)
    const key = { ...JSON.parse(Buffer.from(entry?.value ?? []).toString()), checkpoint: { position: 1_000, open: [] } }
    await store.update(`shard.main-${n}`, Buffer.from(JSON.stringify(key)), entry?.revision ?? 0)
  }
  await first.stop()
  running.clear()
  await join('second')
  await advance(6_000)
  expect(running.size).toBe(0)
  await advance(10_000)
  expect(running.get('late')).toBe('second')
})

async function checkpointsOf({ connection }: System): Promise<readonly Checkpoint[]> {
  const found: Checkpoint[] = []
  for (let n = 0; n < 8; n++) {
    const entry = await connection.store.get(`shard.main-${n}`)
    found.push(JSON.parse(Buffer.from(entry?.value ?? []).toString()).checkpoint)
  }
  return found
}
