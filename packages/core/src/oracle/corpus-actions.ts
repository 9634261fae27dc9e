/** Built-in and custom actions, and what they make of the world. */
import {
  type AnyActorRef,
  assign,
  cancel,
  emit,
  enqueueActions,
  log,
  raise,
  sendTo,
  spawnChild,
  stopChild,
} from 'xstate'
import { type Args, listener, machine, mark, note } from './parts.ts'
import type { Case } from './script.ts'

interface Self {
  readonly self: AnyActorRef
}
interface Down {
  readonly event: { readonly type: string; readonly from: AnyActorRef }
}

export const actions: readonly Case[] = [
  {
    name: 'emit: order among custom actions, enqueued ones and raised events',
    operations: ['A', 'B'],
    make: (world) =>
      machine({
        entry: emit({ type: 'hello' }),
        on: {
          A: {
            actions: [
              emit({ type: 'e1' }),
              world.act('x'),
              enqueueActions(({ enqueue }) => {
                enqueue.emit({ type: 'e2' })
                enqueue(world.act('y'))
                enqueue.raise({ type: 'R' })
              }),
              emit({ type: 'e3' }),
            ],
          },
          R: { actions: emit({ type: 'r' }) },
          B: { actions: [log('b'), emit(({ event }) => ({ type: 'got', b: event.type, n: 1n }))] },
        },
      }),
  },
  {
    name: 'emit: from children, before and after the root',
    operations: ['GO', 'GO'],
    make: () =>
      machine(
        {
          invoke: { id: 'kid', src: 'kid' },
          on: { GO: { actions: [emit({ type: 'one' }), sendTo('kid', { type: 'GO' }), emit({ type: 'two' })] } },
        },
        { actors: { kid: machine({ entry: emit({ type: 'born' }), on: { GO: { actions: emit({ type: 'kid' }) } } }) } },
      ),
  },
  {
    name: 'emit: on the way to the end',
    operations: ['END'],
    make: () =>
      machine({
        initial: 'a',
        exit: emit({ type: 'root exit' }),
        states: {
          a: { exit: emit({ type: 'a exit' }), on: { END: 'z' } },
          z: { entry: emit({ type: 'z entry' }), type: 'final' },
        },
      }),
  },
  {
    name: 'enqueueActions: check, assign, spawn, send, stop',
    operations: ['A', 'UP', 'A', 'HI', 'DROP', 'HI'],
    make: (world) =>
      machine(
        {
          context: { n: 0, log: [] },
          on: {
            UP: { actions: assign({ n: 5 }) },
            A: {
              actions: enqueueActions(({ enqueue, check, context }) => {
                if (!check('big')) return enqueue(world.act(`small ${context['n']}`))
                enqueue.assign({ big: true })
                enqueue.spawnChild('kid', { id: 'kid' })
                enqueue.sendTo('kid', { type: 'N' })
              }),
            },
            HI: { actions: sendTo('kid', { type: 'HI' }) },
            DROP: { actions: enqueueActions(({ enqueue }) => enqueue.stopChild('kid')) },
          },
        },
        { guards: { big: ({ context }: Args) => Number(context['n']) > 3 }, actors: { kid: listener() } },
      ),
  },
  {
    name: 'enqueueActions: delayed raise and cancel',
    operations: ['S', 2, 'S', 4, 'STOP', 9],
    make: () =>
      machine({
        context: { log: [] },
        on: {
          S: {
            actions: enqueueActions(({ enqueue }) => {
              enqueue.cancel('p')
              enqueue.raise({ type: 'P' }, { delay: 5, id: 'p' })
              enqueue.raise({ type: 'Q' }, { delay: 3 })
            }),
          },
          STOP: { actions: enqueueActions(({ enqueue }) => enqueue.cancel('p')) },
          '*': { actions: note() },
        },
      }),
  },
  {
    name: 'enqueueActions: sees the context that earlier actions made',
    operations: ['A', 'A'],
    make: () =>
      machine({
        context: { n: 0, log: [] },
        on: {
          A: {
            actions: [
              assign({ n: ({ context }) => context['n'] + 1 }),
              enqueueActions(({ enqueue, context }) => {
                enqueue.assign({ n: ({ context: inner }: Args) => Number(inner['n']) * 10 })
                enqueue(note(({ context: later }) => [context['n'], later['n']]))
              }),
            ],
          },
        },
      }),
  },
  {
    name: 'named actions and guards with params',
    operations: ['A'],
    make: (world) =>
      machine(
        {
          context: { log: [] },
          on: {
            A: {
              guard: { type: 'is', params: { k: 1 } },
              actions: [{ type: 'say', params: ({ event }: Args) => ({ e: event.type }) }, 'plain', 'noted'],
            },
          },
        },
        {
          guards: { is: (_: Args, { k }: { k: number }) => k === 1 },
          actions: {
            say: (_: Args, { e }: { e: string }) => world.act(`say ${e}`)(),
            plain: world.act('plain'),
            noted: mark('noted'),
          },
        },
      ),
  },
  {
    name: 'a custom action sends to its own machine',
    operations: ['A', 'A'],
    kills: 'quiet',
    make: () =>
      machine({
        context: { log: [] },
        on: {
          A: { actions: [({ self }: Self) => self.send({ type: 'LATER' }), note()] },
          LATER: { actions: note() },
        },
      }),
  },
  {
    name: 'a custom action sends to a child and to its parent',
    operations: ['A', 'A'],
    kills: 'quiet',
    make: () =>
      machine(
        {
          context: { log: [] },
          invoke: { id: 'kid', src: 'kid' },
          on: {
            A: { actions: ({ self }: Self) => self.getSnapshot().children['kid']?.send({ type: 'DOWN', from: self }) },
            UP: { actions: note() },
          },
        },
        {
          actors: {
            kid: machine({
              context: { log: [] },
              on: { DOWN: { actions: [note(), ({ event }: Down) => event.from.send({ type: 'UP' })] } },
            }),
          },
        },
      ),
  },
  {
    name: 'entry and exit actions: order through nested and parallel states',
    operations: ['GO', 'GO'],
    make: (world) => {
      const both = (name: string) => ({
        entry: [world.act(`in ${name}`), mark(`in ${name}`)],
        exit: [world.act(`out ${name}`), mark(`out ${name}`)],
      })
      return machine({
        initial: 'a',
        context: { log: [] },
        states: {
          a: { ...both('a'), initial: 'x', states: { x: { ...both('x') } }, on: { GO: 'b' } },
          b: {
            ...both('b'),
            type: 'parallel',
            on: { GO: 'a' },
            states: {
              p: { ...both('p'), initial: 'u', states: { u: both('u') } },
              q: { ...both('q'), initial: 'v', states: { v: both('v') } },
            },
          },
        },
      })
    },
  },
  {
    name: 'one list of all built-in actions',
    operations: ['ALL', 3, 'ALL', 9],
    make: () =>
      machine(
        {
          context: { log: [], n: 0 },
          on: {
            ALL: {
              actions: [
                cancel('p'),
                assign({ n: ({ context }) => context['n'] + 1 }),
                stopChild('kid'),
                spawnChild('kid', { id: 'kid' }),
                sendTo('kid', { type: 'NOW' }),
                sendTo('kid', { type: 'SOON' }, { delay: 2 }),
                raise({ type: 'P' }),
                raise({ type: 'P' }, { delay: 5, id: 'p' }),
                emit(({ context }) => ({ type: 'all', n: context['n'] })),
                log('all'),
              ],
            },
            P: { actions: note(({ context }) => context['n']) },
          },
        },
        { actors: { kid: listener() } },
      ),
  },
]
