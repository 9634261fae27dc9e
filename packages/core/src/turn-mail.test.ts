import { expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { defineActor } from './actor.ts'
import { seededEntropy } from './entropy.ts'
import { memory } from './memory/backend.ts'
import { protocol } from './protocol.ts'
import { Stage, type World, world } from './testing/stage.ts'

const says = protocol('book', {
  events: { add: z.object({ n: z.number() }), refuse: z.object({}) },
  replies: { add: z.number() },
})
const book = defineActor(says, {
  logic: setup({ types: says.types<{ seen: number[] }>() }).createMachine({
    context: { seen: [] },
    on: {
      add: {
        actions: [
          assign({ seen: ({ context, event }) => [...context.seen, event.n] }),
          says.reply('add', ({ context }) => context.seen.length),
        ],
      },
    },
  }),
})

const add = (n: number, client = 'sender/1') => ({ event: { type: 'add', n }, command: { client, n } })
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

async function stage(here: World, epoch = 1): Promise<Stage> {
  return new Stage({ def: book, ...here, epoch }).activate()
}
const seen = async (actor: Stage): Promise<unknown> => Reflect.get(Object(await actor.context()), 'seen')
const mailSteps = async (actor: Stage) =>
  (await actor.records()).flatMap(({ steps }) => steps.filter(({ mailSeq }) => mailSeq !== undefined))

test('turn/8: letters are applied in order, and the step of the last one of a message records its position', async () => {
  const actor = await stage(await world())
  const first = await actor.post([add(1), add(2)])
  const second = await actor.post([add(3)])
  actor.resident.mailAt(second)
  await actor.quiet()
  expect(await seen(actor)).toEqual([1, 2, 3])
  expect((await mailSteps(actor)).map(({ command, mailSeq }) => [command?.n, mailSeq])).toEqual([
    [2, first],
    [3, second],
  ])
  expect(actor.consumed.at(-1)).toBe(second)
})

test('turn/8: a message that is half applied when its node dies is applied in full, and nothing twice', async () => {
  const here = await world()
  const actor = await stage(here)
  const position = await actor.post(upTo(300).map((n) => add(n)))
  // 256 letters go into the first append; the second one never lands.
  actor.journal.script.push((go) => go(), 'dropped', 'dropped')
  actor.resident.mailAt(position)
  await actor.quiet()
  actor.resident.stop()
  expect(actor.consumed).toEqual([])
  const next = await stage(here, 2)
  expect(await seen(next)).toEqual(upTo(256))
  next.resident.mailAt(position)
  await next.quiet()
  expect(await seen(next)).toEqual(upTo(300))
  expect(next.consumed).toEqual([position])
})

test('turn/8: what was stored twice is applied once, also when the copies are far apart', async () => {
  const here = await world()
  const actor = await stage(here)
  await actor.post([add(1)])
  await actor.post([add(1), add(2)])
  await actor.post([add(3)])
  const last = await actor.post([add(2)])
  actor.resident.mailAt(last)
  await actor.quiet()
  expect(await seen(actor)).toEqual([1, 2, 3])
  // The last one made no step: its position is recorded a little later.
  await actor.advance(5_000)
  expect((await mailSteps(actor)).at(-1)).toMatchObject({ input: { kind: 'settled' }, mailSeq: last })
  expect(actor.consumed.at(-1)).toBe(last)
})

test('turn/8: mail up to the cursor is never read again; whoever announces it is told that it is consumed', async () => {
  const here = await world()
  const actor = await stage(here)
  const position = await actor.post([add(1)])
  actor.resident.mailAt(position)
  await actor.quiet()
  actor.resident.stop()
  const next = await stage(here, 2)
  next.resident.mailAt(position)
  await next.quiet()
  expect(await seen(next)).toEqual([1])
  expect(next.consumed.length).toBeGreaterThan(0)
  expect(new Set(next.consumed)).toEqual(new Set([position]))
})

test('turn/8: nothing is told to be consumed before its step is committed', async () => {
  const actor = await stage(await world())
  const position = await actor.post([add(1)])
  const free = actor.journal.hold()
  actor.resident.mailAt(position)
  await actor.quiet()
  actor.resident.mailAt(position)
  await actor.quiet()
  expect(actor.consumed).toEqual([])
  free()
  await actor.quiet()
  expect(actor.consumed).toEqual([position])
})

test('turn/8: a letter that its step refuses is dead before its mail is told to be consumed', async () => {
  const actor = await stage(await world())
  let stored = (_: boolean) => {}
  actor.burial = new Promise((resolve) => {
    stored = resolve
  })
  const position = await actor.post([{ event: { type: 'refuse' }, command: { client: 'c', n: 1 } }])
  actor.resident.mailAt(position)
  await actor.quiet()
  expect(actor.dead).toMatchObject([{ to: 'book/k', reason: 'EventNotAccepted', event: { type: 'refuse' } }])
  expect(await mailSteps(actor)).toMatchObject([{ outcome: 'rejected', mailSeq: position }])
  expect(actor.consumed).toEqual([])
  stored(true)
  await actor.quiet()
  expect(actor.consumed).toEqual([position])
})

test('turn/8: what a step has refused is buried by the next incarnation, not applied, whatever has changed', async () => {
  const here = await world()
  const dying = await stage(here)
  dying.burial = new Promise(() => {})
  const position = await dying.post([{ event: { type: 'refuse' }, command: { client: 'c', n: 1 } }])
  dying.resident.mailAt(position)
  await dying.quiet()
  dying.resident.stop()
  const lenient = defineActor(says, {
    logic: setup({ types: says.types<{ seen: number[] }>() }).createMachine({ context: { seen: [] }, on: { '*': {} } }),
  })
  const next = await new Stage({ def: lenient, ...here, epoch: 2 }).activate()
  next.resident.mailAt(position)
  await next.quiet()
  expect(next.dead).toEqual(dying.dead)
  expect((await next.records()).flatMap(({ steps }) => steps.map(({ outcome }) => outcome))).toEqual([
    'applied',
    'rejected',
  ])
})

test('turn/8: what is buried is soon recorded as over, and not buried again', async () => {
  const here = await world()
  const actor = await stage(here)
  actor.resident.mailAt(await actor.post([{ event: { type: 'refuse' }, command: { client: 'c', n: 1 } }]))
  await actor.quiet()
  await actor.advance(5_000)
  expect(actor.dead).toHaveLength(1)
  actor.resident.stop()
  expect((await stage(here, 2)).dead).toEqual([])
})

test('turn/8: a letter is refused by a step that is made later than it allows, and buried; one in time is applied', async () => {
  const here = await world()
  const actor = await stage(here)
  const now = here.clock.now()
  const late = await actor.post([{ ...add(1), expiresAt: now - 1, key: 'k' }])
  const position = await actor.post([{ ...add(2), expiresAt: now }])
  actor.resident.mailAt(position)
  await actor.quiet()
  expect(await seen(actor)).toEqual([2])
  expect(actor.dead).toMatchObject([{ reason: 'LetterExpired', attempts: 1, event: { n: 1 }, key: 'k' }])
  expect(await mailSteps(actor)).toMatchObject([
    { outcome: 'error', error: { code: 'LetterExpired', applied: 'no', retryable: false }, mailSeq: late },
    { outcome: 'applied', at: now, mailSeq: position },
  ])
  // The key of what was not looked at stands for nothing.
  actor.resident.mailAt(await actor.post([{ ...add(3), key: 'k' }]))
  await actor.quiet()
  expect(await seen(actor)).toEqual([2, 3])
})

test('turn/8: the next incarnation buries what had expired, and no letter that was applied in time', async () => {
  const here = await world()
  const dying = await stage(here)
  dying.burial = new Promise(() => {})
  const expiresAt = here.clock.now() + 10
  await dying.post([{ ...add(1), expiresAt }])
  dying.resident.mailAt(await dying.post([{ ...add(2), expiresAt: here.clock.now() - 1 }]))
  await dying.quiet()
  dying.resident.stop()
  await dying.advance(20)
  const next = await stage(here, 2)
  const position = await next.post([add(3)], 'third')
  next.resident.mailAt(position)
  await next.quiet()
  expect(await seen(next)).toEqual([1, 3])
  expect(next.dead.map(({ reason, event }) => [reason, event])).toEqual([['LetterExpired', { type: 'add', n: 2 }]])
  expect(next.consumed.at(-1)).toBe(position)
})

test('turn/8: a letter to an actor that has ended is dead, also when the actor is begun again before it is buried', async () => {
  const here = await world()
  const ending = await stage(here)
  ending.burial = new Promise(() => {})
  ending.order({ kind: 'destroy' })
  await ending.quiet()
  const position = await ending.post([add(1)])
  ending.resident.mailAt(position)
  await ending.quiet()
  ending.resident.stop()
  const next = await stage(here, 2)
  next.order({ kind: 'start' }, { client: 'another operator' })
  await next.quiet()
  next.resident.mailAt(position)
  await next.quiet()
  expect(next.dead).toMatchObject([{ reason: 'ActorDestroyed', event: { type: 'add', n: 1 }, command: { n: 1 } }])
  expect(await seen(next)).toEqual([])
})

test('turn/8: a reply to a letter reaches nobody; its ask is none', async () => {
  const actor = await stage(await world())
  actor.resident.mailAt(await actor.post([add(1)]))
  await actor.quiet()
  expect((await actor.records()).at(-1)?.open.asks).toBe(0)
})

test('turn/8: bytes that are no letter, and an event by hand', async () => {
  const here = await world()
  const actor = await stage(here)
  const { mail } = here.connection
  const subject = 'tr.default.m.main-0.book.k'
  await mail.store(subject, Buffer.from([0xc1]), { id: 'a' })
  const headers = { 'content-type': 'application/json' }
  const outcome = await mail.store(subject, Buffer.from('{"event":{"type":"add","n":7}}'), { id: 'b', headers })
  actor.resident.mailAt(outcome.kind === 'stored' ? outcome.position : 0)
  await actor.quiet()
  expect(await seen(actor)).toEqual([7])
  expect(actor.dead).toMatchObject([{ reason: 'InvalidEvent', bytes: { $bytes: 'wQ==' } }])
})

test('a cursor into mail that was kept elsewhere says nothing', async () => {
  const here = await world()
  const actor = await stage(here)
  for (let n = 1; n <= 3; n++) actor.resident.mailAt(await actor.post([add(n)]))
  await actor.quiet()
  actor.resident.stop()
  // The mail was lost and made anew: its positions begin again.
  const { mail } = await memory().connect({ name: 'other', clock: here.clock, entropy: seededEntropy('other') })
  const connection = { ...here.connection, mail }
  const next = await new Stage({ def: book, connection, clock: here.clock, epoch: 2 }).activate()
  next.resident.mailAt(await next.post([add(3), add(4)]))
  await next.quiet()
  expect(await seen(next)).toEqual([1, 2, 3, 4])
})

test('turn/9: a letter that ends its process three times is a dead letter, and the next one is taken', async () => {
  const here = await world()
  const first = await stage(here)
  await first.post([add(1)])
  const last = await first.post([add(2)])
  first.resident.stop()
  for (let epoch = 2; epoch <= 4; epoch++) {
    const dying = new Stage({ def: book, ...here, epoch })
    // Activated, the attempt recorded; dead before the step.
    dying.journal.script.push(
      (go) => go(),
      (go) => go(),
      'dropped',
    )
    await dying.activate()
    dying.resident.mailAt(last)
    await dying.quiet()
    expect((await dying.records()).at(-1)?.steps).toMatchObject([{ attempt: { message: 'sender/1:1', n: epoch - 1 } }])
    dying.resident.stop()
  }
  const next = await stage(here, 5)
  next.resident.mailAt(last)
  await next.quiet()
  expect(next.dead).toMatchObject([{ reason: 'Poison', attempts: 3, event: { n: 1 } }])
  expect(await seen(next)).toEqual([2])
  expect(next.consumed.at(-1)).toBe(last)
})

test('turn/9: an ask that ended its process three times is refused', async () => {
  const here = await world()
  ;(await stage(here)).resident.stop()
  const ask = { command: { client: 'c', n: 1, settled: 0 } }
  for (let epoch = 2; epoch <= 4; epoch++) {
    const dying = new Stage({ def: book, ...here, epoch })
    dying.journal.script.push(
      (go) => go(),
      (go) => go(),
      'dropped',
    )
    await dying.activate()
    dying.ask({ type: 'add', n: 1 }, ask)
    await dying.quiet()
    dying.resident.stop()
  }
  const next = await stage(here, 5)
  const told = next.ask({ type: 'add', n: 1 }, ask)
  await next.quiet()
  expect(told.outcome).toBe('Poison')
  const other = next.ask({ type: 'add', n: 2 }, { command: { client: 'c', n: 2, settled: 0 } })
  await next.quiet()
  expect(other.outcome).toBe(1)
})

test('turn/9: what was applied is no suspect, however often it is asked again after a move', async () => {
  const here = await world()
  const ask = { command: { client: 'c', n: 1, settled: 0 } }
  for (let epoch = 1; epoch <= 6; epoch++) {
    const actor = await stage(here, epoch)
    const told = actor.ask({ type: 'add', n: 1 }, ask)
    await actor.quiet()
    expect(told.outcome).toBe(1)
    actor.resident.stop()
  }
})
