/** States, transitions and guards: nothing here leaves the machine. */
import { and, assign, not, or, raise, stateIn } from 'xstate'
import { type Args, keep, machine, mark, note } from './parts.ts'
import type { Case } from './script.ts'

const flag = ({ context }: Args) => context['flag'] === true
const unset = ({ context }: Args) => context['flag'] !== true
const flip = assign({ flag: ({ context }) => !context['flag'] })

/** A region that follows the flag to and fro by itself, noting each move. */
const follower = (name: string) => ({
  initial: 'low',
  states: {
    low: { always: { guard: flag, target: 'high', actions: mark(`${name} up`) } },
    high: { always: { guard: unset, target: 'low', actions: mark(`${name} down`) } },
  },
})

/** Two levels with a history state, left by OFF and entered again by ON. */
const withHistory = (history: 'shallow' | 'deep') => () =>
  machine({
    initial: 'on',
    states: {
      on: {
        initial: 'a',
        states: {
          a: { on: { NEXT: 'b' } },
          b: { initial: 'b1', states: { b1: { on: { NEXT: 'b2' } }, b2: {} } },
          back: { type: 'history', history },
        },
        on: { OFF: 'off' },
      },
      off: { on: { ON: 'on.back' } },
    },
  })

export const states: readonly Case[] = [
  {
    name: 'toggle',
    operations: ['T', 'T', 'UNKNOWN', 'T'],
    make: () => machine({ initial: 'a', states: { a: { on: { T: 'b' } }, b: { on: { T: 'a' } } } }),
  },
  {
    name: 'context from input, guarded assign with a fallback',
    input: { n: 5 },
    operations: [
      { type: 'ADD', n: 3 },
      { type: 'ADD', n: 30 },
      { type: 'ADD', n: 4 },
    ],
    make: () =>
      machine({
        context: ({ input }: { input: { n: number } }) => ({ n: input.n, log: [] }),
        on: {
          ADD: [
            {
              guard: ({ context, event }: Args) => Number(context['n']) + Number(event['n']) < 20,
              actions: assign({ n: ({ context, event }) => context['n'] + event['n'] }),
            },
            { actions: mark('too much') },
          ],
        },
      }),
  },
  {
    name: 'guards and, or, not, stateIn',
    operations: ['A', 'B', 'C', 'A', 'B', 'C'],
    make: () =>
      machine(
        {
          type: 'parallel',
          context: { log: [] },
          states: {
            p: { initial: 'x', states: { x: { on: { A: 'y' } }, y: {} } },
            q: {
              initial: 'u',
              states: {
                u: { on: { B: { guard: stateIn({ p: 'y' }), target: 'v' } } },
                v: { on: { C: { guard: and([not('no'), or(['no', 'yes'])]), actions: note() } } },
              },
            },
          },
        },
        { guards: { yes: () => true, no: () => false } },
      ),
  },
  {
    name: 'guard with params',
    operations: [
      { type: 'BUY', n: 3 },
      { type: 'BUY', n: 8 },
    ],
    make: () =>
      machine(
        {
          context: { log: [] },
          on: {
            BUY: {
              guard: { type: 'atLeast', params: ({ event }: Args) => ({ n: event['n'], least: 5 }) },
              actions: note(({ event }) => event['n']),
            },
          },
        },
        { guards: { atLeast: (_: Args, { n, least }: { n: number; least: number }) => n >= least } },
      ),
  },
  {
    name: 'parallel: final regions give the output',
    operations: ['A', 'B', 'A'],
    make: () =>
      machine({
        type: 'parallel',
        context: { k: 1 },
        output: ({ context, event }: Args) => ({ k: context['k'], by: event.type }),
        states: {
          p: { initial: 'x', states: { x: { on: { A: 'end' } }, end: { type: 'final' } } },
          q: {
            initial: 'x',
            states: { x: { on: { B: { target: 'end', actions: assign({ k: 2 }) } } }, end: { type: 'final' } },
          },
        },
      }),
  },
  {
    name: 'nested final states: onDone with output',
    operations: ['NEXT', 'NEXT', 'FINISH', 'NEXT'],
    make: () =>
      machine({
        initial: 'work',
        context: {},
        states: {
          work: {
            initial: 'a',
            states: {
              a: { on: { NEXT: 'b' } },
              b: { on: { NEXT: 'c' } },
              c: { type: 'final', output: ({ event }: Args) => ({ by: event.type }) },
            },
            onDone: { target: 'idle', actions: keep('got', 'output') },
          },
          idle: { on: { FINISH: 'end' } },
          end: { type: 'final' },
        },
        output: ({ context }: Args) => context['got'],
      }),
  },
  {
    name: 'parallel inside compound: onDone when all regions are final',
    operations: ['A', 'B', 'AGAIN', 'B', 'A'],
    make: () =>
      machine({
        initial: 'work',
        context: { log: [] },
        states: {
          work: {
            type: 'parallel',
            states: {
              p: {
                initial: 'x',
                states: { x: { on: { A: 'f' } }, f: { type: 'final' } },
                onDone: { actions: mark('p') },
              },
              q: {
                initial: 'x',
                states: { x: { on: { B: 'f' } }, f: { type: 'final' } },
                onDone: { actions: mark('q') },
              },
            },
            onDone: { target: 'rest', actions: note() },
          },
          rest: { on: { AGAIN: 'work' } },
        },
      }),
  },
  {
    name: 'history: shallow',
    operations: ['NEXT', 'NEXT', 'OFF', 'ON', 'NEXT', 'OFF', 'ON'],
    make: withHistory('shallow'),
  },
  { name: 'history: deep', operations: ['NEXT', 'NEXT', 'OFF', 'ON', 'OFF', 'ON'], make: withHistory('deep') },
  {
    name: 'history: default target before the first visit',
    operations: ['ON', 'OFF', 'ON', 'NEXT', 'OFF', 'ON'],
    make: () =>
      machine({
        initial: 'off',
        states: {
          off: { on: { ON: 'on.back' } },
          on: {
            initial: 'a',
            on: { OFF: 'off' },
            states: {
              a: { on: { NEXT: 'c' } },
              b: { on: { NEXT: 'c' } },
              c: {},
              back: { type: 'history', target: 'b' },
            },
          },
        },
      }),
  },
  {
    name: 'history: deep over parallel regions',
    operations: ['A', 'OFF', 'ON', 'B', 'OFF', 'ON'],
    make: () =>
      machine({
        initial: 'on',
        states: {
          on: {
            type: 'parallel',
            states: {
              p: { initial: 'x', states: { x: { on: { A: 'y' } }, y: {} } },
              q: { initial: 'x', states: { x: { on: { B: 'y' } }, y: {} } },
              back: { type: 'history', history: 'deep' },
            },
            on: { OFF: 'off' },
          },
          off: { on: { ON: 'on.back' } },
        },
      }),
  },
  {
    name: 'history: shallow and deep in two levels',
    operations: ['IN', 'NEXT', 'OUT', 'OFF', 'ON', 'BACK', 'OFF', 'DEEP'],
    make: () =>
      machine({
        initial: 'on',
        states: {
          on: {
            initial: 'a',
            on: { OFF: 'off' },
            states: {
              a: { on: { IN: 'b', BACK: 'b.shallow' } },
              b: {
                initial: 'b1',
                on: { OUT: 'a' },
                states: {
                  b1: { on: { NEXT: 'b2' } },
                  b2: { initial: 'c', states: { c: {}, d: {} } },
                  shallow: { type: 'history' },
                },
              },
              deep: { type: 'history', history: 'deep' },
              shallow: { type: 'history' },
            },
          },
          off: { on: { ON: 'on.shallow', DEEP: 'on.deep' } },
        },
      }),
  },
  {
    name: 'order of nodes: regions entered again by history',
    operations: ['B', 'OFF', 'ON', 'FLIP', 'ALL'],
    make: () =>
      machine({
        initial: 'on',
        context: { flag: false, log: [] },
        on: { FLIP: { actions: assign({ flag: true }) } },
        states: {
          on: {
            type: 'parallel',
            on: { OFF: 'off' },
            states: {
              p: {
                initial: 'x',
                states: {
                  x: {
                    on: { ALL: { target: 'z', actions: mark('px') } },
                    always: { guard: flag, target: 'y', actions: mark('p flag') },
                  },
                  y: { on: { ALL: { target: 'z', actions: mark('py') } } },
                  z: {},
                },
              },
              q: {
                initial: 'x',
                states: {
                  x: { on: { B: 'x2', ALL: { target: 'z', actions: mark('qx') } } },
                  x2: {
                    on: { ALL: { target: 'z', actions: mark('qx2') } },
                    always: { guard: flag, target: 'y', actions: mark('q flag') },
                  },
                  y: { on: { ALL: { target: 'z', actions: mark('qy') } } },
                  z: {},
                },
              },
              back: { type: 'history', history: 'deep' },
            },
          },
          off: { on: { ON: 'on.back' } },
        },
      }),
  },
  {
    name: 'order of nodes: regions below a region entered late',
    operations: ['ENTER', 'FLIP', 'FLIP', 'ALL'],
    make: () =>
      machine({
        type: 'parallel',
        context: { flag: false, log: [] },
        on: { FLIP: { actions: flip } },
        states: {
          p: {
            initial: 'x',
            states: {
              x: { on: { ENTER: 'deep' } },
              deep: { type: 'parallel', states: { d1: follower('d1'), d2: follower('d2') } },
            },
          },
          q: follower('q'),
        },
      }),
  },
  {
    name: 'order of nodes: a region re-entered moves behind the others',
    operations: ['AGAIN', 'FLIP', 'AGAIN', 'FLIP'],
    make: () =>
      machine({
        type: 'parallel',
        context: { flag: false, log: [] },
        on: { FLIP: { actions: flip } },
        states: {
          p: { ...follower('p'), on: { AGAIN: { target: 'p', reenter: true } } },
          q: follower('q'),
          r: follower('r'),
        },
      }),
  },
  {
    name: 'order of keys: regions named against the alphabet',
    operations: ['HIT', 'FLIP', 'HIT', 'AGAIN', 'HIT'],
    make: () =>
      machine({
        type: 'parallel',
        context: { flag: false, log: [] },
        on: { FLIP: { actions: flip } },
        states: Object.fromEntries(
          ['z', 'm', 'a'].map((name) => [
            name,
            {
              initial: 'x',
              on: name === 'm' ? { AGAIN: { target: 'm', reenter: true } } : {},
              states: {
                x: { on: { HIT: { target: 'y', actions: mark(`${name} to y`) } } },
                y: { on: { HIT: { target: 'x', actions: mark(`${name} to x`) } } },
              },
            },
          ]),
        ),
      }),
  },
  {
    name: 'always: a chain that the context opens',
    operations: ['GO', 'GO', 'GO'],
    make: () =>
      machine({
        initial: 'a',
        context: { n: 0, log: [] },
        states: {
          a: {
            on: { GO: { actions: assign({ n: ({ context }) => context['n'] + 1 }) } },
            always: { guard: ({ context }: Args) => Number(context['n']) > 1, target: 'b' },
          },
          b: { entry: mark('b'), always: 'c' },
          c: { entry: mark('c') },
        },
      }),
  },
  {
    name: 'always: choice on entry',
    operations: [{ type: 'GO', n: 1 }, 'BACK', { type: 'GO', n: -1 }, 'BACK', { type: 'GO', n: 0 }],
    make: () =>
      machine({
        initial: 'idle',
        context: { n: 0 },
        states: {
          idle: { on: { GO: { target: 'choose', actions: keep('n', 'n') } } },
          choose: {
            always: [
              { guard: ({ context }: Args) => Number(context['n']) > 0, target: 'plus' },
              { guard: ({ context }: Args) => Number(context['n']) < 0, target: 'minus' },
              { target: 'zero' },
            ],
          },
          plus: { on: { BACK: 'idle' } },
          minus: { on: { BACK: 'idle' } },
          zero: {},
        },
      }),
  },
  {
    name: 'raise: order of internal events',
    operations: ['GO'],
    make: () =>
      machine({
        initial: 'a',
        context: { log: [] },
        states: {
          a: { on: { GO: { target: 'b', actions: [raise({ type: 'R1' }), raise({ type: 'R2' })] } } },
          b: { entry: raise({ type: 'R3' }), on: { '*': { actions: note() } } },
        },
      }),
  },
  {
    name: 'raise in entry and exit, through two levels',
    operations: ['GO', 'GO'],
    make: () =>
      machine({
        initial: 'a',
        context: { log: [] },
        on: { '*': { actions: note() } },
        states: {
          a: { exit: raise({ type: 'A_LEFT' }), on: { GO: 'b' }, entry: raise({ type: 'A_IN' }) },
          b: {
            initial: 'x',
            entry: raise({ type: 'B_IN' }),
            exit: raise({ type: 'B_LEFT' }),
            on: { GO: 'a' },
            states: { x: { entry: raise({ type: 'X_IN' }), exit: raise({ type: 'X_LEFT' }) } },
          },
        },
      }),
  },
  {
    name: 'reenter: exit and entry again, and not for an inner target',
    operations: ['AGAIN', 'INNER', 'SAME', 'AGAIN'],
    make: (world) =>
      machine({
        initial: 'a',
        context: { log: [] },
        states: {
          a: {
            entry: [mark('in'), world.act('in')],
            exit: [mark('out'), world.act('out')],
            initial: 'x',
            states: { x: { on: { INNER: 'y' } }, y: {} },
            on: { AGAIN: { target: 'a', reenter: true }, SAME: { target: 'a' } },
          },
        },
      }),
  },
  {
    name: 'wildcard and partial wildcard events',
    operations: ['a.b.c', 'a.x', 'z', 'a', 'a.b', 'ab.c'],
    make: () =>
      machine({
        context: { log: [] },
        on: {
          'a.b.*': { actions: mark('a.b.*') },
          'a.*': { actions: mark('a.*') },
          '*': { actions: mark('*') },
        },
      }),
  },
  {
    name: 'wildcards: a child state before its parent, a guard before a wildcard',
    operations: ['a.b', 'GO', 'a.b', 'c', 'SHUT', 'c'],
    make: () =>
      machine({
        initial: 'x',
        context: { log: [], flag: true },
        on: { 'a.*': { actions: mark('root a.*') }, '*': { actions: mark('root *') } },
        states: {
          x: { on: { GO: 'y' } },
          y: {
            on: {
              SHUT: { actions: assign({ flag: false }) },
              'a.b': { actions: mark('y a.b') },
              c: [{ guard: flag, actions: mark('y c') }],
            },
          },
        },
      }),
  },
  {
    name: 'tags, and an event that a state forbids',
    operations: ['X', 'Y'],
    make: () =>
      machine({
        initial: 'a',
        on: { X: '.b' },
        states: { a: { tags: ['t'], on: { X: undefined, Y: 'b' } }, b: { tags: ['u', 'v'], meta: { m: 1 } } },
      }),
  },
  {
    name: 'targets by id, in and out of regions',
    operations: ['JUMP', 'HOME', 'BOTH'],
    make: () =>
      machine({
        id: 'top',
        initial: 'a',
        states: {
          a: { on: { JUMP: '#inner', BOTH: ['par.p.y', 'par.q.y'] } },
          par: {
            type: 'parallel',
            on: { HOME: 'a' },
            states: {
              p: { initial: 'x', states: { x: {}, y: { id: 'inner' } } },
              q: { initial: 'x', states: { x: {}, y: {} } },
            },
          },
        },
      }),
  },
  {
    name: 'chance and time are drawn in the step',
    operations: ['R', 'R', 3, 'R'],
    make: () =>
      machine({
        context: () => ({ log: [Math.random()] }),
        on: {
          R: {
            actions: note(() => [Math.random(), Date.now(), new Date(Date.now()).toISOString(), String(new Date())]),
          },
        },
      }),
  },
  {
    name: 'done at start',
    operations: ['X'],
    make: () => machine({ initial: 'd', states: { d: { type: 'final' } }, output: 42 }),
  },
  {
    name: 'context with bytes, bigint, nested records and empty values',
    operations: ['SET', 'SET'],
    make: () =>
      machine({
        context: { n: 1n, bytes: new Uint8Array([1, 2]), deep: { list: [null, '', {}, []] }, $odd: { $ref: 'x' } },
        on: {
          SET: {
            actions: assign({
              n: ({ context }) => context['n'] * 10n,
              bytes: ({ context }) => new Uint8Array([...context['bytes'], 3]),
            }),
          },
        },
      }),
  },
]
