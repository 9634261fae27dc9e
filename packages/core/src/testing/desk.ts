/** The actor that the tests of the turn drive. */
import { assign, emit, setup } from 'xstate'
import { z } from 'zod'
import { type ActorPolicy, defineActor } from '../actor.ts'
import { effect } from '../effect.ts'
import { protocol } from '../protocol.ts'
import type { ManualClock } from './manual-clock.ts'

const none = z.object({})
const noteSays = protocol('note', { events: { write: z.object({ text: z.string() }) } })
const says = protocol('desk', {
  events: {
    add: z.object({ by: z.number() }),
    fail: none,
    later: none,
    tell: z.object({ to: z.enum(['cause', 'oldest', 'all']) }),
    work: none,
    stop: none,
    send: z.object({ key: z.string() }),
    wake: none,
    say: none,
    act: none,
    grow: z.object({ text: z.string() }),
    finish: none,
    inner: none,
    think: none,
  },
  replies: { add: z.number(), later: z.string(), work: z.string() },
  emits: { said: z.object({ n: z.number() }) },
})

/** Every way in which a step can reach the world, in one machine; its effects are ended by the test. */
export class Desk {
  readonly #clock: ManualClock

  readonly started: { readonly attempt: number; done(value: string): void; fail(error: Error): void }[] = []
  readonly aborted: number[] = []
  readonly acted: number[] = []

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  def(policy: ActorPolicy = {}) {
    const work = effect('work', 'idempotent', (_: unknown, { signal, attempt }) => {
      const n = this.started.length
      signal.addEventListener('abort', () => this.aborted.push(n))
      return new Promise<string>((done, fail) => this.started.push({ attempt, done, fail }))
    })
    const logic = setup({
      types: says.types<{ n: number; text: string }>(),
      actors: { work },
      actions: {
        act: ({ context, self }) => {
          this.acted.push(context.n)
          self.send({ type: 'inner' })
        },
      },
    }).createMachine({
      context: { n: 0, text: '' },
      initial: 'idle',
      on: {
        add: {
          actions: [
            assign({ n: ({ context, event }) => context.n + event.by }),
            says.reply('add', ({ context }) => context.n),
          ],
        },
        fail: {
          actions: assign(() => {
            throw new Error('the desk broke')
          }),
        },
        later: {},
        tell: [
          { guard: ({ event }) => event.to === 'all', actions: says.reply('later', 'told all', { to: 'all' }) },
          { actions: says.reply('later', 'told one', { to: 'oldest' }) },
        ],
        send: {
          actions: noteSays.sendTo(
            ({ event }) => event.key,
            ({ context }) => ({ type: 'write', text: `${context.n}` }),
          ),
        },
        say: { actions: emit(({ context }) => ({ type: 'said' as const, n: context.n })) },
        act: { actions: 'act' },
        inner: { actions: assign({ n: ({ context }) => context.n + 100 }) },
        grow: { actions: assign({ text: ({ event }) => event.text }) },
        think: {
          actions: assign({
            n: ({ context }) => {
              this.#clock.advance(4)
              return context.n
            },
          }),
        },
        finish: '.over',
      },
      states: {
        idle: { on: { work: 'working', wake: 'sleeping' } },
        working: {
          invoke: {
            src: 'work',
            input: {},
            onDone: { target: 'idle', actions: says.reply('work', ({ event }) => event.output) },
            onError: 'idle',
          },
          on: { stop: 'idle' },
        },
        sleeping: { after: { 1000: { target: 'idle', actions: assign({ n: ({ context }) => context.n + 1 }) } } },
        over: { type: 'final' },
      },
    })
    return defineActor(says, { logic, supervision: { backoffMs: [100, 100] }, ...policy })
  }
}
