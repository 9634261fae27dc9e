/** Children that are invoked machines. */
import { forwardTo } from 'xstate'
import { counter, keep, machine, note, outputOf } from './parts.ts'
import type { Case } from './script.ts'

export const children: readonly Case[] = [
  {
    name: 'invoke: a machine to its end',
    operations: ['N', 'N', 'N'],
    make: () =>
      machine(
        {
          initial: 'run',
          context: {},
          states: {
            run: {
              invoke: {
                id: 'kid',
                src: 'kid',
                input: { v: 7 },
                onDone: { target: 'done', actions: keep('got', 'output') },
              },
              on: { N: { actions: forwardTo('kid') } },
            },
            done: {},
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'onSnapshot: every state of a child, none again after a restart',
    operations: ['N', 'X', 'N', 'X'],
    make: () =>
      machine(
        {
          context: { log: [] },
          invoke: {
            id: 'kid',
            src: 'kid',
            onSnapshot: {
              actions: note(({ event: { snapshot } }) =>
                typeof snapshot === 'object' && snapshot !== null && 'value' in snapshot ? snapshot.value : null,
              ),
            },
          },
          on: { X: {}, N: { actions: forwardTo('kid') } },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'invoke: below a state that always leaves at once',
    operations: ['GO', 'N', 'GO', 'N'],
    make: () =>
      machine(
        {
          initial: 'idle',
          context: { log: [] },
          states: {
            idle: { on: { GO: 'pass', N: { actions: note() } } },
            pass: { invoke: { id: 'kid', src: 'kid' }, always: 'idle' },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'invoke: re-entered again and again under the same id',
    operations: ['N', 'AGAIN', 'N', 'N', 'AGAIN', 'AGAIN', 'N', 'N', 'N'],
    make: () =>
      machine(
        {
          initial: 'a',
          context: { log: [] },
          states: {
            a: {
              invoke: { id: 'kid', src: 'kid', onDone: { actions: note(outputOf) } },
              on: { AGAIN: { target: 'a', reenter: true }, N: { actions: forwardTo('kid') } },
            },
          },
        },
        { actors: { kid: counter() } },
      ),
  },
  {
    name: 'a child that is done at start',
    operations: ['X'],
    make: () =>
      machine(
        {
          initial: 'a',
          context: {},
          states: { a: { invoke: { src: 'kid', onDone: { target: 'b', actions: keep('got', 'output') } } }, b: {} },
        },
        { actors: { kid: machine({ initial: 'd', states: { d: { type: 'final' } }, output: 'now' }) } },
      ),
  },
]
