/** History states, and the orders that XState keeps: of nodes, keys, internal events. */
import { assign } from 'xstate'
import { type Args, flag, machine, mark } from './parts.ts'
import type { Case } from './script.ts'

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

export const order: readonly Case[] = [
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
    name: 'order of tags: those of a region entered late come last',
    operations: ['DEEP', 'X', 'OUT', 'DEEP'],
    make: () =>
      machine({
        type: 'parallel',
        states: {
          p: {
            initial: 'x',
            states: {
              x: { on: { DEEP: 'deep' } },
              deep: {
                tags: ['deep'],
                type: 'parallel',
                on: { OUT: 'x' },
                states: { d: { tags: ['d'] }, e: { tags: ['e'] } },
              },
            },
          },
          q: { tags: ['q'], initial: 'y', states: { y: { tags: ['y'] } } },
        },
      }),
  },
]
