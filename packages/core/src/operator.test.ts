/** Orders of a person: start, reset, destroy. */
import { describe, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, effect, memory, packWire, protocol, unpackWire } from './index.ts'
import { ActorReplay } from './replay/actor-replay.ts'
import { TOMBSTONE_MS } from './settlement.ts'
import { fateOfTree, type Order } from './supervision.ts'
import { eventually } from './testing/eventually.ts'
import { Stage, world } from './testing/stage.ts'

const says = protocol('job', {
  events: { add: z.object({}), work: z.object({}), wait: z.object({}), boom: z.object({}), close: z.object({}) },
  replies: { wait: z.string() },
})

function parts(more: { intensity?: number; restart?: 'temporary' } = {}) {
  const runs: { attempt: number; id: string; aborted: boolean }[] = []
  const hang = effect('hang', 'idempotent', (_: null, { attempt, effectId, signal }) => {
    const run = { attempt, id: effectId, aborted: false }
    runs.push(run)
    signal.addEventListener('abort', () => {
      run.aborted = true
    })
    return new Promise<number>(() => {})
  })
  const job = defineActor(says, {
    supervision: { intensity: 0, ...more },
    logic: setup({ types: says.types<{ n: number }>(), actors: { hang } }).createMachine({
      context: { n: 0 },
      initial: 'idle',
      on: {
        wait: {},
        add: { actions: assign({ n: ({ context }) => context.n + 1 }) },
        boom: {
          actions: assign(() => {
            throw new Error('boom')
          }),
        },
        close: '.closed',
      },
      states: {
        idle: { on: { work: 'working' } },
        working: { invoke: { src: 'hang', input: null }, after: { 1000: 'late' } },
        late: {},
        closed: { type: 'final' },
      },
    }),
  })
  return { job, runs }
}

describe('operator: what an order does to the tree', () => {
  test('a tombstone leaves none, a reset makes a new one, a start brings back what has ended', () => {
    const fates = (order: Order['kind']) =>
      [
        ['active', 'active'],
        ['quarantined', 'active'],
        ['stopped', 'active'],
        ['stopped', 'stopped'],
        ['done', 'done'],
        ['destroyed', undefined],
        ['quarantined', undefined],
      ].map(([life, status]) => fateOfTree(order, life ?? '', status))
    expect(fates('start')).toEqual(['same', 'kept', 'kept', 'new', 'new', 'new', 'new'])
    expect(fates('restart')).toEqual(['kept', 'kept', 'kept', 'new', 'new', 'new', 'new'])
    expect(new Set(fates('reset'))).toEqual(new Set(['new']))
    expect(new Set(fates('destroy'))).toEqual(new Set(['none']))
  })
})

describe('operator: start', () => {
  test('a quarantined actor goes on from its last committed state; its effects begin again', async () => {
    const { job, runs } = parts()
    await using system = await createSystem({ actors: [job] })
    const ref = system.get(job, 'a')
    for (const type of ['add', 'work'] as const) await ref.ask({ type })
    await expect(ref.ask({ type: 'boom' })).rejects.toMatchObject({ code: 'ActorFailed' })
    await expect(ref.ask({ type: 'add' })).rejects.toMatchObject({ code: 'ActorQuarantined' })
    expect(runs).toMatchObject([{ attempt: 1, aborted: true }])
    await system.start(ref, { reason: 'looked at it' })
    await ref.ask({ type: 'add' })
    expect(await ref.snapshot()).toMatchObject({ status: 'active', value: 'working', context: { n: 2 } })
    await eventually(() => runs.length === 2, { withinMs: 1_000 })
    expect(runs[1]).toMatchObject({ attempt: 2, aborted: false, id: runs[0]?.id })
  })

  test('one that is done begins anew; one that is active is left alone', async () => {
    const { job, runs } = parts()
    await using system = await createSystem({ actors: [job] })
    const ref = system.get(job, 'a')
    await ref.ask({ type: 'add' })
    await ref.ask({ type: 'work' })
    await system.start(ref)
    expect((await ref.snapshot()).context).toEqual({ n: 1 })
    expect(runs).toMatchObject([{ aborted: false }])
    await ref.ask({ type: 'close' })
    await expect(ref.ask({ type: 'add' })).rejects.toMatchObject({ code: 'ActorDone' })
    await system.start(ref)
    expect(await ref.snapshot()).toMatchObject({ status: 'active', value: 'idle', context: { n: 0 } })
  })
})

describe('operator: restart', () => {
  test('effects begin again, the state stays, open asks stay open; one key is one order, another under it is refused', async () => {
    const { job, runs } = parts()
    const stage = await new Stage({ def: job, ...(await world()) }).activate()
    const waiting = stage.ask({ type: 'wait' })
    stage.ask({ type: 'add' })
    stage.ask({ type: 'work' })
    await stage.quiet()
    const told = [1, 2].map((n) => stage.order({ kind: 'restart' }, { client: `op-${n}`, key: 'once' }))
    const other = stage.order({ kind: 'reset' }, { client: 'op-3', key: 'once' })
    await stage.quiet()
    expect([...told, other].map(({ outcome }) => outcome)).toEqual([null, null, 'IdempotencyMismatch'])
    expect(runs).toMatchObject([{ aborted: true }, { attempt: 2, aborted: false }])
    expect(waiting.outcome).toBeUndefined()
    expect(await stage.context()).toEqual({ n: 1 })
  })
})

describe('operator: reset', () => {
  test('a new tree: effects and timers of the old one end, open asks are answered, paths go on counting', async () => {
    const { job, runs } = parts()
    const stage = await new Stage({ def: job, ...(await world()) }).activate()
    const waiting = stage.ask({ type: 'wait' })
    stage.ask({ type: 'work' })
    await stage.quiet()
    const told = stage.order({ kind: 'reset', reason: 'stuck' })
    await stage.quiet()
    expect([told.outcome, waiting.outcome]).toEqual([null, 'AskUnanswered'])
    expect(runs).toMatchObject([{ aborted: true }])
    stage.ask({ type: 'work' })
    await stage.quiet()
    expect(runs).toMatchObject([{ aborted: true }, { aborted: false }])
    const steps = (await stage.records()).flatMap((record) => record.steps)
    expect(steps.map(({ made }) => made?.children?.[0]?.path).filter(Boolean)).toEqual([
      '/0.(machine).working:1',
      '/0.(machine).working:2',
    ])
    expect(steps.find(({ input }) => input.kind === 'operator')).toMatchObject({
      input: { order: 'reset', reason: 'stuck', init: { type: 'job', key: 'k' } },
      cause: { causation: 'operator:root' },
      decided: { before: 'working', after: 'idle' },
    })
    await stage.advance(1_500)
    expect((await stage.records()).flatMap(({ steps: all }) => all).at(-1)).toMatchObject({ input: { timer: 2 } })
  })

  test('steps around orders in one append are folded to the same state by recovery and replay', async () => {
    const { job } = parts()
    const around = await world()
    const stage = await new Stage({ def: job, ...around }).activate()
    const release = stage.journal.hold()
    stage.ask({ type: 'add' })
    await stage.quiet()
    for (const said of ['work', 'reset', 'add', 'work', 'close', 'start', 'add', 'destroy', 'start', 'work'] as const) {
      if (said === 'reset' || said === 'start' || said === 'destroy') stage.order({ kind: said })
      else stage.ask({ type: said })
    }
    release()
    await stage.advance(5_000)
    const view = stage.look()
    await stage.quiet()
    expect(view.outcome).toMatchObject({ status: 'active', context: { n: 0 } })
    const replay = new ActorReplay(stage.address, job)
    for await (const entry of stage.journal.read(stage.subject)) replay.feed(entry)
    expect(replay.report()).toMatchObject({ mismatches: 0, unchecked: 0 })
    const again = await new Stage({ def: job, ...around, epoch: 2 }).activate()
    const after = again.look()
    await again.quiet()
    expect(after.outcome).toMatchObject({ status: 'active', context: { n: 0 } })
  })

  test('a repeated order is applied once; a tree that cannot be made leaves everything as it was', async () => {
    let broken = false
    const picky = defineActor(says, {
      supervision: { intensity: 5 },
      logic: says.handlers(
        () => {
          if (broken) throw new Error('no')
          return { n: 0 }
        },
        {
          add: ({ n }) => ({ n: n + 1 }),
          work: (state) => state,
          wait: (state) => ({ state, reply: '' }),
          boom: (state) => state,
          close: (state) => state,
        },
      ),
    })
    const stage = await new Stage({ def: picky, ...(await world()) }).activate()
    const orders = [1, 1].map((n) => stage.order({ kind: 'reset' }, { client: 'op', n }))
    await stage.quiet()
    expect(orders.map(({ outcome }) => outcome)).toEqual([null, null])
    stage.ask({ type: 'add' })
    broken = true
    const refused = stage.order({ kind: 'reset' })
    await stage.quiet()
    expect(refused.outcome).toBe('ActorFailed')
    expect(await stage.context()).toEqual({ n: 1 })
    const kinds = (await stage.records()).flatMap(({ steps }) => steps.map(({ input }) => input.kind))
    expect(kinds).toEqual(['init', 'operator', 'message', 'operator'])
  })
})

describe('operator: destroy', () => {
  test('the address says so, over restarts; its log stays; 30 days later it is free again', async () => {
    const { job, runs } = parts()
    const around = await world()
    const stage = await new Stage({ def: job, ...around }).activate()
    stage.ask({ type: 'add' })
    stage.ask({ type: 'work' })
    await stage.quiet()
    stage.order({ kind: 'destroy' })
    await stage.quiet()
    expect(runs).toMatchObject([{ aborted: true }])
    const [late, view] = [stage.ask({ type: 'add' }), stage.look()]
    await stage.quiet()
    expect([late.outcome, view.outcome]).toEqual(['ActorDestroyed', 'ActorDestroyed'])

    const next = await new Stage({ def: job, ...around, epoch: 2 }).activate()
    const still = next.ask({ type: 'add' }, { client: 'second' })
    await next.quiet()
    expect(still.outcome).toBe('ActorDestroyed')
    next.resident.stop()

    around.clock.advance(TOMBSTONE_MS)
    const free = await new Stage({ def: job, ...around, epoch: 3 }).activate()
    free.ask({ type: 'add' }, { client: 'third' })
    await free.quiet()
    expect(await free.context()).toEqual({ n: 1 })
    const steps = (await free.records()).flatMap(({ steps }) => steps)
    expect(steps.filter(({ input }) => input.kind !== 'settled').length).toBe(6)
  })

  test('through a system, from a client', async () => {
    const { job } = parts()
    const backend = memory()
    await using node = await createSystem({ actors: [job], backend })
    await using client = await createSystem({ backend })
    const ref = client.get(job, 'a')
    await ref.ask({ type: 'add' })
    await client.destroy(ref)
    await expect(ref.ask({ type: 'add' })).rejects.toMatchObject({ code: 'ActorDestroyed', applied: 'no' })
    await expect(ref.snapshot()).rejects.toMatchObject({ code: 'ActorDestroyed' })
    await node.start(ref)
    expect((await ref.snapshot()).context).toEqual({ n: 0 })
  })

  test('is not believed where clients may publish', async () => {
    const { job } = parts()
    await using system = await createSystem({ actors: [job] })
    await system.get(job, 'a').ask({ type: 'add' })
    const { bus } = system.connection
    const { subjects } = system.runtime
    const { shard } = await system.locate('job/a')
    const answer = await new Promise<unknown>((resolve) => {
      const { subject } = bus.openReply((reply) => resolve(reply === 'no-responders' ? reply : unpackWire(reply.data)))
      const body = { kind: 'operator', order: { kind: 'destroy' }, command: { client: 'c', n: 1, settled: 0 } }
      bus.publish(subjects.command(shard, 'job/a'), packWire(body), { reply: subject })
    })
    expect(answer).toMatchObject({ ok: false, error: { code: 'InvalidEvent', applied: 'no' } })
    await system.get(job, 'a').ask({ type: 'add' })
  })
})
