/** Proofs about types: compiled with the package, never run. Nothing here is `any`; every mistake is one the compiler finds. */
import { assign, emit, enqueueActions, fromCallback, fromTransition, setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, type Effect, type EventIn, type EventOut, effect, protocol } from './index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function same<A, B>(proof: Equal<A, B>): void

const system = await createSystem()

// ── A protocol: replies, emitted events, defaults ────────────────────────────────────────────────────────────────────

const lockSays = protocol('lock', {
  events: { acquire: z.object({ who: z.string(), ms: z.coerce.number().default(100) }), release: z.object({}) },
  replies: { acquire: z.enum(['granted', 'refused']) },
  emits: { taken: z.object({ who: z.string() }) },
})
const auditSays = protocol('audit', { events: { note: z.object({ text: z.string() }) } })

same<typeof lockSays.type, 'lock'>(true)
type Acquire = EventOut<typeof lockSays.events, 'acquire'>
same<Acquire, { type: 'acquire'; who: string; ms: number }>(true)
same<EventIn<typeof lockSays.events, 'acquire'>['ms'], unknown>(true) // coerced: anything may come
same<EventOut<typeof lockSays.events, 'release'>, { type: 'release' }>(true)

// ── A machine: named actions, guards, enqueueActions, a later reply, a send to another actor ──────────────────────────

const charge = effect('charge', 'write', async (input: { cents: number }) => ({ receipt: `r${input.cents}` }))
same<typeof charge, Effect<{ cents: number }, { receipt: string }>>(true)

const lock = setup({
  types: lockSays.types<{ owner: string | null }>(),
  actors: { charge, audit: auditSays.ask('note') },
  guards: { free: ({ context }) => context.owner === null },
  actions: {
    take: assign({ owner: (_, who: string) => who }),
    announce: emit(({ context }) => ({ type: 'taken' as const, who: context.owner ?? '' })),
    // In setup.actions the event is the whole union: XState's own rule, not ours.
    grant: lockSays.reply('acquire', 'granted'),
  },
}).createMachine({
  context: ({ input }) => {
    same<typeof input.key, string>(true)
    return { owner: null }
  },
  initial: 'idle',
  states: {
    idle: {
      on: {
        acquire: [
          {
            guard: 'free',
            target: 'charging',
            actions: [
              { type: 'take', params: ({ event }) => event.who },
              'announce',
              auditSays.sendTo(
                ({ context }) => context.owner ?? 'nobody',
                ({ event }) => ({ type: 'note', text: `${event.who} ${event.ms.toFixed()}` }),
              ),
            ],
          },
          { actions: lockSays.reply('acquire', 'refused', { to: 'oldest' }) },
        ],
      },
    },
    charging: {
      invoke: {
        src: 'charge',
        input: { cents: 5 },
        onDone: {
          target: 'held',
          actions: [({ event }) => same<typeof event.output, { receipt: string }>(true), 'grant'],
        },
        onError: {
          target: 'idle',
          actions: enqueueActions(({ enqueue }) => {
            enqueue.assign({ owner: null })
            enqueue(lockSays.reply('acquire', 'refused'))
          }),
        },
      },
    },
    held: { on: { release: { target: 'idle', actions: assign({ owner: null }) } }, after: { 1000: 'idle' } },
  },
})
const lockActor = defineActor(lockSays, { logic: lock, persistence: 'journaled' })

// ── A reference: what it takes and what it gives ─────────────────────────────────────────────────────────────────────

const ref = system.get(lockActor, 'door')
const granted = await ref.ask({ type: 'acquire', who: 'me' }) // `ms` has a default: optional for the sender
same<typeof granted, 'granted' | 'refused'>(true)
const released = await ref.ask({ type: 'release' })
same<typeof released, void>(true)
const view = await ref.snapshot()
same<typeof view.context, { owner: string | null }>(true)
same<typeof view.value, 'idle' | 'charging' | 'held'>(true)
view.matches('held')
ref.on('taken', (event) => same<typeof event, { type: 'taken'; who: string }>(true))

// A protocol alone is enough to talk.
const far = system.get(lockSays, 'door')
same<Awaited<ReturnType<typeof far.ask<'acquire'>>>, 'granted' | 'refused'>(true)

// ── Other logics ─────────────────────────────────────────────────────────────────────────────────────────────────────

const tallySays = protocol('tally', { events: { add: z.object({ by: z.number() }), reset: z.object({}) } })
type Tally = ReturnType<typeof tallySays.types<{ n: number }>>
const tally = defineActor(tallySays, {
  logic: fromTransition(
    (s: Tally['context'], e: Tally['events']) => (e.type === 'add' ? { n: s.n + e.by } : { n: 0 }),
    {
      n: 0,
    },
  ),
  persistence: 'volatile',
})
const tallyView = await system.get(tally, 'x').snapshot()
same<typeof tallyView.context, { n: number }>(true)
same<typeof tallyView.value, undefined>(true)
defineActor(tallySays, { logic: fromCallback<Tally['events']>(({ receive }) => receive(() => {})) })

const light = defineActor(lockSays, {
  logic: lockSays.handlers<{ owner: string | null; door: string }>((input) => ({ owner: null, door: input.key }), {
    acquire: (state, { who }) =>
      state.owner === null ? { state: { ...state, owner: who }, reply: 'granted' } : { state, reply: 'refused' },
    release: (state) => ({ ...state, owner: null }),
  }),
})
const lightView = await system.get(light, 'a').snapshot()
same<typeof lightView.context, { owner: string | null; door: string }>(true)

// Events of one's own that nobody outside may send.
const clockSays = protocol('clock', { events: { start: z.object({}) } })
const clock = defineActor(clockSays, {
  logic: setup({ types: clockSays.types<{ n: number }, { type: 'tick' }>() }).createMachine({
    context: { n: 0 },
    on: {
      start: { actions: ({ self }) => self.send({ type: 'tick' }) },
      tick: { actions: assign({ n: ({ context }) => context.n + 1 }) },
    },
  }),
})
// @ts-expect-error 'tick' is not part of the protocol
system.get(clock, 'a').send({ type: 'tick' })

// The rest of XState's `types` is added by spreading.
const tagged = setup({ types: { ...lockSays.types<{ n: number }>(), tags: {} as 'busy' | 'free' } }).createMachine({
  context: { n: 0 },
  initial: 'a',
  states: { a: { tags: 'busy' } },
})
same<Awaited<ReturnType<ReturnType<typeof system.get<typeof lockSays, typeof tagged>>['snapshot']>>['value'], 'a'>(true)

// ── Mistakes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// @ts-expect-error E1 unknown event
ref.send({ type: 'sub', by: 1 })
// @ts-expect-error E2 wrong payload type
await ref.ask({ type: 'acquire', who: 1 })
// @ts-expect-error E3 missing payload field
await ref.ask({ type: 'acquire' })
// @ts-expect-error E4 reply declared for an event that does not exist
protocol('x', { events: { add: z.object({}) }, replies: { ad: z.number() } })
// @ts-expect-error E5 machine replies with the wrong type
lockSays.reply('acquire', 'maybe')
// @ts-expect-error E6 machine handles an event that is not in the protocol
setup({ types: tallySays.types<{ n: number }>() }).createMachine({ context: { n: 0 }, on: { addd: {} } })
// @ts-expect-error E7 logic does not take a protocol event
defineActor(tallySays, { logic: fromTransition((s: object, _: { type: 'add'; by: number }) => s, {}) })
// @ts-expect-error E8 reply to an event with no reply
lockSays.reply('release', 1)
// @ts-expect-error E9 matches an unknown state
view.matches('nope')
// @ts-expect-error E18 an option that does not exist
defineActor(lockSays, { logic: lock, durable: true })
// @ts-expect-error E19 a definition that is not an actor
await createSystem({ actors: [lockSays] })
lockSays.handlers(
  { n: 0 },
  {
    // @ts-expect-error E20 a handler forgets its reply
    acquire: (s) => s,
    release: (s) => s,
  },
)
// @ts-expect-error E21 a handler is missing
lockSays.handlers({ n: 0 }, { acquire: (state) => ({ state, reply: 'granted' }) })
// @ts-expect-error an event that is not emitted
ref.on('given', () => {})
// @ts-expect-error a send that the receiver's protocol does not have
auditSays.sendTo('a', { type: 'nota', text: '' })
// @ts-expect-error an unknown class of effects
effect('x', 'maybe', async () => 1)
// @ts-expect-error the question of an effect that asks names its key
setup({ actors: { audit: auditSays.ask('note') } }).createMachine({ invoke: { src: 'audit', input: { text: 'x' } } })
