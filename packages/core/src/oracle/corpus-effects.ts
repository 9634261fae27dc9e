/** Promises, callbacks, observables and transition logic as children. */
import {
  assign,
  forwardTo,
  fromCallback,
  fromEventObservable,
  fromObservable,
  fromTransition,
  raise,
  sendTo,
  spawnChild,
  stopChild,
} from 'xstate'
import { type Args, keep, keepMessage, machine, mark, note } from './parts.ts'
import { type Case, isEvent } from './script.ts'
import type { World } from './world.ts'

interface Observer<T> {
  next?(value: T): void
  error?(error: unknown): void
  complete?(): void
}

function observable<T>(start: (observer: Observer<T>) => () => void) {
  return {
    subscribe: (observer: Observer<T> | ((value: T) => void)) => {
      const stop = start(typeof observer === 'function' ? { next: observer } : observer)
      return { unsubscribe: stop }
    },
  }
}

/** What is published on a topic, as a stream; 'END' ends it, an error fails it. */
const stream = <T>(world: World, topic: string, is: (value: unknown) => value is T) =>
  observable<T>((observer) => {
    const off = world.on(topic, (value) => {
      if (value === 'END' || value instanceof Error) off()
      if (value === 'END') observer.complete?.()
      else if (value instanceof Error) observer.error?.(value)
      else if (is(value)) observer.next?.(value)
    })
    return off
  })
const anything = (value: unknown): value is unknown => value !== undefined

/** A stream that says all it has when it is subscribed to. */
const list = (...values: readonly unknown[]) =>
  observable<unknown>((observer) => {
    for (const value of values) observer.next?.(value)
    observer.complete?.()
    return () => {}
  })

/** A callback that sends TICK for whatever is published on `topic`. */
const ticker = (world: World, topic: string) =>
  fromCallback(({ sendBack }) => world.on(topic, (v) => sendBack({ type: 'TICK', v })))

const value = ({ event }: Args) => event['v']
const lastValue = ({ event }: Args) => {
  const { snapshot } = event
  return typeof snapshot === 'object' && snapshot !== null && 'context' in snapshot ? (snapshot.context ?? null) : null
}

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
    name: 'observable: live values, then its end',
    operations: [
      'GO',
      { publish: 't', value: 1 },
      { publish: 't', value: { deep: [2] } },
      { publish: 't', value: 'END' },
      'X',
    ],
    make: (world) =>
      machine(
        {
          initial: 'idle',
          context: { log: [] },
          states: {
            idle: { on: { GO: 'live' } },
            live: { invoke: { id: 'o', src: 'o', onSnapshot: { actions: note(lastValue) }, onDone: 'done' } },
            done: {},
          },
        },
        { actors: { o: fromObservable(() => stream(world, 't', anything)) } },
      ),
  },
  {
    name: 'observable: all values at once, none twice after a restart',
    operations: ['GO', 2],
    resume: { o: 'skip' },
    make: () =>
      machine(
        {
          initial: 'idle',
          context: { log: [] },
          states: {
            idle: { on: { GO: 'live' } },
            live: { invoke: { id: 'o', src: 'o', onSnapshot: { actions: note(lastValue) }, onDone: 'done' } },
            done: {},
          },
        },
        { actors: { o: fromObservable(() => list(1, 2, 3)) } },
      ),
  },
  {
    name: 'observable: fails after a value',
    operations: ['GO', { publish: 't', value: 1 }, { publish: 't', value: new Error('bad') }],
    make: (world) =>
      machine(
        {
          initial: 'idle',
          context: {},
          states: {
            idle: { on: { GO: 'live' } },
            live: { invoke: { src: 'o', onError: { target: 'failed', actions: keepMessage('why') } } },
            failed: {},
          },
        },
        { actors: { o: fromObservable(() => stream(world, 't', anything)) } },
      ),
  },
  {
    name: 'observable: left and entered again',
    operations: [{ publish: 't', value: 1 }, 'OFF', { publish: 't', value: 2 }, 'ON', { publish: 't', value: 3 }],
    make: (world) =>
      machine(
        {
          initial: 'on',
          context: { log: [] },
          states: {
            on: { invoke: { id: 'o', src: 'o', onSnapshot: { actions: note(lastValue) } }, on: { OFF: 'off' } },
            off: { on: { ON: 'on' } },
          },
        },
        { actors: { o: fromObservable(() => stream(world, 't', anything)) } },
      ),
  },
  {
    name: 'event observable: events of a live topic',
    operations: [
      { publish: 't', value: { type: 'E', n: 1 } },
      'OFF',
      { publish: 't', value: { type: 'E', n: 2 } },
      'ON',
      { publish: 't', value: { type: 'E', n: 3 } },
      { publish: 't', value: 'END' },
      { publish: 't', value: { type: 'E', n: 4 } },
    ],
    make: (world) =>
      machine(
        {
          initial: 'on',
          context: { log: [] },
          states: {
            on: {
              invoke: { src: 'o', onDone: { actions: mark('end') } },
              on: { OFF: 'off', E: { actions: note(({ event }) => event['n']) } },
            },
            off: { on: { ON: 'on' } },
          },
        },
        { actors: { o: fromEventObservable(() => stream(world, 't', isEvent)) } },
      ),
  },
  {
    name: 'event observable: fails',
    operations: [
      { publish: 't', value: { type: 'E', n: 1 } },
      { publish: 't', value: new Error('cut') },
    ],
    make: (world) =>
      machine(
        {
          initial: 'on',
          context: { log: [] },
          states: {
            on: {
              invoke: { src: 'o', onError: { target: 'off', actions: keepMessage('why') } },
              on: { E: { actions: raise({ type: 'SEEN' }) }, SEEN: { actions: note() } },
            },
            off: {},
          },
        },
        { actors: { o: fromEventObservable(() => stream(world, 't', isEvent)) } },
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
