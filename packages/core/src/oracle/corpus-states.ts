/** States, guards, context and output: nothing here leaves the machine. */
import { and, assign, not, or, stateIn } from 'xstate'
import { type Args, keep, machine, mark, note } from './parts.ts'
import type { Case } from './script.ts'

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
