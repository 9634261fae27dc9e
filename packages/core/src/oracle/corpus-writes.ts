/** Effects that may happen once only, and machines that are replaced by a newer version of themselves. */
import { assign, forwardTo, sendTo, spawnChild } from 'xstate'
import { type Args, keep, keepMessage, machine, mark, note } from './parts.ts'
import type { Case } from './script.ts'
import type { World } from './world.ts'

const charge = (world: World) =>
  machine(
    {
      initial: 'idle',
      context: { log: [] },
      states: {
        idle: { on: { GO: 'paying' } },
        paying: {
          invoke: {
            src: 'charge',
            input: 5,
            onDone: { target: 'paid', actions: keep('receipt', 'output') },
            onError: { target: 'idle', actions: keepMessage('why') },
          },
          on: { LEAVE: 'idle' },
        },
        paid: { on: { GO: 'paying' } },
      },
    },
    { actors: { charge: world.effect(3, (input) => ({ ok: { input } }), 'write') } },
  )

export const writes: readonly Case[] = [
  { name: 'write: done', operations: ['GO', 5, 'GO', 4], make: charge },
  { name: 'write: left before it is done', operations: ['GO', 1, 'LEAVE', 4, 'GO', 4], make: charge },
  {
    name: 'write: fails',
    operations: ['GO', 5],
    make: (world) =>
      charge(world).provide({ actors: { charge: world.effect(3, () => ({ fail: new Error('no') }), 'write') } }),
  },
  {
    name: 'write: two at once in regions, beside a read',
    operations: [6],
    make: (world) => {
      const region = (src: string) => ({
        initial: 'busy',
        states: {
          busy: { invoke: { id: src, src, onDone: { target: 'end', actions: note(() => src) } } },
          end: { type: 'final' as const },
        },
      })
      return machine(
        { type: 'parallel', context: { log: [] }, states: { a: region('one'), b: region('two'), c: region('look') } },
        {
          actors: {
            one: world.effect(4, () => ({ ok: 1 }), 'write'),
            two: world.effect(2, () => ({ ok: 2 }), 'write'),
            look: world.effect(3, () => ({ ok: 3 }), 'read'),
          },
        },
      )
    },
  },
  {
    name: 'write: one after the other, each in its own state',
    operations: ['GO', 12],
    make: (world) => {
      const step = (input: string, next: string) => ({
        invoke: { src: 'step', input, onDone: { target: next, actions: note(({ event }) => event['output']) } },
      })
      return machine(
        {
          initial: 'idle',
          context: { log: [] },
          states: { idle: { on: { GO: 'a' } }, a: step('a', 'b'), b: step('b', 'c'), c: step('c', 'idle') },
        },
        { actors: { step: world.effect(2, (input) => ({ ok: input }), 'write') } },
      )
    },
  },
  {
    name: 'write: in a spawned child',
    operations: ['GO', 2, 'GO', 5],
    make: (world) =>
      machine(
        {
          context: { log: [], n: 0 },
          on: {
            GO: {
              actions: [
                assign({ n: ({ context }) => context['n'] + 1 }),
                spawnChild('kid', { id: ({ context }) => `kid ${context['n']}` }),
              ],
            },
            'xstate.done.actor.*': { actions: note() },
          },
        },
        {
          actors: {
            kid: machine(
              { initial: 'busy', states: { busy: { invoke: { src: 'put', onDone: 'end' } }, end: { type: 'final' } } },
              { actors: { put: world.effect(3, () => ({ ok: 1 }), 'write') } },
            ),
          },
        },
      ),
  },
]

const door =
  (states: object, more: object = {}) =>
  () =>
    machine({
      id: 'door',
      initial: 'shut',
      context: { log: [] },
      states: { shut: { on: { OPEN: 'open' } }, ...states },
      ...more,
    })

const kid = (greeting: string) =>
  machine({
    initial: 'a',
    context: { log: [] },
    states: {
      a: { on: { HI: { actions: mark(greeting) }, NEXT: 'b' } },
      b: { on: { HI: { actions: mark(`${greeting} from b`) } } },
    },
  })

const house = (greeting: string) => () =>
  machine(
    { invoke: { id: 'kid', src: 'kid' }, on: { '*': { actions: forwardTo('kid') } } },
    { actors: { kid: kid(greeting) } },
  )

const player = (version: number) => () =>
  machine({
    initial: 'on',
    context: { log: [] },
    states: {
      on: {
        initial: 'low',
        on: { OFF: 'off' },
        states: {
          low: { on: { UP: 'high' } },
          high: { entry: mark(`high ${version}`), ...(version === 2 && { initial: 'new', states: { new: {} } }) },
          ...(version === 2 && { mute: {} }),
          back: { type: 'history', history: 'deep' },
        },
      },
      off: { on: { ON: 'on.back' } },
    },
  })

export const upgrades: readonly Case[] = [
  {
    name: 'upgrade: a new state and a new transition',
    operations: ['OPEN', { upgrade: true }, 'LOCK', 'SHUT', 'LOCK', 'OPEN'],
    make: door({ open: { on: { SHUT: 'shut' } } }),
    next: door({ open: { on: { SHUT: 'shut' } }, shut: { on: { OPEN: 'open', LOCK: 'locked' } }, locked: {} }),
  },
  {
    name: 'upgrade: a new guard, new actions and an event at the root',
    operations: ['OPEN', 'SHUT', { upgrade: true }, 'OPEN', 'NOTE', 'SHUT'],
    make: door({ open: { on: { SHUT: 'shut' } } }),
    next: door(
      {
        open: {
          entry: mark('opened'),
          on: {
            SHUT: {
              guard: ({ context }: Args) => Array.isArray(context['log']) && context['log'].length > 1,
              target: 'shut',
            },
          },
        },
      },
      { on: { NOTE: { actions: note() } } },
    ),
  },
  {
    name: 'upgrade: the machine of a child',
    operations: ['HI', 'NEXT', { upgrade: true }, 'HI', 'HI'],
    make: house('hello'),
    next: house('good day'),
  },
  {
    name: 'upgrade: a history of the old machine',
    operations: ['UP', 'OFF', { upgrade: true }, 'ON', 'OFF', 'ON'],
    make: player(1),
    next: player(1),
  },
  {
    name: 'upgrade: a child source beside the old one',
    operations: ['HI', { upgrade: true }, 'SPAWN', 'TELL', 'HI'],
    make: house('hello'),
    next: () =>
      machine(
        {
          invoke: { id: 'kid', src: 'kid' },
          on: {
            SPAWN: { actions: spawnChild('other', { id: 'other' }) },
            TELL: { actions: sendTo('other', { type: 'HI' }) },
            HI: { actions: forwardTo('kid') },
          },
        },
        { actors: { kid: kid('hello'), other: kid('other') } },
      ),
  },
  {
    name: 'upgrade: nothing has changed',
    operations: ['OPEN', { upgrade: true }, 'SHUT', { upgrade: true }, 'OPEN'],
    make: door({ open: { on: { SHUT: 'shut' } } }),
  },
]
