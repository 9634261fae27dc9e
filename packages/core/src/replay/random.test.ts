import { expect, test } from 'vitest'
import {
  type AnyActorRef,
  assign,
  enqueueActions,
  fromCallback,
  raise,
  sendParent,
  sendTo,
  setup,
  stopChild,
} from 'xstate'
import { z } from 'zod'
import { Subjects } from '../address.ts'
import { realClock } from '../clock.ts'
import { cryptoEntropy, seededEntropy } from '../entropy.ts'
import { createSystem, defineActor, effect, memory, protocol } from '../index.ts'
import { replayAll } from './index.ts'

/** Everything at once: children with timers, spawned children in the context, history, delayed raises, effects of each class. */
const says = protocol('zoo', {
  events: {
    grow: z.object({ n: z.number() }),
    spawn: z.object({}),
    kill: z.object({}),
    poke: z.object({}),
    rest: z.object({}),
    wake: z.object({}),
    work: z.object({ fail: z.boolean() }),
    boom: z.object({}),
    later: z.object({}),
    tell: z.object({}),
  },
  replies: { work: z.string() },
})
const nestedJob = effect('job.nested', 'idempotent', async () => {
  await new Promise((resolve) => setTimeout(resolve, 2))
  return Math.random()
})
const childMachine = setup({
  types: {
    context: {} as { ticks: number },
    events: {} as { type: 'poke' },
  },
  actors: { nestedJob },
}).createMachine({
  context: { ticks: 0 },
  initial: 'a',
  states: {
    a: {
      after: { 7: { target: 'b', actions: assign({ ticks: ({ context }) => context.ticks + 1 }) } },
      on: { poke: 'b' },
    },
    b: {
      after: { 11: 'c' },
      on: { poke: { target: 'a', actions: assign({ ticks: () => Math.random() }) } },
    },
    c: {
      invoke: {
        src: 'nestedJob',
        onDone: {
          target: 'a',
          actions: [assign({ ticks: ({ event }) => event.output }), sendParent({ type: 'poke' })],
        },
      },
      after: { 500: 'a' },
    },
  },
})
const jobs = (['read', 'idempotent', 'write'] as const).map((kind) =>
  effect(`job.${kind}`, kind, async ({ fail }: { fail: boolean }, { evidence }) => {
    evidence({ worker: kind })
    await new Promise((resolve) => setTimeout(resolve, 3))
    if (fail) throw new Error('no luck')
    return kind
  }),
)
const [readJob, idempotentJob, writeJob] = jobs
if (readJob === undefined || idempotentJob === undefined || writeJob === undefined) throw new Error('three jobs')
const ticker = fromCallback<{ type: 'tick' }>(({ sendBack }) => {
  const timer = setInterval(() => sendBack({ type: 'poke' }), 9)
  return () => clearInterval(timer)
})
const machine = setup({
  types: says.types<{ n: number; seen: number[]; text: string; ids: string[]; last: AnyActorRef | null }>(),
  actors: { child: childMachine, readJob, idempotentJob, writeJob, ticker },
}).createMachine({
  context: { n: 0, seen: [], text: '', ids: [], last: null },
  type: 'parallel',
  states: {
    main: {
      initial: 'up',
      states: {
        up: {
          initial: 'one',
          states: { one: { after: { 13: 'two' } }, two: { after: { 17: 'one' } }, hist: { type: 'history' } },
          on: { rest: 'down' },
        },
        down: { invoke: { src: 'ticker' }, on: { wake: 'up.hist' }, after: { 40: 'up.hist' } },
      },
    },
    jobs: {
      initial: 'idle',
      states: {
        idle: { on: { work: 'read' } },
        read: {
          invoke: {
            src: 'readJob',
            input: ({ event }) => ({ fail: event.type === 'work' && event.fail }),
            onDone: 'idempotent',
            onError: 'idle',
          },
        },
        idempotent: { invoke: { src: 'idempotentJob', input: { fail: false }, onDone: 'write' } },
        write: {
          invoke: {
            src: 'writeJob',
            input: { fail: false },
            onDone: { target: 'idle', actions: says.reply('work', ({ event }) => event.output, { to: 'all' }) },
            onError: 'idle',
          },
        },
      },
    },
  },
  on: {
    grow: { actions: assign({ n: ({ event }) => event.n, text: ({ event }) => 'x'.repeat(event.n * 900) }) },
    spawn: {
      actions: assign(({ context, spawn }) => {
        const last = spawn('child', { id: `c${Math.floor(Math.random() * 1e6)}` })
        return { last, ids: [...context.ids, last.id] }
      }),
    },
    kill: {
      actions: [
        stopChild(({ context }) => context.ids[0] ?? ''),
        assign({ ids: ({ context }) => context.ids.slice(1) }),
      ],
    },
    poke: {
      actions: enqueueActions(({ context, enqueue }) => {
        for (const id of context.ids) enqueue(sendTo(id, { type: 'poke' }))
        enqueue.assign({ seen: [...context.seen, Math.random()].slice(-5) })
      }),
    },
    boom: {
      actions: assign(() => {
        throw new Error('boom')
      }),
    },
    later: { actions: raise({ type: 'grow', n: 1 }, { delay: 8, id: 'later' }) },
    tell: { actions: says.sendTo('other', () => ({ type: 'poke' as const })) },
  },
})
const zoo = defineActor(says, { logic: machine, supervision: { intensity: 1_000, backoffMs: [1, 2] } })

function eventFrom(random: () => number) {
  const known = [
    { type: 'grow' as const, n: Math.floor(random() * 8) },
    { type: 'work' as const, fail: random() < 0.3 },
    { type: 'spawn' as const },
    { type: 'kill' as const },
    { type: 'poke' as const },
    { type: 'rest' as const },
    { type: 'wake' as const },
    { type: 'boom' as const },
    { type: 'later' as const },
  ]
  return known[Math.floor(random() * known.length)] ?? { type: 'tell' as const }
}

test('lives of random events on three nodes, one of them cut off, fold to every recorded state', async () => {
  const world = memory()
  const entropy = seededEntropy(7)
  for (const node of ['cut', 'second', 'third']) {
    const system = await createSystem({ actors: [zoo], backend: world, node, shards: 2, leaseMs: 3_000 })
    const ref = system.get(zoo, 'a')
    for (let i = 0; i < 60; i++) {
      const event = i % 7 === 0 ? { type: 'tell' as const } : eventFrom(() => entropy.random())
      // Refusals, failures and a node that stops are part of the life.
      const asked = ref.ask(event, { timeoutMs: 8_000 }).catch(() => {})
      if (entropy.random() < 0.5 && event.type !== 'work') await asked
    }
    await (node === 'cut' ? system.stop() : system.drain())
  }
  const reader = await world.connect({ name: 'reader', clock: realClock(), entropy: cryptoEntropy() })
  const summary = await replayAll(reader.journal, new Subjects('default'), [zoo])
  expect(summary.actors.map(({ actor, epochs, divergence }) => ({ actor, epochs, divergence }))).toEqual([
    { actor: 'zoo/a', epochs: 3, divergence: undefined },
    { actor: 'zoo/other', epochs: 3, divergence: undefined },
  ])
  expect(summary).toMatchObject({ mismatches: 0, unchecked: 0 })
  expect(summary.steps).toBeGreaterThan(200)
}, 30_000)
