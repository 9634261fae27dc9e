/** Children that are machines: invoked, spawned, stopped, named, nested three levels deep. */
import {
  type AnyActorRef,
  assign,
  emit,
  enqueueActions,
  forwardTo,
  raise,
  sendParent,
  sendTo,
  spawnChild,
  stopChild,
} from 'xstate'
import { type Args, keep, machine, mark, note, type Spawner } from './parts.ts'
import type { Case } from './script.ts'
import type { World } from './world.ts'

interface Asked {
  readonly event: { readonly type: string; readonly from: AnyActorRef }
}

const N = { type: 'N' }
const at = (event: object) => Number(Reflect.get(event, 'i'))
const addOne = assign({ v: ({ context }) => context['v'] + 1 })

/** a → N → b → N → done; counts in `v` and gives it as output. */
const counter = () =>
  machine({
    initial: 'a',
    context: ({ input }: { input?: { v: number } }) => ({ v: input?.v ?? 0 }),
    states: { a: { on: { N: { target: 'b', actions: addOne } } }, b: { on: { N: 'd' } }, d: { type: 'final' } },
    output: ({ context }: Args) => ({ v: context['v'] }),
  })

/** Notes whatever it is sent. */
const listener = () => machine({ context: { log: [] }, on: { '*': { actions: note() } } })

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

const outputOf = ({ event }: Args) => event['output']

/** Three levels: the leaf works on an effect, the middle counts leaves, the root tells the world. */
const threeLevels = (world: World) => {
  const leaf = machine(
    {
      initial: 'a',
      context: { log: [] },
      states: {
        a: { on: { N: 'wait' } },
        wait: { after: { 2: { target: 'work' } } },
        work: {
          invoke: {
            src: 'load',
            onDone: {
              target: 'done',
              actions: sendParent(({ event }: Args) => ({ type: 'LEAF', o: event['output'] })),
            },
          },
        },
        done: { entry: emit({ type: 'leaf done' }), type: 'final' },
      },
      output: () => 'leaf out',
    },
    { actors: { load: world.effect(1, () => ({ ok: 'loaded' })) } },
  )
  const middle = machine(
    {
      context: { log: [] },
      invoke: { id: 'leaf', src: 'leaf', onDone: { actions: [note(outputOf), sendParent({ type: 'MIDDLE' })] } },
      on: { N: { actions: forwardTo('leaf') }, LEAF: { actions: note(({ event }) => event['o']) } },
    },
    { actors: { leaf } },
  )
  return machine(
    {
      context: { log: [] },
      invoke: { id: 'middle', src: 'middle' },
      on: {
        N: { actions: [forwardTo('middle'), emit(({ event }) => ({ type: 'n', by: event.type }))] },
        MIDDLE: { actions: [note(), emit({ type: 'middle done' })] },
      },
    },
    { actors: { middle } },
  )
}

export const children: readonly Case[] = [
  {
    name: 'invoke: a machine to its end',
    operations: ['N', 'N', 'N'],
    make: () =>
      machine(
        {
          initial: 'run',
          context: {},
          states: {
            run: {
              invoke: {
                id: 'kid',
                src: 'kid',
                input: { v: 7 },
                onDone: { target: 'done', actions: keep('got', 'output') },
              },
              on: { N: { actions: forwardTo('kid') } },
            },
            done: {},
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  { name: 'three levels: effect, timer, sendParent, output', operations: ['N', 3, 'N', 3, 'N', 3], make: threeLevels },
  {
    name: 'three levels: messages to the middle and the leaf from outside',
    operations: [{ to: ['middle'], event: N }, 1, { to: ['middle', 'leaf'], event: N }, 5],
    make: threeLevels,
  },
  {
    name: 'three levels: the middle is replaced under the same id, with all below',
    operations: ['N', 'AGAIN', 'N', 1, 'AGAIN', 2, 'N', 4, 4],
    make: (world) => {
      const leaf = machine(
        {
          initial: 'work',
          context: { log: [] },
          states: {
            work: { invoke: { id: 'load', src: 'load', onDone: 'rest' }, on: { N: { actions: note() } } },
            rest: { after: { 2: { target: 'end', actions: sendParent({ type: 'LEAF' }) } } },
            end: { type: 'final' },
          },
        },
        { actors: { load: world.effect(2, () => ({ ok: 1 })) } },
      )
      const middle = machine(
        {
          context: { log: [] },
          invoke: { id: 'leaf', src: 'leaf', onDone: { actions: [mark('done'), sendParent({ type: 'UP' })] } },
          on: { N: { actions: [note(), sendTo('leaf', N)] }, LEAF: { actions: note() } },
        },
        { actors: { leaf } },
      )
      return machine(
        {
          initial: 'a',
          context: { log: [] },
          states: { a: { invoke: { id: 'middle', src: 'middle' }, on: { AGAIN: { target: 'a', reenter: true } } } },
          on: { N: { actions: sendTo('middle', N) }, UP: { actions: note() } },
        },
        { actors: { middle } },
      )
    },
  },
  {
    name: 'onSnapshot: every state of a child, none again after a restart',
    operations: ['N', 'X', 'N', 'X'],
    make: () =>
      machine(
        {
          context: { log: [] },
          invoke: {
            id: 'kid',
            src: 'kid',
            onSnapshot: {
              actions: note(({ event: { snapshot } }) =>
                typeof snapshot === 'object' && snapshot !== null && 'value' in snapshot ? snapshot.value : null,
              ),
            },
          },
          on: { X: {}, N: { actions: forwardTo('kid') } },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'syncSnapshot: of a spawned child',
    operations: ['S', 'N', 'N', 'N'],
    make: () =>
      machine(
        {
          context: { n: 0 },
          on: {
            S: { actions: spawnChild('kid', { id: 'kid', syncSnapshot: true }) },
            N: { actions: sendTo('kid', N) },
            'xstate.snapshot.kid': { actions: assign({ n: ({ context }) => context['n'] + 1 }) },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'spawn in assign: no ids, references in context',
    operations: [
      'S',
      'S',
      { type: 'TELL', i: 0 },
      { type: 'TELL', i: 1 },
      { type: 'TELL', i: 0 },
      'S',
      { type: 'TELL', i: 2 },
    ],
    make: () =>
      machine(
        {
          context: { refs: [] },
          on: {
            S: {
              actions: assign({
                refs: ({ context, spawn }) => [
                  ...context['refs'],
                  spawn('kid', { input: { v: context['refs'].length } }),
                ],
              }),
            },
            TELL: { actions: sendTo(({ context, event }) => context['refs'][at(event)], N) },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'spawn in the initial context',
    operations: ['N', 'X', 'N', 'N'],
    make: () =>
      machine(
        {
          context: ({ spawn }: Spawner) => ({
            ref: spawn('kid', { id: 'first' }),
            again: spawn('kid', { id: 'second' }),
          }),
          on: { N: { actions: sendTo(({ context }) => context['ref'], N) } },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'references: kept in nested records, dead ones included',
    operations: ['S', 'HI', 'STOP', 'HI', 'S', 'HI'],
    make: () =>
      machine(
        {
          context: { held: { list: [] } },
          on: {
            S: {
              actions: assign({
                held: ({ context, spawn }) => ({
                  list: [...context['held'].list, { of: spawn('kid', { id: `k${context['held'].list.length}` }) }],
                }),
              }),
            },
            HI: {
              actions: enqueueActions(({ enqueue, context }) => {
                for (const { of } of context['held'].list) enqueue.sendTo(of, { type: 'HI' })
              }),
            },
            STOP: { actions: stopChild(({ context }) => context['held'].list[0].of) },
          },
        },
        { actors: { kid: listener() } },
      ),
  },
  {
    name: 'spawnChild and stopChild: the same id again',
    operations: ['S', 'N', 'STOP', 'N', 'S', 'N'],
    make: () =>
      machine(
        {
          on: {
            S: { actions: spawnChild('kid', { id: 'kid', input: { v: 3 } }) },
            N: {
              actions: enqueueActions(({ enqueue, self }) => {
                if (self.getSnapshot().children['kid']) enqueue.sendTo('kid', N)
              }),
            },
            STOP: { actions: stopChild('kid') },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'spawnChild and stopChild in one step',
    operations: ['BOTH', 'X', 'SWAP', 'N', 'BOTH', 'SWAP', 'N'],
    make: () =>
      machine(
        {
          on: {
            BOTH: { actions: [spawnChild('kid', { id: 'kid' }), stopChild('kid')] },
            SWAP: { actions: [stopChild('kid'), spawnChild('kid', { id: 'kid' }), sendTo('kid', N)] },
            N: { actions: sendTo('kid', N) },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'invoke: below a state that always leaves at once',
    operations: ['GO', 'N', 'GO', 'N'],
    make: () =>
      machine(
        {
          initial: 'idle',
          context: { log: [] },
          states: {
            idle: { on: { GO: 'pass', N: { actions: note() } } },
            pass: { invoke: { id: 'kid', src: 'kid' }, always: 'idle' },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'invoke: re-entered again and again under the same id',
    operations: ['N', 'AGAIN', 'N', 'N', 'AGAIN', 'AGAIN', 'N', 'N', 'N'],
    make: () =>
      machine(
        {
          initial: 'a',
          context: { log: [] },
          states: {
            a: {
              invoke: { id: 'kid', src: 'kid', onDone: { actions: note(outputOf) } },
              on: { AGAIN: { target: 'a', reenter: true }, N: { actions: forwardTo('kid') } },
            },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
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
    name: 'a child that is done at start',
    operations: ['X'],
    make: () =>
      machine(
        {
          initial: 'a',
          context: {},
          states: { a: { invoke: { src: 'kid', onDone: { target: 'b', actions: keep('got', 'output') } } }, b: {} },
        },
        { actors: { kid: machine({ initial: 'd', states: { d: { type: 'final' } }, output: 'now' }) } },
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
  {
    name: 'a child that ends leaves its last state behind',
    operations: ['N', 'N', 'X', 'AGAIN', 'N'],
    make: () =>
      machine(
        {
          context: { log: [] },
          entry: spawnChild('kid', { id: 'kid' }),
          on: {
            N: { actions: sendTo('kid', N) },
            AGAIN: { actions: spawnChild('kid', { id: 'kid', input: { v: 40 } }) },
            'xstate.done.actor.kid': { actions: note(outputOf) },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'many children of one source, each with a timer',
    operations: ['S', 1, 'S', 1, 'S', 4, 'S', 6],
    make: () =>
      machine(
        {
          context: { log: [], n: 0 },
          on: {
            S: {
              actions: [
                assign({ n: ({ context }) => context['n'] + 1 }),
                spawnChild('kid', {
                  id: ({ context }) => `kid ${context['n']}`,
                  input: ({ context }: Args) => ({ n: context['n'] }),
                }),
              ],
            },
            UP: { actions: note(({ event }) => event['n']) },
          },
        },
        {
          actors: {
            kid: machine({
              initial: 'a',
              context: ({ input }: { input: { n: number } }) => ({ n: input.n }),
              states: {
                a: { after: { 4: 'b' } },
                b: { type: 'final', entry: sendParent(({ context }) => ({ type: 'UP', n: context['n'] })) },
              },
            }),
          },
        },
      ),
  },
]
