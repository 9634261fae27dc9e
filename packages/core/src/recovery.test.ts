import { beforeEach, describe, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { type ActorPolicy, type AnyActorDef, defineActor } from './actor.ts'
import { effect } from './effect.ts'
import { Fold } from './fold.ts'
import { logicHash } from './logic-hash.ts'
import { protocol } from './protocol.ts'
import { recover } from './recovery.ts'
import { encodeRecord, type JournalRecord } from './step.ts'
import { Stage, type World, world } from './testing/stage.ts'

const says = protocol('shelf', {
  events: {
    put: z.object({ n: z.number() }),
    fill: z.object({ size: z.number() }),
    go: z.object({}),
    wait: z.object({}),
  },
  replies: { wait: z.string() },
})

const shelf = (step = 1, policy: ActorPolicy = {}): AnyActorDef =>
  defineActor(says, {
    logic: setup({
      types: says.types<{ sum: number; filling: string; dice: number[]; big: bigint }>(),
      actors: { never: effect('never', 'read', () => new Promise<string>(() => {})) },
    }).createMachine({
      context: { sum: 0, filling: '', dice: [], big: 5n },
      initial: 'still',
      on: {
        put: {
          actions: assign({
            sum: ({ context, event }) => context.sum + event.n * step,
            dice: ({ context }) => [...context.dice, Math.random(), Date.now()],
          }),
        },
        fill: { actions: assign({ filling: ({ event }) => 'x'.repeat(event.size) }) },
        wait: {},
      },
      states: {
        still: { on: { go: 'going' } },
        going: { invoke: { src: 'never', input: {} }, after: { 60000: 'still' } },
      },
    }),
    ...policy,
  })

let here: World
beforeEach(async () => {
  here = await world()
})

const stage = (def: AnyActorDef = shelf(), epoch = 1, journal = {}) =>
  new Stage({ def, ...here, epoch, journal }).activate()
const fill = (size: number) => ({ type: 'fill', size })
const put = (n: number) => ({ type: 'put', n })

/** An actor with a state of 6 KB, twenty more steps without a state in the log, and everything open that can be. */
async function written(def = shelf()): Promise<Stage> {
  const actor = await stage(def)
  const events = [fill(6_000), { type: 'go' }, { type: 'wait' }, ...Array.from({ length: 20 }, (_, n) => put(n))]
  for (const event of events) {
    actor.ask(event)
    await actor.advance(7)
  }
  return actor
}

const recovered = (actor: Stage, def = shelf()) =>
  recover(actor.journal, actor.subject, actor.address, def, logicHash(def))

/** The same log with one record changed, in a world of its own. */
async function rewritten(actor: Stage, change: (record: JournalRecord, index: number) => JournalRecord | undefined) {
  const other = await world()
  const copy = new Stage({ def: shelf(), ...other })
  let position = 0
  for (const [index, record] of (await actor.records()).entries()) {
    const changed = change(record, index)
    if (changed === undefined) continue
    const outcome = await copy.journal.append(copy.subject, position, encodeRecord(changed))
    if (outcome.kind !== 'stored') throw new Error(outcome.kind)
    position = outcome.position
  }
  return copy
}

test('an actor without a record is new', async () => {
  expect(await recovered(new Stage({ def: shelf(), ...here }))).toMatchObject({
    position: 0,
    prev: '',
    epoch: 0,
    seq: 0,
  })
})

test('a small state is read from the newest record alone', async () => {
  const actor = await stage()
  actor.ask(put(3))
  await actor.quiet()
  const alone = { read: () => expect.unreachable('the newest record carries the state') }
  const found = await recover({ ...actor.journal, ...alone }, actor.subject, actor.address, shelf(), logicHash(shelf()))
  expect(found).toMatchObject({ position: 2, seq: 2, base: 2, epoch: 1 })
})

describe('recovery/1: a large state is its base and the tail after it, folded under the hash of every append', () => {
  test('to the byte: value, context, draws, times, timers, effects, open asks', async () => {
    const actor = await written()
    const records = await actor.records()
    expect(records.slice(1).map(({ state }) => state)).toEqual(Array(records.length - 1).fill(undefined))
    const found = await recovered(actor)
    expect(found).toMatchObject({ position: records.length, seq: 24, base: 1 })
    expect(found.host?.timers).toHaveLength(1)
    expect(Object.keys(found.host?.effects ?? {})).toHaveLength(1)
    expect(found.settlement.asks).toHaveLength(1)
    const before = await actor.context()
    actor.resident.stop()
    const next = await stage(shelf(), 2)
    expect(await next.context()).toEqual(before)
    expect((await next.records()).at(-1)).toMatchObject({ epoch: 2, steps: [], state: { seq: 24 }, base: 0 })
    // What the new incarnation recorded is the state the old one had: one hash.
    expect((await next.records()).at(-1)?.hash).toBe(records.at(-1)?.hash)
  })

  test('rejected and failed steps fold to no change, but are remembered', async () => {
    const actor = await written()
    actor.ask({ type: 'go' }) // not accepted while going
    await actor.quiet()
    const found = await recovered(actor)
    expect(found.seq).toBe(25)
    expect((await actor.records()).at(-1)?.steps[0]?.outcome).toBe('rejected')
    expect(found.settlement.look({ client: 'client', n: 24 }, undefined, null)).toMatchObject({
      kind: 'answered',
      answer: { ok: false, error: { code: 'EventNotAccepted' } },
    })
  })

  test('a record appended while the tail is read is left to the next append', async () => {
    const actor = await written()
    const journal = {
      ...actor.journal,
      last: async (subject: string) => {
        const last = await actor.journal.last(subject)
        await actor.journal.append(actor.subject, last?.position ?? 0, Buffer.from('{"v":1,"other":true}'))
        return last
      },
    }
    expect(await recover(journal, actor.subject, actor.address, shelf(), logicHash(shelf()))).toMatchObject({ seq: 24 })
  })
})

describe('recovery/2: what cannot be reached as recorded is not served', () => {
  test('a read that lags behind the leader is not taken for the whole log', async () => {
    const actor = await written()
    async function* lagging(subject: string, options?: { from?: number }) {
      for await (const entry of actor.journal.read(subject, options)) if (entry.position < 20) yield entry
    }
    const journal = { ...actor.journal, read: lagging }
    await expect(recover(journal, actor.subject, actor.address, shelf(), logicHash(shelf()))).rejects.toMatchObject({
      code: 'LogUnavailable',
      retryable: true,
    })
  })

  test.each<[string, (record: JournalRecord, index: number) => JournalRecord | undefined]>([
    [
      'a changed byte in the base state',
      (r, i) => (i === 0 && r.state ? { ...r, state: { ...r.state, at: r.state.at + 1 } } : r),
    ],
    [
      'a changed step in the middle',
      (r, i) => (i === 5 ? { ...r, steps: r.steps.map((s) => ({ ...s, at: s.at + 1 })) } : r),
    ],
    ['a missing record', (r, i) => (i === 5 ? undefined : r)],
    ['a missing base', (r, i) => (i === 0 ? undefined : r)],
    ['a record that says it is of another actor', (r, i) => (i === 5 ? { ...r, actor: 'shelf/other' } : r)],
  ])('%s: LogDamaged', async (_, change) => {
    const copy = await rewritten(await written(), change)
    await expect(recovered(copy)).rejects.toMatchObject({ code: 'LogDamaged', retryable: false })
  })

  test('a changed byte in a state that the newest record carries: LogDamaged', async () => {
    const actor = await stage()
    actor.ask(put(3))
    await actor.quiet()
    const copy = await rewritten(actor, (record) => JSON.parse(JSON.stringify(record).replace('"sum":3', '"sum":4')))
    await expect(recovered(copy)).rejects.toMatchObject({ code: 'LogDamaged' })
    const told = (await new Stage({ def: shelf(), ...here }).activate()).lost
    expect(told).toBeUndefined()
  })

  test.each([
    ['garbage', Buffer.from('garbage'), 'LogDamaged'],
    ['bytes that are no UTF-8', Buffer.from([0xff]), 'LogDamaged'],
    ['a record with fields missing', Buffer.from('{"v":1,"actor":"shelf/k"}'), 'LogDamaged'],
    ['a newer format', Buffer.from('{"v":2}'), 'UnsupportedVersion'],
  ])('%s as the newest record: %s', async (_, bytes, code) => {
    const actor = await stage()
    await actor.journal.append(actor.subject, 1, bytes)
    await expect(recovered(actor)).rejects.toMatchObject({ code })
    const next = await stage(shelf(), 2)
    expect(next.lost).toMatchObject({ code })
    expect(await next.journal.last(next.subject)).toMatchObject({ position: 2 })
  })

  test('a machine that folds to another state: StateDiverged, with the step', async () => {
    const actor = await written()
    await expect(recovered(actor, shelf(2))).rejects.toMatchObject({
      code: 'StateDiverged',
      details: { cause: 'code-changed', step: 'shelf/k#1:6' },
    })
  })

  test('a code that draws more than was recorded: StateDiverged', async () => {
    const actor = await written()
    const copy = await rewritten(actor, (record) => record)
    const dice = { ...shelf(), logic: setup({}).createMachine({ initial: 'a', states: { a: {} } }) }
    await expect(recovered(copy, dice)).rejects.toThrow()
  })
})

describe('a state of an older version', () => {
  const upgraded = (upgrade?: ActorPolicy['upgrade']) => shelf(1, { version: 2, ...(upgrade && { upgrade }) })

  test('is made one of today by the definition, with the data as the machine knows it', async () => {
    const first = await stage()
    first.ask(put(3))
    await first.quiet()
    const seen: unknown[] = []
    const def = upgraded((context, from) => {
      seen.push(context, from)
      return { ...Object(context), sum: Object(context).sum * 10, big: Object(context).big * 2n }
    })
    const next = await stage(def, 2)
    expect(seen).toMatchObject([{ sum: 3, big: 5n }, 1])
    expect(await next.context()).toMatchObject({ sum: 30, big: 10n })
    expect((await next.records()).at(-1)?.state).toMatchObject({ version: 2 })
  })

  test('is refused without an upgrade, and by older code', async () => {
    const first = await stage()
    expect((await told(await stage(upgraded(), 2))).outcome).toBe('StateDiverged')
    await stage(
      upgraded((context) => context),
      3,
    )
    expect((await told(await stage(shelf(), 4))).outcome).toBe('StateDiverged')
    expect(first.lost).toBeUndefined()
  })

  test('keeps the references to its children', async () => {
    const parentSays = protocol('parent', { events: { grow: z.object({}), poke: z.object({}) } })
    const child = setup({ types: { context: {} as { n: number } } }).createMachine({
      context: { n: 0 },
      on: { poke: { actions: assign({ n: ({ context }) => context.n + 1 }) } },
    })
    const parent = (version: number): AnyActorDef =>
      defineActor(parentSays, {
        version,
        upgrade: (context) => ({ ...Object(context), renamed: true }),
        logic: setup({
          types: parentSays.types<{ kid?: { send(event: object): void } }>(),
          actors: { child },
        }).createMachine({
          context: {},
          on: {
            grow: { actions: assign({ kid: ({ spawn }) => spawn('child', { id: 'kid' }) }) },
            poke: { actions: ({ context }) => context.kid?.send({ type: 'poke' }) },
          },
        }),
      })
    const first = await stage(parent(1))
    first.ask({ type: 'grow' })
    await first.quiet()
    const next = await stage(parent(2), 2)
    next.ask({ type: 'poke' }, { client: 'other' })
    await next.quiet()
    expect((await next.records()).at(-1)?.state?.host?.tree).toMatchObject({
      snap: { context: { kid: { $ref: '/kid:1', id: 'kid' }, renamed: true } },
      children: { kid: { snap: { context: { n: 1 } } } },
    })
  })
})

/** What a message of a new client is told. */
async function told(actor: Stage) {
  const answer = actor.ask(put(1), { client: 'late' })
  await actor.quiet()
  return answer
}

describe('a state that this code cannot reach', () => {
  const other = () => shelf(2)

  test('is quarantined: nothing is written, everything but a reset is told why; the code that recorded it serves it', async () => {
    const actor = await written()
    actor.resident.stop()
    const before = (await actor.records()).length
    const next = await stage(other(), 2)
    const [asked, view, start] = [await told(next), next.look(), next.order({ kind: 'start' })]
    await next.quiet()
    expect([asked.outcome, view.outcome, start.outcome]).toEqual(['StateDiverged', 'StateDiverged', 'StateDiverged'])
    expect(asked.answers[0]).toMatchObject({ error: { message: expect.stringContaining(`resets 'shelf/k'`) } })
    expect(next.log).toMatchObject([{ text: 'state diverged', data: { actor: 'shelf/k', step: 'shelf/k#1:6' } }])
    await next.resident.drain()
    expect(await next.records()).toHaveLength(before)
    const back = await stage(shelf(), 3)
    expect((await told(back)).outcome).not.toBe('StateDiverged')
  })

  test('an operator resets it: a new life in the same log, commands of the old one stay answered', async () => {
    const actor = await written()
    actor.resident.stop()
    const next = await stage(other(), 2)
    const reset = next.order({ kind: 'reset', reason: 'new machine' })
    await next.quiet()
    expect(reset.outcome).toBeNull()
    await told(next)
    expect(await next.context()).toMatchObject({ sum: 2 })
    expect(next.ask(put(100), { client: 'client', n: 1 }).outcome).toBeUndefined()
    await next.quiet()
    expect(await next.context()).toMatchObject({ sum: 2 })
    const record = (await next.records()).find(({ steps }) => steps.some(({ input }) => input.kind === 'operator'))
    expect(record).toMatchObject({ epoch: 2, activated: { node: 'node-2' }, base: 0 })
    next.resident.stop()
    const third = await stage(other(), 3)
    expect(await third.context()).toMatchObject({ sum: 2 })
  })

  test('a saved state node that is not in the machine any more is one', async () => {
    const actor = await written()
    await actor.resident.drain()
    const says = protocol('shelf', { events: { put: z.object({ n: z.number() }) } })
    const bare = defineActor(says, {
      logic: setup({ types: says.types<Record<string, never>>() }).createMachine({ context: {}, on: { put: {} } }),
    })
    const next = await stage(bare, 2)
    expect((await told(next)).outcome).toBe('StateDiverged')
    next.order({ kind: 'reset' })
    await next.quiet()
    expect((await told(next)).outcome).not.toBe('StateDiverged')
  })
})

test('fold: a recorded life, told again step by step', async () => {
  const actor = await written()
  const fold = new Fold(actor.address, shelf(), logicHash(shelf()))
  for (const record of await actor.records()) expect(fold.apply(record)).toBeUndefined()
  expect(fold.view()).toMatchObject({ value: 'going', context: { sum: 190 } })
  expect(fold.seq).toBe(24)
  const [first] = await actor.records()
  if (first === undefined) throw new Error('no record')
  expect(fold.apply(first)).toMatchObject({ cause: 'missing-steps', expected: 25, actual: 1 })
})
