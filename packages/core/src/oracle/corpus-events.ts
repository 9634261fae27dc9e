/** Eventless transitions, raised events, wildcards, targets. */
import { assign, raise } from 'xstate'
import { type Args, flag, keep, machine, mark, note } from './parts.ts'
import type { Case } from './script.ts'

export const events: readonly Case[] = [
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
]
