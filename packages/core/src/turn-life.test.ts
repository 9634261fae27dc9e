import { beforeEach, describe, expect, test, vi } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import { type ActorPolicy, defineActor } from './actor.ts'
import { protocol } from './protocol.ts'
import { Desk } from './testing/desk.ts'
import { Stage, type Told, type World, world } from './testing/stage.ts'

let here: World
let desk: Desk

beforeEach(async () => {
  here = await world()
  desk = new Desk(here.clock)
})

const stage = (policy?: ActorPolicy, more: { epoch?: number; key?: string } = {}) =>
  new Stage({ def: desk.def(policy), ...here, ...more }).activate()
const add = (by: number) => ({ type: 'add', by })
const outcomes = (told: readonly Told[]) => told.map(({ outcome }) => outcome)

describe('supervision', () => {
  test('a failed message is consumed, the state stays, effects begin again after the pause', async () => {
    const actor = await stage()
    const asked = actor.ask({ type: 'work' })
    await actor.quiet()
    const failed = actor.ask({ type: 'fail' })
    const behind = actor.ask(add(1))
    await actor.quiet()
    expect([failed.outcome, behind.outcome, desk.aborted]).toEqual(['ActorFailed', undefined, [0]])
    await actor.advance(100)
    expect([behind.outcome, desk.started.map(({ attempt }) => attempt)]).toEqual([1, [1, 2]])
    desk.started[1]?.done('after all')
    await actor.quiet()
    expect(asked.outcome).toBe('after all')
    const [, , error] = (await actor.records()).flatMap(({ steps }) => steps)
    expect(error).toMatchObject({ outcome: 'error', supervision: { directive: 'restart', failures: 1 } })
  })

  test('an effect that begins after a restart is in its first attempt', async () => {
    const actor = await stage()
    actor.ask({ type: 'fail' })
    await actor.quiet()
    await actor.advance(100)
    actor.ask({ type: 'work' })
    await actor.quiet()
    expect(desk.started.map(({ attempt }) => attempt)).toEqual([1])
  })

  test('too many failures: quarantine, also for the next incarnation; open asks are told', async () => {
    const actor = await stage({ supervision: { intensity: 1, backoffMs: [1, 1] } })
    const open = actor.ask({ type: 'later' })
    for (let i = 0; i < 2; i++) {
      actor.ask({ type: 'fail' })
      await actor.advance(10)
    }
    const after = actor.ask(add(1))
    await actor.quiet()
    expect([open.outcome, after.outcome]).toEqual(['AskUnanswered', 'ActorQuarantined'])
    expect((await actor.records()).at(-1)).toMatchObject({ open: { asks: 0 } })
    expect(actor.resident.restingSince).toBeLessThanOrEqual(here.clock.monotonic())
    await actor.resident.drain()
    const next = await stage({}, { epoch: 2 })
    const again = next.ask(add(1), { client: 'other' })
    await next.quiet()
    expect(again.outcome).toBe('ActorQuarantined')
  })

  test.each([
    ['quarantined', { intensity: 0 }, 'ActorQuarantined'],
    ['stopped', { restart: 'temporary' }, 'ActorStopped'],
  ] as const)('an actor whose first step fails for good is %s and says so', async (_, supervision, code) => {
    const broken = protocol('broken', { events: { go: z.object({}) } })
    const def = defineActor(broken, {
      logic: setup({ types: broken.types<{ n: number }>() }).createMachine({
        context: () => {
          throw new Error('no context')
        },
      }),
      supervision,
    })
    const actor = new Stage({ def, ...here })
    void actor.activate()
    const told = actor.ask({ type: 'go' })
    await actor.advance(1_000)
    expect(told.outcome).toBe(code)
  })

  test('an actor whose first step fails tries again after its pause', async () => {
    let tries = 0
    const shy = protocol('shy', { events: { go: z.object({}) }, replies: { go: z.number() } })
    const def = defineActor(shy, {
      logic: shy.handlers<{ n: number }>(
        () => {
          if (++tries < 3) throw new Error('not yet')
          return { n: tries }
        },
        { go: (state) => ({ state, reply: state.n }) },
      ),
      supervision: { backoffMs: [100, 100] },
    })
    const actor = await new Stage({ def, ...here }).activate()
    const told = actor.ask({ type: 'go' })
    await actor.advance(100)
    await actor.advance(100)
    expect(told.outcome).toBe(3)
  })
})

describe('timers', () => {
  test('never early, once, and on time', async () => {
    const actor = await stage()
    actor.ask({ type: 'wake' })
    await actor.quiet()
    await actor.advance(999)
    expect(await actor.context()).toMatchObject({ n: 0 })
    await actor.advance(1)
    expect(await actor.context()).toMatchObject({ n: 1 })
    await actor.advance(10_000)
    expect(await actor.context()).toMatchObject({ n: 1 })
  })

  test('not early when the wall clock is set back, and not twice', async () => {
    const actor = await stage()
    actor.ask({ type: 'wake' })
    await actor.quiet()
    here.clock.shiftWall(-5_000)
    await actor.advance(1_000)
    expect(await actor.context()).toMatchObject({ n: 0 })
    await actor.advance(5_000)
    expect(await actor.context()).toMatchObject({ n: 1 })
  })

  test('nor in its step, when the clock is set back while that waits for an append', async () => {
    const actor = await stage()
    actor.ask({ type: 'wake' })
    await actor.quiet()
    await actor.advance(900)
    const free = actor.journal.hold()
    actor.ask(add(1))
    await actor.quiet()
    await actor.advance(100)
    here.clock.shiftWall(-500)
    free()
    await actor.quiet()
    const steps = (await actor.records()).flatMap((record) => record.steps)
    const due = steps.flatMap(({ made }) => made?.timers ?? []).map((timer) => timer.due)
    const fired = steps.filter(({ input }) => input.kind === 'timer').map(({ at }) => at)
    expect([fired.length, due.length]).toEqual([1, 1])
    expect(fired[0]).toBeGreaterThanOrEqual(due[0] ?? Infinity)
  })

  test('by the next incarnation when the first is gone; a firing already queued fires once', async () => {
    const first = await stage()
    first.ask({ type: 'wake' })
    await first.quiet()
    first.resident.stop()
    await first.advance(5_000)
    const next = await stage({}, { epoch: 2 })
    await next.advance(0)
    expect(await next.context()).toMatchObject({ n: 1 })
  })
})

test('timers: an actor that has ended leaves those that remain alone', async () => {
  const actor = await stage({ supervision: { restart: 'temporary' } })
  actor.tell({ type: 'wake' })
  await actor.quiet()
  actor.tell({ type: 'fail' })
  await actor.quiet()
  const again = await stage({}, { epoch: 2 })
  const set = vi.spyOn(here.clock, 'after')
  for (let ms = 0; ms < 1_500; ms += 100) await again.advance(100)
  expect(set).not.toHaveBeenCalled()
})

test.each(['done', 'fail'] as const)(
  'an effect that ends with more than a record can hold has failed (%s)',
  async (how) => {
    const actor = await stage()
    actor.ask({ type: 'work' })
    await actor.quiet()
    const large = 'x'.repeat(1_100_000)
    if (how === 'done') desk.started[0]?.done(large)
    else desk.started[0]?.fail(new Error(large))
    await actor.quiet()
    const view = actor.look()
    await actor.quiet()
    expect(view.outcome).toMatchObject({ value: 'idle' })
    const last = (await actor.records()).flatMap(({ steps }) => steps).at(-1)
    expect(last?.input).toMatchObject({
      kind: 'effect.error',
      event: { data: { $error: { wire: { code: 'MessageTooLarge' } } } },
    })
  },
)

describe('sends', () => {
  test('applied once though the sender restarts: they go again under the same id, without what is over', async () => {
    const first = await stage()
    for (const key of ['a', 'a', 'b']) first.ask({ type: 'send', key })
    await first.quiet()
    expect(first.sends.map(({ n, to }) => [n, to])).toEqual([
      [1, 'note/a'],
      [2, 'note/a'],
      [3, 'note/b'],
    ])
    first.sends[0]?.done(true)
    await first.quiet()
    first.ask({ type: 'send', key: 'a' })
    await first.quiet()
    expect(first.sends.at(-1)).toMatchObject({ n: 4 })
    first.resident.stop()
    const next = await stage({}, { epoch: 2 })
    expect(next.sends.map(({ n, to, event }) => [n, to, event])).toEqual([
      [2, 'note/a', { type: 'write', text: '0' }],
      [3, 'note/b', { type: 'write', text: '0' }],
      [4, 'note/a', { type: 'write', text: '0' }],
    ])
  })

  test('a delivered send is recorded although nothing else happens, and the actor may leave', async () => {
    const actor = await stage()
    actor.ask({ type: 'send', key: 'a' })
    await actor.quiet()
    expect(actor.resident.restingSince).toBeUndefined()
    actor.sends[0]?.done(true)
    await actor.quiet()
    expect(actor.resident.restingSince).toBeLessThanOrEqual(here.clock.monotonic())
    await actor.advance(5_000)
    expect((await actor.records()).at(-1)).toMatchObject({
      steps: [{ input: { kind: 'settled' }, delivered: [1] }],
      open: { sends: 0 },
    })
    const next = await stage({}, { epoch: 2 })
    expect(next.sends).toEqual([])
  })

  test('drain records what was delivered', async () => {
    const actor = await stage()
    actor.ask({ type: 'send', key: 'a' })
    await actor.quiet()
    actor.sends[0]?.done(true)
    await actor.quiet()
    await actor.resident.drain()
    expect((await actor.records()).at(-1)).toMatchObject({ steps: [{ delivered: [1] }], open: { sends: 0 } })
  })

  test('drain, asked for twice, leaves once: no record claims a step that is in another one', async () => {
    const actor = await stage()
    actor.ask({ type: 'grow', text: 'x'.repeat(5_000) })
    actor.ask({ type: 'send', key: 'a' })
    await actor.quiet()
    actor.sends[0]?.done(true)
    await actor.quiet()
    const before = actor.journal.appends.length
    const free = actor.journal.hold()
    const drains = [actor.resident.drain(), actor.resident.drain()]
    await actor.quiet()
    free()
    await Promise.all(drains)
    expect(actor.journal.appends).toHaveLength(before + 1)
  })

  test('the last words of an actor that has ended are delivered by its next incarnation', async () => {
    const actor = await stage()
    actor.ask({ type: 'send', key: 'a' })
    actor.ask({ type: 'finish' })
    await actor.quiet()
    actor.resident.stop()
    const next = await stage({}, { epoch: 2 })
    expect(next.sends).toMatchObject([{ n: 1, to: 'note/a' }])
    next.sends[0]?.done(true)
    await next.quiet()
    await next.advance(5_000)
    expect((await next.records()).at(-1)).toMatchObject({ open: { sends: 0 } })
    const told = next.ask(add(1), { client: 'other' })
    await next.quiet()
    expect(told.outcome).toBe('ActorDone')
  })
})

describe('a new incarnation', () => {
  test('takes up open asks and effects, and answers who asks again', async () => {
    const first = await stage()
    first.ask({ type: 'work' }, { n: 1 })
    await first.quiet()
    first.resident.stop()
    expect(desk.aborted).toEqual([0])
    const next = await stage({}, { epoch: 2 })
    expect(desk.started.map(({ attempt }) => attempt)).toEqual([1, 2])
    const told = next.ask({ type: 'work' }, { n: 1 })
    desk.started[1]?.done('by the second')
    await next.quiet()
    expect(told.outcome).toBe('by the second')
  })

  test('a fenced read appends, a plain one does not', async () => {
    const actor = await stage()
    const plain = actor.look()
    await actor.quiet()
    expect(await actor.records()).toHaveLength(1)
    const fenced = actor.look(true)
    await actor.quiet()
    expect(await actor.records()).toHaveLength(2)
    expect(fenced.outcome).toEqual(plain.outcome)
  })

  test('a volatile actor takes the same turns without a log', async () => {
    const actor = await stage({ persistence: 'volatile' })
    const told = [add(1), add(1)].map((event) => actor.ask(event))
    await actor.quiet()
    expect(outcomes(told)).toEqual([1, 2])
    expect(await actor.records()).toEqual([])
  })
})
