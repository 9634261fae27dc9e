/** Actors of one tree that find each other: by system id, by reference, and in what order they hear. */
import { type AnyActorRef, assign, emit, forwardTo, raise, sendParent, sendTo, spawnChild } from 'xstate'
import { counter, listener, machine, N, note, type Spawner } from './parts.ts'
import type { Case } from './script.ts'

interface Asked {
  readonly event: { readonly type: string; readonly from: AnyActorRef }
}

/** Sends HI to the reference in its input, at once and later. */
const greeter = () =>
  machine({
    context: ({ input }: { input: { to: unknown } }) => ({ to: input.to, n: 0 }),
    on: {
      GO: {
        actions: [
          assign({ n: ({ context }) => context['n'] + 1 }),
          sendTo(
            ({ context }) => context['to'],
            ({ context }) => ({ type: `HI ${context['n']}` }),
          ),
          sendTo(
            ({ context }) => context['to'],
            ({ context }) => ({ type: `LATER ${context['n']}` }),
            { delay: 2 },
          ),
        ],
      },
    },
  })

export const siblings: readonly Case[] = [
  {
    name: 'systemId: a service found by name, replaced under it',
    operations: ['N', 'N', 'AGAIN', 'N'],
    make: () =>
      machine(
        {
          initial: 'a',
          states: {
            a: {
              invoke: { id: 'kid', systemId: 'service', src: 'kid' },
              on: { AGAIN: { target: 'a', reenter: true } },
            },
          },
          on: { N: { actions: sendTo(({ system }) => system.get('service'), N) } },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'systemId: free again when its owner is done, whatever the order of ids',
    operations: ['FIRST', 'N', 'N', 'SECOND', 'N', 'X'],
    make: () =>
      machine(
        {
          on: {
            FIRST: { actions: spawnChild('kid', { id: '2', systemId: 'service' }) },
            SECOND: { actions: spawnChild('kid', { id: '1', systemId: 'service' }) },
            N: { actions: sendTo(({ system }) => system.get('service'), N) },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'systemId: across levels, with a delayed send to it',
    operations: [2, 'GO', 1, 'GO', 9],
    make: () => {
      const middle = machine(
        {
          initial: 'a',
          states: {
            a: { after: { 6: 'b' } },
            b: { entry: [sendTo(({ system }) => system.get('leaf'), { type: 'HI' }), sendParent({ type: 'UP' })] },
          },
          invoke: { id: 'leaf', src: 'leaf', systemId: 'leaf' },
        },
        { actors: { leaf: listener() } },
      )
      return machine(
        {
          context: { log: [] },
          invoke: { id: 'middle', src: 'middle' },
          on: {
            GO: { actions: sendTo(({ system }) => system.get('leaf'), { type: 'HI' }, { delay: 3 }) },
            UP: { actions: note() },
          },
        },
        { actors: { middle } },
      )
    },
  },
  {
    name: 'siblings: a reference given in input, sends at once and later',
    operations: ['GO', 'GO', 4, 'GO', 1],
    make: () =>
      machine(
        {
          context: ({ spawn }: Spawner) => {
            const to = spawn('listener', { id: 'listener' })
            return { to, from: spawn('greeter', { id: 'greeter', input: { to } }) }
          },
          on: { GO: { actions: forwardTo('greeter') } },
        },
        { actors: { listener: listener(), greeter: greeter() } },
      ),
  },
  {
    name: 'order: delivery goes depth first',
    operations: ['GO'],
    make: () =>
      machine(
        {
          context: ({ spawn }: Spawner) => {
            const b = spawn('b', { id: 'b' })
            return { b, a: spawn('a', { id: 'a', input: { to: b } }) }
          },
          on: { GO: { actions: [sendTo('a', { type: 'GO' }), sendTo('b', { type: 'FROM ROOT' })] } },
        },
        { actors: { b: listener(), a: greeter() } },
      ),
  },
  {
    name: 'order: exit sends to a child that the exit stops',
    operations: ['OUT', 'X'],
    make: (world) =>
      machine(
        {
          initial: 'a',
          context: { log: [] },
          on: { UP: { actions: note() } },
          states: {
            a: { invoke: { id: 'kid', src: 'kid' }, exit: sendTo('kid', { type: 'BYE' }), on: { OUT: 'b' } },
            b: {},
          },
        },
        {
          actors: {
            kid: machine({
              on: { BYE: { actions: [world.act('bye'), sendParent({ type: 'UP' })] } },
              exit: world.act('kid exit'),
            }),
          },
        },
      ),
  },
  {
    name: 'request and response with a reference in the event',
    operations: ['ASK', 'ASK'],
    make: () =>
      machine(
        {
          context: { log: [] },
          invoke: { id: 'server', src: 'server' },
          on: {
            ASK: {
              actions: [sendTo('server', ({ self }) => ({ type: 'ASKED', from: self })), raise({ type: 'AFTER' })],
            },
            ANSWER: { actions: [note(({ event }) => event['n']), emit({ type: 'answered' })] },
            AFTER: { actions: note() },
          },
        },
        {
          actors: {
            server: machine({
              context: { n: 0 },
              on: {
                ASKED: {
                  actions: [
                    assign({ n: ({ context }) => context['n'] + 1 }),
                    sendTo(
                      ({ event }: Asked) => event.from,
                      ({ context }) => ({ type: 'ANSWER', n: context['n'] }),
                    ),
                  ],
                },
              },
            }),
          },
        },
      ),
  },
  {
    name: 'a machine reads the state of its child',
    operations: ['N', 'LOOK', 'N', 'LOOK'],
    make: () =>
      machine(
        {
          context: { log: [] },
          invoke: { id: 'kid', src: 'kid' },
          on: {
            N: { actions: [sendTo('kid', N), raise({ type: 'LOOK' })] },
            LOOK: {
              actions: assign({
                log: ({ context, self }) => [
                  ...context['log'],
                  self.getSnapshot().children['kid']?.getSnapshot().value ?? 'none',
                ],
              }),
            },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'a machine that ends stops its children and their timers',
    operations: [1, 'END', 5],
    make: (world) =>
      machine(
        {
          initial: 'a',
          invoke: { id: 'kid', src: 'kid' },
          states: { a: { on: { END: 'z' } }, z: { type: 'final' } },
          output: 'out',
        },
        {
          actors: {
            kid: machine(
              {
                initial: 'a',
                exit: world.act('kid exit'),
                invoke: { src: 'load' },
                states: { a: { after: { 3: 'b' } }, b: {} },
              },
              { actors: { load: world.effect(4, () => ({ ok: 1 })) } },
            ),
          },
        },
      ),
  },
]
