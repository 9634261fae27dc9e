/** Observables as children. */
import { fromEventObservable, fromObservable, raise } from 'xstate'
import { keepMessage, lastValue, machine, mark, note } from './parts.ts'
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

export const streams: readonly Case[] = [
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
]
