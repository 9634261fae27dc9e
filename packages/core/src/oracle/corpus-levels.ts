/** Children three levels deep. */
import { assign, emit, forwardTo, sendParent, sendTo } from 'xstate'
import { type Args, keepMessage, listener, machine, mark, N, note, outputOf } from './parts.ts'
import type { Case } from './script.ts'
import type { World } from './world.ts'

/** Three levels: the leaf works on an effect, the middle counts leaves, the root tells the world. */
const threeLevels = (world: World) => {
  const leaf = machine(
    {
      initial: 'a',
      context: { log: [] },
      states: {
        a: { on: { N: 'wait' } },
        wait: { after: { 2: { target: 'work' } } },
        work: {
          invoke: {
            src: 'load',
            onDone: {
              target: 'done',
              actions: sendParent(({ event }: Args) => ({ type: 'LEAF', o: event['output'] })),
            },
          },
        },
        done: { entry: emit({ type: 'leaf done' }), type: 'final' },
      },
      output: () => 'leaf out',
    },
    { actors: { load: world.effect(1, () => ({ ok: 'loaded' })) } },
  )
  const middle = machine(
    {
      context: { log: [] },
      invoke: { id: 'leaf', src: 'leaf', onDone: { actions: [note(outputOf), sendParent({ type: 'MIDDLE' })] } },
      on: { N: { actions: forwardTo('leaf') }, LEAF: { actions: note(({ event }) => event['o']) } },
    },
    { actors: { leaf } },
  )
  return machine(
    {
      context: { log: [] },
      invoke: { id: 'middle', src: 'middle' },
      on: {
        N: { actions: [forwardTo('middle'), emit(({ event }) => ({ type: 'n', by: event.type }))] },
        MIDDLE: { actions: [note(), emit({ type: 'middle done' })] },
      },
    },
    { actors: { middle } },
  )
}

export const levels: readonly Case[] = [
  { name: 'three levels: effect, timer, sendParent, output', operations: ['N', 3, 'N', 3, 'N', 3], make: threeLevels },
  {
    name: 'three levels: messages to the middle and the leaf from outside',
    operations: [{ to: ['middle'], event: N }, 1, { to: ['middle', 'leaf'], event: N }, 5],
    make: threeLevels,
  },
  {
    name: 'three levels: the middle is replaced under the same id, with all below',
    operations: ['N', 'AGAIN', 'N', 1, 'AGAIN', 2, 'N', 4, 4],
    make: (world) => {
      const leaf = machine(
        {
          initial: 'work',
          context: { log: [] },
          states: {
            work: { invoke: { id: 'load', src: 'load', onDone: 'rest' }, on: { N: { actions: note() } } },
            rest: { after: { 2: { target: 'end', actions: sendParent({ type: 'LEAF' }) } } },
            end: { type: 'final' },
          },
        },
        { actors: { load: world.effect(2, () => ({ ok: 1 })) } },
      )
      const middle = machine(
        {
          context: { log: [] },
          invoke: { id: 'leaf', src: 'leaf', onDone: { actions: [mark('done'), sendParent({ type: 'UP' })] } },
          on: { N: { actions: [note(), sendTo('leaf', N)] }, LEAF: { actions: note() } },
        },
        { actors: { leaf } },
      )
      return machine(
        {
          initial: 'a',
          context: { log: [] },
          states: { a: { invoke: { id: 'middle', src: 'middle' }, on: { AGAIN: { target: 'a', reenter: true } } } },
          on: { N: { actions: sendTo('middle', N) }, UP: { actions: note() } },
        },
        { actors: { middle } },
      )
    },
  },
  {
    name: 'three levels: a child is stopped before its start, having made and stopped one itself',
    operations: ['GO', 'X', 'GO', 2, 'X'],
    make: () => {
      const pass = (src: string) => ({
        initial: 'idle',
        states: { idle: { on: { GO: 'pass' } }, pass: { invoke: { id: src, src }, always: 'idle' } },
      })
      const middle = machine({ ...pass('leaf'), initial: 'pass' }, { actors: { leaf: listener() } })
      return machine(pass('middle'), { actors: { middle } })
    },
  },
  {
    name: 'three levels: a machine that reads itself while it is made fails',
    operations: ['X', 'GO', 'X'],
    make: () => {
      const early = machine({ entry: assign({ seen: ({ self }) => self.getSnapshot().children['none'] ?? 'none' }) })
      return machine(
        {
          initial: 'idle',
          context: {},
          states: {
            idle: { on: { GO: 'busy' } },
            busy: { invoke: { src: 'early', onError: { target: 'idle', actions: keepMessage('why') } } },
          },
        },
        { actors: { early } },
      )
    },
  },
  {
    name: 'three levels: effects begin in another order than they were born, and end in one tick',
    operations: ['GO', 4],
    make: (world) => {
      const actors = { load: world.effect(2, () => ({ ok: 1 })) }
      const kid = machine(
        {
          initial: 'idle',
          states: {
            idle: { on: { GO: 'busy' } },
            busy: { invoke: { src: 'load', onDone: { actions: sendParent({ type: 'UP' }) } } },
          },
        },
        { actors },
      )
      return machine(
        {
          initial: 'idle',
          context: { log: [] },
          invoke: { id: 'kid', src: 'kid' },
          on: { UP: { actions: note() } },
          states: {
            idle: { on: { GO: { target: 'busy', actions: sendTo('kid', { type: 'GO' }) } } },
            busy: { invoke: { src: 'load', onDone: { actions: mark('own') } } },
          },
        },
        { actors: { ...actors, kid } },
      )
    },
  },
]
