import { beforeEach, describe, expect, test } from 'vitest'
import type { ActorPolicy } from './actor.ts'
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

describe('turn/1: one turn at a time; what arrives during an append becomes one append', () => {
  test('64 messages during a slow append are one append, applied in order', async () => {
    const actor = await stage()
    const release = actor.journal.hold()
    const first = actor.ask(add(1))
    await actor.quiet()
    const rest = Array.from({ length: 64 }, () => actor.ask(add(1)))
    await actor.quiet()
    expect(actor.journal.appends).toHaveLength(2)
    release()
    await actor.quiet()
    expect(actor.journal.appends).toHaveLength(3)
    expect(outcomes([first, ...rest])).toEqual(Array.from({ length: 65 }, (_, i) => i + 1))
    expect((await actor.records()).map(({ steps }) => steps.length)).toEqual([1, 1, 64])
  })

  test('a group is bounded in messages and in bytes', async () => {
    const actor = await stage()
    const release = actor.journal.hold()
    const told = [actor.tell(add(1))]
    await actor.quiet()
    for (let i = 0; i < 300; i++) told.push(actor.tell(add(1)))
    for (let i = 0; i < 4; i++) told.push(actor.tell({ type: 'grow', text: 'x'.repeat(100_000) }))
    release()
    await actor.quiet()
    expect((await actor.records()).map(({ steps }) => steps.length)).toEqual([1, 1, 256, 47, 1])
  })

  test('and in time: after 10 ms of work the group is committed, and others of this node get their turn', async () => {
    const actor = await stage()
    const release = actor.journal.hold()
    actor.ask(add(1))
    await actor.quiet()
    for (let i = 0; i < 7; i++) actor.ask({ type: 'think' })
    release()
    await actor.quiet()
    expect((await actor.records()).map(({ steps }) => steps.length)).toEqual([1, 1, 3, 3, 1])
  })

  test('a step that fails ends its group; those behind it follow after the pause', async () => {
    const actor = await stage()
    const release = actor.journal.hold()
    const told = [add(1), add(1), { type: 'fail' }, add(1), add(1)].map((event) => actor.ask(event))
    release()
    await actor.quiet()
    expect(outcomes(told)).toEqual([1, 2, 'ActorFailed', undefined, undefined])
    expect((await actor.records()).at(-1)?.steps.map(({ outcome }) => outcome)).toEqual(['applied', 'applied', 'error'])
    await actor.advance(100)
    expect(outcomes(told)).toEqual([1, 2, 'ActorFailed', 3, 4])
  })
})

describe('turn/2: every step sees one time, never earlier than the last', () => {
  test('a wall clock that is set back does not turn the steps back', async () => {
    const actor = await stage()
    actor.ask(add(1))
    await actor.quiet()
    here.clock.shiftWall(-60_000)
    actor.ask(add(1))
    await actor.quiet()
    here.clock.shiftWall(120_000)
    actor.ask(add(1))
    await actor.quiet()
    const times = (await actor.records()).flatMap(({ steps }) => steps.map(({ at }) => at - 1_700_000_000_000))
    expect(times).toEqual([0, 0, 0, 60_000])
  })
})

describe('turn/4: nothing leaves before the append is acknowledged', () => {
  test('no reply, no refusal, no send, no emit, no effect, no timer, no action', async () => {
    const actor = await stage()
    const release = actor.journal.hold()
    const events = [
      add(7),
      { type: 'send', key: 'a' },
      { type: 'say' },
      { type: 'act' },
      { type: 'work' },
      { type: 'wake' },
    ]
    const told = events.map((event) => actor.ask(event))
    const view = actor.look()
    await actor.advance(10_000)
    expect(told.flatMap(({ answers }) => answers)).toEqual([])
    expect(view.answers).toEqual([])
    expect([actor.sends, actor.emitted, desk.started, desk.acted]).toEqual([[], [], [], []])
    release()
    await actor.quiet()
    // `work` has begun, so `wake` is not taken; its refusal is recorded before it is told.
    expect(outcomes(told)).toEqual([7, null, null, null, undefined, 'EventNotAccepted'])
    expect(view.outcome).toMatchObject({ context: { n: 7 } })
    expect(actor.sends).toMatchObject([{ to: 'note/a', event: { type: 'write', text: '7' }, n: 1 }])
    expect([actor.emitted, desk.started.length, desk.acted]).toEqual([[{ type: 'said', n: 7 }], 1, [7]])
    expect((await actor.records()).flatMap(({ steps }) => steps.map(({ outcome }) => outcome))).toEqual([
      ...Array(6).fill('applied'),
      'rejected',
      'applied', // the message the action sent to its own machine
    ])
  })

  test('an append that is refused releases nothing; its askers learn that the outcome is unknown', async () => {
    const actor = await stage()
    actor.journal.script.push('refused')
    const told = [add(1), { type: 'send', key: 'a' }, { type: 'say' }, { type: 'work' }].map((event) =>
      actor.ask(event),
    )
    await actor.quiet()
    expect(outcomes(told)).toEqual(Array(4).fill('LogUnavailable'))
    expect(told[0]?.answers).toMatchObject([{ error: { retryable: true, applied: 'unknown' } }])
    expect([actor.sends, actor.emitted, desk.started]).toEqual([[], [], []])
    expect(actor.lost).toEqual({ code: 'LogUnavailable', fenced: false })
  })

  test('what the good steps of a group intended is released although the last one failed', async () => {
    const actor = await stage()
    const release = actor.journal.hold()
    const told = [{ type: 'say' }, { type: 'send', key: 'a' }, { type: 'act' }, { type: 'work' }, { type: 'fail' }].map(
      (event) => actor.ask(event),
    )
    release()
    await actor.quiet()
    expect(outcomes(told)).toEqual([null, null, null, undefined, 'ActorFailed'])
    expect([actor.emitted.length, actor.sends.length, desk.acted]).toEqual([1, 1, [0]])
    expect(desk.started).toHaveLength(0)
    await actor.advance(100)
    expect(desk.started).toHaveLength(1)
    expect(actor.sends).toHaveLength(1)
    expect(await actor.context()).toMatchObject({ n: 100 }) // the message of the action was not lost with the tree
  })
})

describe('turn/5: an unknown outcome is resolved by the log', () => {
  test('an acknowledgement that is lost: the same bytes again, one record, one answer', async () => {
    const actor = await stage()
    actor.journal.script.push('lost', 'dropped')
    const told = actor.ask(add(1))
    await actor.quiet()
    expect(told.outcome).toBeUndefined()
    for (let i = 0; i < 4; i++) await actor.advance(1_000)
    expect(told.outcome).toBe(1)
    expect(await actor.records()).toHaveLength(2)
  })

  test('another writer: what was not released is dropped, its askers are told Moved, outcome unknown', async () => {
    const old = await stage()
    const release = old.journal.hold()
    const inFlight = [add(5), { type: 'send', key: 'a' }, { type: 'say' }, { type: 'work' }].map((event) =>
      old.ask(event),
    )
    await old.quiet()
    const waiting = old.ask(add(1))
    const next = await stage({}, { epoch: 2 })
    release()
    await old.quiet()
    expect(inFlight.map(({ answers }) => answers)).toEqual(
      Array(4).fill([
        expect.objectContaining({ error: expect.objectContaining({ code: 'Moved', applied: 'unknown' }) }),
      ]),
    )
    expect(waiting.answers).toMatchObject([{ error: { code: 'Moved', applied: 'no', retryable: true } }])
    expect([old.sends, old.emitted, desk.started]).toEqual([[], [], []])
    expect(old.lost).toEqual({ code: 'Moved', fenced: true })
    expect(await next.context()).toMatchObject({ n: 0 })
    expect(old.ask(add(1)).outcome).toBe('Moved')
  })

  test('two nodes that activate the same actor: one record counts, the other incarnation is over', async () => {
    const one = new Stage({ def: desk.def(), ...here, epoch: 1, seed: 'one' })
    const two = new Stage({ def: desk.def(), ...here, epoch: 1, seed: 'two' })
    await Promise.all([one.activate(), two.activate()])
    const told = [...Array(4)].flatMap(() => [one.ask(add(1)), two.ask(add(1))])
    await one.quiet()
    const committed = outcomes(told).filter((outcome) => typeof outcome === 'number')
    expect(committed).toEqual([1, 2, 3, 4])
    expect([one.lost, two.lost].filter((lost) => lost !== undefined)).toEqual([{ code: 'Moved', fenced: true }])
    const steps = (await one.records()).flatMap((record) => record.steps)
    expect(steps.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
  })

  test('an epoch older than the recorded one may not activate', async () => {
    await stage({}, { epoch: 2 })
    const late = await stage({}, { epoch: 1 })
    expect(late.lost).toMatchObject({ code: 'Moved' })
  })

  test('a log that ends before what was acknowledged is damaged: no turn goes on', async () => {
    const actor = await stage()
    actor.journal.script.push(async () => ({ kind: 'conflict' }))
    const empty = { ...actor.journal, last: async () => undefined }
    Object.assign(actor.journal, { last: empty.last })
    const told = actor.ask(add(1))
    await actor.quiet()
    expect(told.answers).toMatchObject([{ error: { code: 'LogDamaged', retryable: false } }])
    expect(actor.log).toMatchObject([{ text: 'log damaged' }])
  })
})

describe('turn/6: where the state is kept', () => {
  test('in every append while it is small; a large one every 100 steps, and whenever the actor may leave', async () => {
    const actor = await stage()
    actor.ask({ type: 'grow', text: 'x'.repeat(5_000) })
    await actor.quiet()
    for (let i = 0; i < 101; i++) {
      actor.ask(add(1), { command: { client: 'c', n: i + 1, settled: i } })
      await actor.quiet()
    }
    const records = await actor.records()
    expect(records.filter(({ state }) => state !== undefined)).toHaveLength(2)
    expect([records[0], records[100]].map((record) => record?.state?.seq)).toEqual([1, 101])
    expect(records.at(-1)).toMatchObject({ base: 101 })
    await actor.resident.drain()
    expect((await actor.records()).at(-1)).toMatchObject({ steps: [], base: 0, state: { seq: 103 } })
    const next = await stage({}, { epoch: 2 })
    expect(await next.context()).toMatchObject({ n: 101 })
  })

  test('a state that no longer fits into a record stays behind, and the actor lives on', async () => {
    const actor = await stage()
    actor.ask({ type: 'grow', text: 'x'.repeat(600_000) })
    await actor.quiet()
    const more = actor.ask({ type: 'grow', text: 'y'.repeat(600_000) })
    await actor.quiet()
    actor.ask(add(1))
    await actor.quiet()
    expect(more.outcome).toBe(null)
    await actor.resident.drain()
    const next = await stage({}, { epoch: 2 })
    const told = next.ask(add(1), { client: 'other' })
    await next.quiet()
    expect(told.outcome).toBe(2)
  })

  test('a step that does not fit into a record is refused as too large, and not tried again', async () => {
    const actor = await stage()
    const told = actor.ask({ type: 'grow', text: '\0'.repeat(250_000) })
    await actor.quiet()
    expect(told.answers).toMatchObject([{ error: { code: 'MessageTooLarge', retryable: false, applied: 'no' } }])
    const next = await stage({}, { epoch: 2 })
    expect(await next.context()).toMatchObject({ text: '' })
  })

  test('a large one also after 256 KB of messages', async () => {
    const actor = await stage()
    for (let i = 0; i < 5; i++) {
      actor.ask({ type: 'grow', text: 'x'.repeat(100_000) })
      await actor.quiet()
    }
    expect((await actor.records()).map(({ state }) => state !== undefined)).toEqual([
      true,
      false,
      false,
      true,
      false,
      false,
    ])
  })

  test('drain finishes the append under way, leaves the state in the last record, and takes nothing more', async () => {
    const actor = await stage()
    const release = actor.journal.hold()
    const inFlight = actor.ask(add(1))
    await actor.quiet()
    const waiting = actor.ask(add(1))
    const drained = actor.resident.drain()
    expect(actor.ask(add(1)).outcome).toBe('Moved')
    release()
    await drained
    expect(inFlight.outcome).toBe(1)
    expect(waiting.answers).toMatchObject([{ error: { code: 'Moved', applied: 'no' } }])
    expect((await actor.records()).at(-1)?.state?.host?.tree.snap).toMatchObject({ context: { n: 1 } })
  })
})

describe('turn/7: a command is applied once', () => {
  test('repeats before, during and after its append are one step and one answer each', async () => {
    const actor = await stage()
    const release = actor.journal.hold()
    const told = [actor.ask(add(1), { n: 1 }), actor.ask(add(1), { n: 1 })]
    await actor.quiet()
    told.push(actor.ask(add(1), { n: 1 }))
    release()
    await actor.quiet()
    told.push(actor.ask(add(1), { n: 1 }))
    await actor.quiet()
    expect(outcomes(told)).toEqual([1, 1, 1, 1])
    expect(await actor.context()).toMatchObject({ n: 1 })
    expect((await actor.records()).flatMap(({ steps }) => steps)).toHaveLength(2)
  })

  test('a repeat is answered by the next incarnation, also a refusal and a failure', async () => {
    const first = await stage()
    first.ask(add(3), { n: 1 })
    first.ask({ type: 'stop' }, { n: 2 })
    first.ask({ type: 'fail' }, { n: 3 })
    await first.quiet()
    first.resident.stop()
    const next = await stage({}, { epoch: 2 })
    const told = [add(3), { type: 'stop' }, { type: 'fail' }].map((event, i) => next.ask(event, { n: i + 1 }))
    await next.quiet()
    expect(outcomes(told)).toEqual([3, 'EventNotAccepted', 'ActorFailed'])
    expect(await next.context()).toMatchObject({ n: 3 })
  })

  test('a repeated ask that is still open is attached in place of the first, not applied again', async () => {
    const actor = await stage()
    const told = [actor.ask({ type: 'work' }, { n: 1 })]
    await actor.quiet()
    told.push(actor.ask({ type: 'work' }, { n: 1 }))
    await actor.quiet()
    expect(desk.started).toHaveLength(1)
    desk.started[0]?.done('ready')
    await actor.quiet()
    expect(outcomes(told)).toEqual([undefined, 'ready'])
  })

  test('a client with too much outstanding is refused until it settles', async () => {
    const actor = await stage({ mailbox: { messages: 5_000 } })
    for (let n = 1; n <= 1_024; n++) actor.ask(add(1), { command: { client: 'c', n, settled: 0 } })
    for (let i = 0; i < 10; i++) await actor.quiet()
    const refused = actor.ask(add(1), { command: { client: 'c', n: 1_025, settled: 0 } })
    const taken = actor.ask(add(1), { command: { client: 'c', n: 1_026, settled: 1_024 } })
    await actor.quiet()
    expect(refused.answers).toMatchObject([{ error: { code: 'TooManyOutstanding', applied: 'no' } }])
    expect(taken.outcome).toBe(1_025)
  })
})

describe('replies', () => {
  test('in a later step: to the ask at the root of the chain, to the oldest, to all', async () => {
    const actor = await stage()
    const [first, second, third] = ['a', 'b', 'c'].map((client) => actor.ask({ type: 'later' }, { client }))
    const one = actor.ask({ type: 'tell', to: 'oldest' })
    await actor.quiet()
    expect(outcomes([one].concat(first ?? [], second ?? [], third ?? []))).toEqual([
      null,
      'told one',
      undefined,
      undefined,
    ])
    actor.ask({ type: 'tell', to: 'all' })
    await actor.quiet()
    expect([first?.answers.length, second?.outcome, third?.outcome]).toEqual([1, 'told all', 'told all'])
  })

  test('an effect begun for an ask that timed out does not answer the next one', async () => {
    const actor = await stage()
    const first = actor.ask({ type: 'work' }, { command: { client: 'c', n: 1, settled: 0 }, remainingMs: 100 })
    await actor.advance(200)
    actor.ask({ type: 'stop' }, { command: { client: 'c', n: 2, settled: 1 } })
    const second = actor.ask({ type: 'work' }, { command: { client: 'c', n: 3, settled: 1 } })
    await actor.quiet()
    desk.started[0]?.done('for the first')
    await actor.quiet()
    expect([first.outcome, second.outcome]).toEqual([undefined, undefined])
    desk.started[1]?.done('for the second')
    await actor.quiet()
    expect(second.outcome).toBe('for the second')
  })

  test('an actor that ends tells whoever still waits', async () => {
    const actor = await stage()
    const open = actor.ask({ type: 'later' })
    const last = actor.ask({ type: 'finish' })
    await actor.quiet()
    expect([open.outcome, last.outcome]).toEqual(['AskUnanswered', null])
    const after = actor.ask(add(1))
    await actor.quiet()
    expect(after.outcome).toBe('ActorDone')
  })
})

describe('mailbox', () => {
  test('a full one refuses, in messages and in bytes; what it holds is not lost', async () => {
    const actor = await stage({ mailbox: { messages: 2, bytes: 200 } })
    const release = actor.journal.hold()
    actor.ask(add(1))
    await actor.quiet()
    const told = [add(1), { type: 'grow', text: 'x'.repeat(300) }, add(1), add(1)].map((event) => actor.ask(event))
    expect(outcomes(told)).toEqual([undefined, 'MailboxFull', undefined, 'MailboxFull'])
    expect(told[1]?.answers).toMatchObject([{ error: { applied: 'no', retryable: true } }])
    release()
    await actor.quiet()
    expect(outcomes(told)).toEqual([2, 'MailboxFull', 3, 'MailboxFull'])
  })
})
