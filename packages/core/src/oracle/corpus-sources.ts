/** Callbacks and transition logic as children. */
import { assign, forwardTo, fromCallback, fromTransition, sendTo } from 'xstate'
import { type Args, keepMessage, lastValue, machine, mark, note } from './parts.ts'
import type { Case } from './script.ts'
import type { World } from './world.ts'

/** A callback that sends TICK for whatever is published on `topic`. */
const ticker = (world: World, topic: string) =>
  fromCallback(({ sendBack }) => world.on(topic, (v) => sendBack({ type: 'TICK', v })))

const value = ({ event }: Args) => event['v']

export const sources: readonly Case[] = [
  {
    name: 'callback: a live topic while in a state',
    operations: [
      'GO',
      { publish: 't', value: 1 },
      { publish: 't', value: 2 },
      'STOP',
      { publish: 't', value: 3 },
      'GO',
      { publish: 't', value: 4 },
    ],
    make: (world) =>
      machine(
        {
          initial: 'idle',
          context: { log: [] },
          states: {
            idle: { on: { GO: 'live' } },
            live: { invoke: { src: 'ticker' }, on: { STOP: 'idle', TICK: { actions: note(value) } } },
          },
        },
        { actors: { ticker: ticker(world, 't') } },
      ),
  },
  {
    name: 'callback: the event of one stops the other, which is silent then',
    operations: [
      { publish: 't', value: 1 },
      { publish: 't', value: 2 },
    ],
    make: (world) =>
      machine(
        {
          initial: 'two',
          context: { log: [] },
          on: { TICK: { actions: note(() => 'tick') } },
          states: {
            two: {
              invoke: [
                { id: 'a', src: 'ticker' },
                { id: 'b', src: 'ticker' },
              ],
              on: { TICK: { target: 'one', actions: mark('first') } },
            },
            one: { invoke: { id: 'c', src: 'ticker' } },
          },
        },
        { actors: { ticker: ticker(world, 't') } },
      ),
  },
  {
    name: 'callback: question and answer',
    operations: ['P', 'P', 'P'],
    kills: 'quiet',
    make: () =>
      machine(
        {
          context: { n: 0 },
          invoke: { id: 'cb', src: 'cb' },
          on: {
            P: { actions: sendTo('cb', { type: 'PING' }) },
            PONG: { actions: assign({ n: ({ context }) => context['n'] + 1 }) },
          },
        },
        { actors: { cb: fromCallback(({ sendBack, receive }) => receive(() => sendBack({ type: 'PONG' }))) } },
      ),
  },
  {
    name: 'callback: ready at start, not again after a restart',
    operations: ['X'],
    resume: { cb: 'skip' },
    make: () =>
      machine(
        {
          initial: 'waiting',
          invoke: { id: 'cb', src: 'cb' },
          states: { waiting: { on: { READY: 'ready' } }, ready: { on: { READY: 'twice', X: 'x' } }, x: {}, twice: {} },
        },
        { actors: { cb: fromCallback(({ sendBack }) => sendBack({ type: 'READY' })) } },
      ),
  },
  {
    name: 'callback: fails at start',
    operations: ['GO', 1],
    make: () =>
      machine(
        {
          initial: 'idle',
          context: {},
          states: {
            idle: { on: { GO: 'live' } },
            live: { invoke: { src: 'cb', onError: { target: 'failed', actions: keepMessage('why') } } },
            failed: {},
          },
        },
        {
          actors: {
            cb: fromCallback(() => {
              throw new Error('boom')
            }),
          },
        },
      ),
  },
  {
    name: 'callback: input from context, given again after a restart',
    operations: ['UP', 'GO', { publish: 't', value: 1 }, 'UP', { publish: 't', value: 2 }],
    make: (world) =>
      machine(
        {
          initial: 'idle',
          context: { n: 1, log: [] },
          on: { UP: { actions: assign({ n: ({ context }) => context['n'] + 1 }) }, TICK: { actions: note(value) } },
          states: {
            idle: { on: { GO: 'live' } },
            live: { invoke: { src: 'cb', input: ({ context }: Args) => ({ n: context['n'] }) } },
          },
        },
        {
          actors: {
            cb: fromCallback(({ sendBack, input }) => {
              return world.on('t', (v) => sendBack({ type: 'TICK', v: [v, input] }))
            }),
          },
        },
      ),
  },
  {
    name: 'callback: its clean-up runs when the state is left',
    operations: ['GO', 'STOP', 'GO', 'END'],
    kills: 'never',
    make: (world) =>
      machine(
        {
          initial: 'idle',
          states: {
            idle: { on: { GO: 'live' } },
            live: { invoke: { src: 'cb' }, on: { STOP: 'idle', END: 'end' } },
            end: { type: 'final' },
          },
        },
        { actors: { cb: fromCallback(() => world.act('closed')) } },
      ),
  },
  {
    name: 'transition logic: a child with onSnapshot',
    operations: [
      { type: 'ADD', n: 2 },
      { type: 'ADD', n: 5 },
    ],
    make: () =>
      machine(
        {
          context: { log: [] },
          invoke: { id: 'sum', src: 'sum', input: { start: 10 }, onSnapshot: { actions: note(lastValue) } },
          on: { ADD: { actions: forwardTo('sum') } },
        },
        {
          actors: {
            sum: fromTransition(
              (state: { n: number }, event: { type: string; n: number }) =>
                event.type === 'ADD' ? { n: state.n + event.n } : state,
              ({ input }: { input: { start: number } }) => ({ n: input.start }),
            ),
          },
        },
      ),
  },
  {
    name: 'transition logic: as the root',
    operations: [
      { type: 'ADD', n: 2 },
      { type: 'ADD', n: 5 },
    ],
    make: () =>
      fromTransition(
        (state: { n: number; dice: number }, event: { type: string; n: number }) => ({
          n: state.n + event.n,
          dice: Math.random(),
        }),
        {
          n: 1,
          dice: 0,
        },
      ),
  },
]
