/** Errors: in guards, assigns, inputs, children, and how far they go. */
import { assign, emit, forwardTo, raise, sendTo, spawnChild } from 'xstate'
import { keepMessage, machine, mark, N, note } from './parts.ts'
import type { Case } from './script.ts'
import type { World } from './world.ts'

const fail = (what: string) => (): never => {
  throw new RangeError(what)
}

/** Fails in an assign when it is sent N. */
const fragile = () =>
  machine({ context: { log: [] }, on: { N: { actions: assign(fail('kid')) }, M: { actions: note() } } })

/** An invocation of `kid` whose failure is handled or not. */
const parent = (handled: boolean, kid: (world: World) => ReturnType<typeof machine>) => (world: World) =>
  machine(
    {
      initial: 'a',
      context: { log: [] },
      states: {
        a: {
          invoke: {
            id: 'kid',
            src: 'kid',
            ...(handled && { onError: { target: 'failed', actions: keepMessage('why') } }),
          },
          on: { '*': { actions: forwardTo('kid') } },
        },
        failed: { on: { BACK: 'a', N: { actions: note() } } },
      },
    },
    { actors: { kid: kid(world) } },
  )

/** A middle whose own effect fails while it does not listen for that. */
const careless = (world: World) =>
  machine(
    { initial: 'idle', states: { idle: { on: { N: 'busy' } }, busy: { invoke: { src: 'load' } } } },
    { actors: { load: world.effect(3, () => ({ fail: new Error('deep') })) } },
  )

export const failures: readonly Case[] = [
  {
    name: 'a guard throws',
    operations: ['X', 'A', 'X'],
    make: () => machine({ on: { A: { guard: fail('guard') }, X: {} } }),
  },
  {
    name: 'an assign throws: the transition is not made',
    operations: ['A', 'X'],
    make: () =>
      machine({
        initial: 'a',
        context: { log: [] },
        states: { a: { on: { A: { target: 'b', actions: [mark('before'), assign(fail('assign'))] } } }, b: {} },
      }),
  },
  {
    name: 'an entry throws after raise and emit',
    operations: ['A', 'X'],
    make: () =>
      machine({
        initial: 'a',
        context: { log: [] },
        states: {
          a: { on: { A: { target: 'b', actions: [emit({ type: 'leaving' }), raise({ type: 'R' })] } } },
          b: { entry: assign(fail('entry')), on: { R: { actions: mark('never') } } },
        },
      }),
  },
  { name: 'the initial context throws', operations: ['X'], make: () => machine({ context: fail('context') }) },
  {
    name: 'always throws in a later microstep',
    operations: ['A', 'X'],
    make: () =>
      machine({
        initial: 'a',
        context: { log: [] },
        states: { a: { on: { A: { target: 'b', actions: mark('a') } } }, b: { always: { guard: fail('always') } } },
      }),
  },
  {
    name: 'a delayed event ends in an error',
    operations: [2, 3, 'X'],
    make: () => machine({ after: { 3: { actions: assign(fail('late')) } }, on: { X: {} } }),
  },
  {
    name: 'a throw that is no Error',
    operations: ['A'],
    make: () =>
      machine({
        on: {
          A: {
            actions: assign(() => {
              throw { code: 3, text: 'plain' }
            }),
          },
        },
      }),
  },
  { name: 'a child fails: handled', operations: ['N', 'N', 'BACK', 'M', 'N'], make: parent(true, fragile) },
  { name: 'a child fails: not handled, up to the root', operations: ['M', 'N', 'X'], make: parent(false, fragile) },
  {
    name: 'an effect of a child fails: up to a handler two levels above',
    operations: ['N', 5, 'N', 'BACK', 'N', 4],
    make: parent(true, careless),
  },
  {
    name: 'an effect of a child fails: not handled anywhere',
    operations: ['N', 5, 'X'],
    make: parent(false, careless),
  },
  {
    name: 'a child fails while it is made',
    operations: ['X', 'N', 'BACK'],
    make: parent(true, () => machine({ context: fail('made') })),
  },
  {
    name: 'a spawned child fails and nobody listens',
    operations: ['S', 'X', 'N', 'X'],
    make: () =>
      machine(
        {
          context: { log: [] },
          on: {
            S: { actions: spawnChild('kid', { id: 'kid' }) },
            N: { actions: sendTo('kid', N) },
            X: { actions: note() },
          },
        },
        { actors: { kid: fragile() } },
      ),
  },
  {
    name: 'a spawned child fails and a wildcard takes it',
    operations: ['S', 'X', 'N', 'X', 'S', 'N'],
    make: () =>
      machine(
        {
          context: { log: [] },
          on: {
            S: { actions: spawnChild('kid', { id: 'kid' }) },
            N: { actions: sendTo('kid', N) },
            'xstate.error.*': { actions: note() },
            X: { actions: note() },
          },
        },
        { actors: { kid: fragile() } },
      ),
  },
  {
    name: 'a middle fails: its timers and effects end, its last state stays',
    operations: ['GO', 1, 'N', 6, 'BACK', 'GO', 4],
    make: parent(true, (world) =>
      machine(
        {
          initial: 'a',
          context: { log: [] },
          on: { N: { actions: assign(fail('middle')) }, GO: '.b' },
          states: { a: {}, b: { after: { 3: 'c' }, invoke: { src: 'load', onDone: { actions: note() } } }, c: {} },
        },
        { actors: { load: world.effect(2, () => ({ ok: 1 })) } },
      ),
    ),
  },
  {
    name: 'a middle fails: a grandchild was born in the same step',
    operations: ['N', 'X', 'BACK', 'N', 'X'],
    make: parent(true, () =>
      machine(
        { on: { N: { actions: [spawnChild('leaf', { id: 'leaf' }), assign(fail('middle'))] } } },
        { actors: { leaf: machine({ context: { log: [] }, after: { 2: { actions: note() } } }) } },
      ),
    ),
  },
  {
    name: 'a middle fails: a grandchild with a timer does not outlive it',
    operations: ['X', 1, 'N', 5, 'BACK', 1, 'N', 4],
    make: parent(true, () =>
      machine(
        { invoke: { id: 'leaf', src: 'leaf' }, on: { N: { actions: assign(fail('middle')) } } },
        {
          actors: {
            leaf: machine(
              { context: { log: [] }, after: { 3: { actions: note() } }, invoke: { src: 'end' } },
              {
                actors: { end: machine({ after: { 2: { actions: note() } }, context: { log: [] } }) },
              },
            ),
          },
        },
      ),
    ),
  },
  {
    name: 'the root reads itself while it is made',
    operations: ['X'],
    make: () => machine({ entry: assign({ seen: ({ self }) => self.getSnapshot().children['none'] ?? 'none' }) }),
  },
]
