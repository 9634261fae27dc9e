/** Delayed transitions and events, and their cancelling. */
import { assign, cancel, raise, sendTo } from 'xstate'
import { type Args, listener, machine, mark, note } from './parts.ts'
import type { Case } from './script.ts'

/** S schedules P under one id, CANCEL cancels that id. */
const sameId = () =>
  machine({
    context: { log: [] },
    on: {
      S: { actions: raise({ type: 'P' }, { delay: 5, id: 'p' }) },
      CANCEL: { actions: cancel('p') },
      P: { actions: note() },
    },
  })

export const timers: readonly Case[] = [
  {
    name: 'after: a chain of delays',
    operations: [3, 'KEEP', 2, 10],
    make: () =>
      machine({
        initial: 'a',
        states: { a: { after: { 5: 'b' }, on: { KEEP: {} } }, b: { after: { 7: 'c' } }, c: {} },
      }),
  },
  {
    name: 'after: named delays, from context and from chance',
    operations: [20],
    make: () =>
      machine(
        {
          initial: 'a',
          context: { wait: 4 },
          states: { a: { after: { OWN: 'b' } }, b: { after: { DICE: 'c' } }, c: { type: 'final' } },
        },
        { delays: { OWN: ({ context }: Args) => context['wait'], DICE: () => 3 + Math.floor(Math.random()) } },
      ),
  },
  {
    name: 'after: guarded, started again by reenter',
    operations: [3, 'AGAIN', 3, 'OK', 'AGAIN', 6],
    make: () =>
      machine({
        initial: 'a',
        context: { ok: false },
        on: { OK: { actions: assign({ ok: true }) } },
        states: {
          a: {
            on: { AGAIN: { target: 'a', reenter: true } },
            after: { 5: [{ guard: ({ context }: Args) => context['ok'] === true, target: 'b' }, { target: 'c' }] },
          },
          b: {},
          c: {},
        },
      }),
  },
  {
    name: 'after: two delays in one state, and a zero delay',
    operations: ['GO', 1, 3, 5],
    make: () =>
      machine({
        initial: 'idle',
        context: { log: [] },
        states: {
          idle: { on: { GO: 'a' } },
          a: {
            after: { 0: { actions: mark('0') }, 2: { actions: mark('2') }, 6: { target: 'b', actions: mark('6') } },
          },
          b: {},
        },
      }),
  },
  {
    name: 'after: in parallel regions and below a history',
    operations: [3, 'OFF', 2, 'ON', 3, 3],
    make: () =>
      machine({
        initial: 'on',
        context: { log: [] },
        states: {
          on: {
            type: 'parallel',
            on: { OFF: 'off' },
            states: {
              p: {
                initial: 'x',
                states: { x: { after: { 2: 'y' } }, y: { after: { 4: { target: 'x', actions: mark('p') } } } },
              },
              q: { initial: 'x', states: { x: { after: { 5: { target: 'y', actions: mark('q') } } }, y: {} } },
              back: { type: 'history', history: 'deep' },
            },
          },
          off: { on: { ON: 'on.back' } },
        },
      }),
  },
  {
    name: 'delayed raise: named and unnamed, one cancelled',
    operations: ['S', 2, 'S2', 2, 'CANCEL', 10],
    make: () =>
      machine({
        context: { log: [] },
        on: {
          S: { actions: [raise({ type: 'P' }, { delay: 5, id: 'p' }), raise({ type: 'Q' }, { delay: 6 })] },
          S2: { actions: raise({ type: 'P2' }, { delay: 3, id: 'p2' }) },
          CANCEL: { actions: cancel('p') },
          '*': { actions: note() },
        },
      }),
  },
  {
    name: 'delayed raise: the same id twice, then cancelled',
    operations: ['S', 1, 'S', 1, 'CANCEL', 10],
    make: sameId,
  },
  {
    name: 'delayed raise: the same id twice, cancelled after the first fired',
    operations: ['S', 1, 'S', 4, 'CANCEL', 10],
    make: sameId,
  },
  { name: 'delayed raise: the same id three times, no cancel', operations: ['S', 1, 'S', 1, 'S', 10], make: sameId },
  {
    name: 'delayed raise: the same id again after a cancel',
    operations: ['S', 1, 'CANCEL', 'S', 2, 'S', 8],
    make: sameId,
  },
  {
    name: 'delayed raise: the same id again after firing, then cancelled',
    operations: ['S', 1, 'S', 4, 'S', 1, 'CANCEL', 9],
    make: sameId,
  },
  {
    name: 'delayed raise: delay and id computed from the event',
    operations: [{ type: 'S', ms: 3, id: 'a' }, { type: 'S', ms: 2, id: 'b' }, { type: 'STOP', id: 'a' }, 5],
    make: () =>
      machine({
        context: { log: [] },
        on: {
          S: {
            actions: raise(({ event }: Args) => ({ type: 'DONE', of: event['id'] }), {
              delay: ({ event }: Args) => Number(event['ms']),
              id: 'late',
            }),
          },
          STOP: { actions: cancel(({ event }: Args) => String(event['id'])) },
          DONE: { actions: note(({ event }) => event['of']) },
        },
      }),
  },
  {
    name: 'delayed raise: the same id twice, the machine ends before',
    operations: ['S', 1, 'S', 1, 'END', 9],
    make: () =>
      machine({
        initial: 'a',
        context: { log: [] },
        on: { S: { actions: raise({ type: 'P' }, { delay: 5, id: 'p' }) }, P: { actions: note() } },
        states: { a: { on: { END: 'z' } }, z: { type: 'final' } },
      }),
  },
  {
    name: 'delayed sendTo: to a child',
    operations: ['GO', 2, 'GO', 8],
    make: () =>
      machine(
        {
          invoke: { id: 'kid', src: 'listener' },
          on: { GO: { actions: sendTo('kid', { type: 'HI', n: 1 }, { delay: 4 }) } },
        },
        { actors: { listener: listener() } },
      ),
  },
  {
    name: 'delayed sendTo: the child is replaced under the same id before it fires',
    operations: ['GO', 1, 'AGAIN', 8],
    make: () =>
      machine(
        {
          initial: 'a',
          states: {
            a: {
              invoke: { id: 'kid', src: 'listener' },
              on: {
                AGAIN: { target: 'a', reenter: true },
                GO: { actions: sendTo('kid', { type: 'HI' }, { delay: 4 }) },
              },
            },
          },
        },
        { actors: { listener: listener() } },
      ),
  },
  {
    name: 'delayed sendTo: cancelled by name',
    operations: ['GO', 2, 'CANCEL', 'GO', 8],
    make: () =>
      machine(
        {
          invoke: { id: 'kid', src: 'listener' },
          on: {
            GO: { actions: sendTo('kid', { type: 'HI' }, { delay: 4, id: 'hi' }) },
            CANCEL: { actions: cancel('hi') },
          },
        },
        { actors: { listener: listener() } },
      ),
  },
  {
    name: 'equal due times fire in the order they were set',
    operations: [10],
    make: () =>
      machine({
        type: 'parallel',
        context: { log: [] },
        on: { A: { actions: note() }, B: { actions: note() } },
        states: {
          p: { initial: 'x', states: { x: { after: { 5: { target: 'y', actions: mark('p') } } }, y: {} } },
          q: {
            entry: [raise({ type: 'A' }, { delay: 5 }), raise({ type: 'B' }, { delay: 5 })],
            initial: 'x',
            states: { x: { after: { 5: { target: 'y', actions: mark('q') } } }, y: {} },
          },
        },
      }),
  },
  {
    name: 'a timer of a child survives, one of a stopped child does not',
    operations: [2, 'SWAP', 2, 6],
    make: () =>
      machine(
        {
          type: 'parallel',
          states: {
            p: { initial: 'on', states: { on: { invoke: { id: 'p', src: 'clock' }, on: { SWAP: 'off' } }, off: {} } },
            q: { invoke: { id: 'q', src: 'clock' } },
          },
        },
        {
          actors: {
            clock: machine({
              initial: 'a',
              context: { log: [] },
              states: { a: { after: { 3: { target: 'b', actions: mark('b') } } }, b: { after: { 3: 'c' } }, c: {} },
            }),
          },
        },
      ),
  },
  {
    name: 'a stopped child cancels its timers in the order they were set, one id used twice',
    operations: ['P', 'Q', 'P', 1, 'STOP', 9],
    make: () => {
      const kid = machine({
        context: { log: [] },
        on: {
          P: { actions: raise({ type: 'LATE P' }, { delay: 5, id: 'p' }) },
          Q: { actions: raise({ type: 'LATE Q' }, { delay: 5, id: 'q' }) },
        },
      })
      return machine(
        {
          initial: 'on',
          on: { '*': { actions: sendTo('kid', ({ event }) => event) } },
          states: { on: { invoke: { id: 'kid', src: 'kid' }, on: { STOP: 'off' } }, off: { on: { '*': {} } } },
        },
        { actors: { kid } },
      )
    },
  },
]
