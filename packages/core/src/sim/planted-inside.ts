/**
 * Bugs in what happens inside a turn and after a crash: timers, effects, states, steps.
 */
import { hashOfBytes } from '../codec.ts'
import { LogicHost } from '../logic-host.ts'
import { Mailbox } from '../mailbox.ts'
import { ShardHost } from '../shard-host.ts'
import { type Plants, replace, withJournal, withRecords } from './planting.ts'

export const INSIDE_PLANTS: Plants = {
  'a timer fires twice': () => ({
    undo: replace(Mailbox.prototype, 'offerSystem', (real) => {
      return function (this: Mailbox<unknown, { readonly sizeBytes: number }>, input) {
        real.call(this, input)
        const inner = typeof input === 'object' && input !== null && 'input' in input ? input.input : undefined
        if (typeof inner === 'object' && inner !== null && 'timer' in inner) real.call(this, input)
      }
    }),
  }),

  'a timer fires early': () => {
    const undoDue = replace(LogicHost.prototype, 'due', (real) => {
      return function (this: LogicHost, now) {
        return real.call(this, now + 100)
      }
    })
    const undoNext = replace(LogicHost.prototype, 'nextDue', (real) => {
      return function (this: LogicHost, except) {
        const due = real.call(this, except)
        return due === undefined ? undefined : due - 100
      }
    })
    return {
      undo: () => {
        undoDue()
        undoNext()
      },
    }
  },

  'an open effect is forgotten after a crash': () => ({ undo: replace(LogicHost.prototype, 'resume', () => () => {}) }),

  'nobody looks for what a dead node left open': () => ({
    wrap: (connection) => withJournal(connection, () => ({ heads: () => nothing() })),
  }),

  'effects begin before their step is stored': () => ({
    undo: replace(LogicHost.prototype, 'step', (real) => {
      return function (this: LogicHost, input, now, origin, draws) {
        const outcome = real.call(this, input, now, origin, draws)
        if (draws !== undefined || outcome.status === 'error') return outcome
        this.release(outcome.intents.filter(({ kind }) => kind === 'start'))
        return { ...outcome, intents: outcome.intents.filter(({ kind }) => kind !== 'start') }
      }
    }),
  }),

  'emits leave before their step is stored': () => ({
    undo: replace(LogicHost.prototype, 'step', (real) => {
      return function (this: LogicHost, input, now, origin, draws) {
        const outcome = real.call(this, input, now, origin, draws)
        if (draws !== undefined || outcome.status === 'error') return outcome
        this.release(outcome.intents.filter(({ kind }) => kind === 'emit'))
        return { ...outcome, intents: outcome.intents.filter(({ kind }) => kind !== 'emit') }
      }
    }),
  }),

  'a state is put back to an older one': () => {
    const states = new WeakMap<LogicHost, ReturnType<LogicHost['state']>>()
    let calls = 0
    return {
      undo: replace(LogicHost.prototype, 'state', (real) => {
        return function (this: LogicHost) {
          const state = real.call(this)
          const older = states.get(this)
          states.set(this, state)
          return older !== undefined && ++calls % 40 === 0 ? older : state
        }
      }),
    }
  },

  'a step that failed is applied': () => ({
    undo: replace(LogicHost.prototype, 'step', (real) => {
      return function (this: LogicHost, input, now, origin, draws) {
        const { error: _, failed: _failed, ...outcome } = real.call(this, input, now, origin, draws)
        return outcome.status === 'error' ? { ...outcome, status: 'active' } : outcome
      }
    }),
  }),

  'a group commit puts its steps in another order': () => ({
    wrap: (connection) =>
      withRecords(connection, { stored: (record) => ({ ...record, steps: record.steps.toReversed() }) }, hashOfBytes),
  }),

  'a shard that is given away is still served': () => ({
    undo: replace(ShardHost.prototype, 'close', () => async () => {}),
  }),
}

async function* nothing(): AsyncIterable<never> {}
