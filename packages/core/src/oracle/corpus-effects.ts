/** Promises as children. */
import { assign, spawnChild, stopChild } from 'xstate'
import { type Args, keep, keepMessage, machine, mark, note } from './parts.ts'
import type { Case } from './script.ts'
import type { World } from './world.ts'

/** idle → GO → busy (invokes `load`) → done or failed; LEAVE gives up. */
const loader = (load: (world: World) => ReturnType<World['effect']>) => (world: World) =>
  machine(
    {
      initial: 'idle',
      context: { log: [] },
      states: {
        idle: { on: { GO: 'busy' } },
        busy: {
          invoke: {
            src: 'load',
            input: ({ event }: Args) => ({ by: event.type }),
            onDone: { target: 'done', actions: keep('got', 'output') },
            onError: { target: 'failed', actions: keepMessage('why') },
          },
          on: { LEAVE: 'idle', AGAIN: { target: 'busy', reenter: true } },
        },
        done: { on: { GO: 'busy' } },
        failed: { on: { GO: 'busy' } },
      },
    },
    { actors: { load: load(world) } },
  )

const answers = loader((world) => world.effect(4, (input) => ({ ok: { input } })))
const fails = loader((world) => world.effect(4, () => ({ fail: new TypeError('no') })))

export const effects: readonly Case[] = [
  { name: 'promise: done', operations: ['GO', 10], make: answers },
  { name: 'promise: fails', operations: ['GO', 10, 'GO', 2, 'LEAVE', 5], make: fails },
  {
    name: 'promise: fails with plain data',
    operations: ['GO', 10],
    make: loader((world) => world.effect(4, () => ({ fail: { code: 7, text: 'no' } }))),
  },
  {
    name: 'promise: fails with a string',
    operations: ['GO', 10],
    make: loader((world) => world.effect(4, () => ({ fail: 'just no' }))),
  },
  {
    name: 'promise: answers nothing',
    operations: ['GO', 10],
    make: loader((world) => world.effect(4, () => ({ ok: undefined }))),
  },
  {
    name: 'promise: answers at once',
    operations: ['GO', 1, 'GO', 'GO'],
    make: loader((world) => world.effect(0, () => ({ ok: 1 }))),
  },
  {
    name: 'promise: left before it answers, then invoked anew',
    operations: ['GO', 2, 'LEAVE', 10, 'GO', 1, 4],
    make: answers,
  },
  {
    name: 'promise: re-entered under the same id while it runs',
    operations: ['GO', 2, 'AGAIN', 2, 'AGAIN', 3, 1, 5],
    make: answers,
  },
  {
    name: 'promise: re-entered in the tick in which it answers',
    operations: ['GO', 4, 'GO', 4, 'GO', 3, 'AGAIN', 1, 4],
    make: answers,
  },
  {
    name: 'promise: re-entered by a timer that is due with the answer',
    operations: [20],
    make: (world) =>
      machine(
        {
          initial: 'busy',
          context: { log: [] },
          states: {
            busy: {
              invoke: { id: 'load', src: 'load', onDone: { actions: note() } },
              after: { 4: { target: 'busy', reenter: true, actions: mark('again') } },
            },
          },
        },
        { actors: { load: world.effect(4, () => ({ ok: 1 })) } },
      ),
  },
  {
    name: 'promise: races with after',
    operations: [12],
    make: (world) =>
      machine(
        {
          initial: 'slow',
          context: {},
          states: {
            slow: { invoke: { src: 'slow', onDone: 'done' }, after: { 5: 'late' } },
            late: { invoke: { src: 'fast', onDone: { target: 'done', actions: keep('got', 'output') } } },
            done: {},
          },
        },
        { actors: { slow: world.effect(9, () => ({ ok: 1 })), fast: world.effect(2, () => ({ ok: 'v' })) } },
      ),
  },
  {
    name: 'promise: two in parallel regions, the later started ends first',
    operations: [12],
    make: (world) => {
      const waits = (id: string) => ({
        initial: 'x',
        states: {
          x: { invoke: { id, src: id, onDone: { target: 'end', actions: note(({ event }) => event['output']) } } },
          end: { type: 'final' as const },
        },
      })
      return machine(
        {
          type: 'parallel',
          context: { log: [] },
          states: { p: waits('one'), q: waits('two'), r: waits('three') },
          output: ({ context }: Args) => context['log'],
        },
        {
          actors: {
            one: world.effect(6, () => ({ ok: 1 })),
            two: world.effect(3, () => ({ ok: 2 })),
            three: world.effect(6, () => ({ ok: 3 })),
          },
        },
      )
    },
  },
  {
    name: 'promise: the first answer of a tick stops the second',
    operations: [5, 'X'],
    make: (world) =>
      machine(
        {
          initial: 'both',
          context: { log: [] },
          on: { X: { actions: mark('x') } },
          states: {
            both: {
              invoke: [
                { id: 'a', src: 'load', onDone: { target: 'after', actions: mark('a') } },
                { id: 'b', src: 'load', onDone: { target: 'after', actions: mark('b') } },
              ],
            },
            after: { on: { 'xstate.done.actor.b': { actions: mark('late b') } } },
          },
        },
        { actors: { load: world.effect(3, () => ({ ok: 1 })) } },
      ),
  },
  {
    name: 'promise: inline logic of an invocation',
    operations: ['GO', 5],
    make: (world) =>
      machine({
        initial: 'idle',
        context: {},
        states: {
          idle: { on: { GO: 'busy' } },
          busy: {
            invoke: {
              src: world.effect(3, (input) => ({ ok: input })),
              input: 7,
              onDone: { target: 'idle', actions: keep('got', 'output') },
            },
          },
        },
      }),
  },
  {
    name: 'promise: spawned, its end told to the machine that stays',
    operations: ['GO', 1, 'GO', 3, 'STOP', 4],
    make: (world) =>
      machine(
        {
          context: { log: [], n: 0 },
          on: {
            GO: {
              actions: [
                assign({ n: ({ context }) => context['n'] + 1 }),
                spawnChild('load', { id: ({ context }) => `load ${context['n']}` }),
              ],
            },
            STOP: { actions: stopChild('load 2') },
            'xstate.done.actor.*': { actions: note(({ event }) => [event.type, event['output']]) },
          },
        },
        { actors: { load: world.effect(4, () => ({ ok: 'ok' })) } },
      ),
  },
  {
    name: 'promise: in a state that always leaves at once',
    operations: ['GO', 5, 'GO', 5],
    make: (world) =>
      machine(
        {
          initial: 'idle',
          context: { log: [] },
          states: {
            idle: { on: { GO: 'pass' } },
            pass: { invoke: { id: 'load', src: 'load', onDone: { actions: mark('never') } }, always: 'idle' },
          },
        },
        { actors: { load: world.effect(2, () => ({ ok: 1 })) } },
      ),
  },
  {
    name: 'promise: saga with compensation',
    operations: ['GO', 30],
    make: (world) => {
      const step = (name: string, done: string, error: string) => ({
        invoke: {
          src: 'step',
          input: name,
          onDone: { target: done, actions: note(({ event }) => event['output']) },
          onError: { target: error, actions: mark(`${name} failed`) },
        },
      })
      return machine(
        {
          initial: 'idle',
          context: { log: [] },
          states: {
            idle: { on: { GO: 'pay' } },
            pay: step('pay', 'ship', 'failed'),
            ship: { ...step('ship', 'shipped', 'undo'), after: { 20: 'failed' } },
            undo: step('refund', 'failed', 'failed'),
            shipped: { type: 'final' },
            failed: { type: 'final' },
          },
          output: ({ context }: Args) => context['log'],
        },
        {
          actors: {
            step: world.effect(3, (input) => (input === 'ship' ? { fail: new Error('no stock') } : { ok: input })),
          },
        },
      )
    },
  },
  {
    name: 'promise: polling, a new invocation after each wait',
    operations: [20],
    make: (world) =>
      machine(
        {
          initial: 'asking',
          context: { log: [] },
          states: {
            asking: { invoke: { id: 'ask', src: 'ask', onDone: { target: 'waiting', actions: mark('answer') } } },
            waiting: { after: { 3: 'asking' } },
          },
        },
        { actors: { ask: world.effect(2, () => ({ ok: 1 })) } },
      ),
  },
]
