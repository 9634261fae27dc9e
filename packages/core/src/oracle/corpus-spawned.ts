/** Children that actions make and stop. */
import { assign, enqueueActions, sendParent, sendTo, spawnChild, stopChild } from 'xstate'
import { type Args, counter, listener, machine, N, note, outputOf, type Spawner } from './parts.ts'
import type { Case } from './script.ts'

const at = (event: object) => Number(Reflect.get(event, 'i'))

export const spawned: readonly Case[] = [
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
