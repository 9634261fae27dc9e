/**
 * The pool: keeps `size` workers alive, one per slot, and says when there are none to be had.
 *
 *     idle ─start, ensure→ running ─all slots failed→ failed ─start→ running;  stop → stopping → stopped
 *
 * 1. It schedules no call: nodes watch the workers and call them directly. Here only births and deaths are decided.
 * 2. `start` is answered when every slot is ready or has failed; `ensure` when one is ready or none will be.
 * 3. It fails when no slot is left that could get a worker; its reason and last output are those of the slot that failed last.
 */
import { assign, enqueueActions, setup, stopChild } from 'xstate'
import type { WorkerLogic } from './ports.ts'
import { type PoolOutcome, type PoolProtocol, type PoolStatus, poolProtocol, type WorkerStatus } from './protocol.ts'
import { type SlotReport, slotMachine } from './slot.ts'

export interface PoolMachineOptions {
  readonly name: string
  /** Workers, unless `start` says otherwise. */
  readonly size: number
  /** Starts in a row that may fail in one slot. @defaultValue 5 */
  readonly maxFailedStarts?: number
}

interface PoolContext {
  readonly size: number
  /** Slots are numbered and never reused. */
  readonly nextSlot: number
  readonly workers: { readonly [slot: string]: WorkerStatus }
  readonly reason?: string | undefined
  readonly output?: readonly string[] | undefined
}

const listed = ({ workers }: PoolContext): readonly WorkerStatus[] => Object.values(workers)
const wanted = (context: PoolContext): readonly WorkerStatus[] =>
  listed(context).filter(({ state }) => state !== 'stopping')
const count = (context: PoolContext, state: WorkerStatus['state']): number =>
  listed(context).filter((worker) => worker.state === state).length

const hopeless = (context: PoolContext): boolean =>
  listed(context).length > 0 && count(context, 'failed') === listed(context).length

function without(
  workers: PoolContext['workers'],
  gone: readonly { readonly slot: string }[],
): { [slot: string]: WorkerStatus } {
  const names = new Set(gone.map(({ slot }) => slot))
  return Object.fromEntries(Object.entries(workers).filter(([slot]) => !names.has(slot)))
}

function trouble({ reason, output }: PoolContext): { reason?: string | undefined; output?: string[] | undefined } {
  return { reason, output: output === undefined ? undefined : [...output] }
}

function outcome(context: PoolContext, state?: PoolOutcome['state']): PoolOutcome {
  const ready = count(context, 'ready')
  const shown = state ?? (count(context, 'failed') > 0 ? 'degraded' : 'ready')
  return { state: shown, size: context.size, ready, ...(shown === 'ready' ? {} : trouble(context)) }
}

function status(context: PoolContext, state: PoolStatus['state']): PoolStatus {
  return { state, size: context.size, workers: [...listed(context)], ...trouble(context) }
}

export function poolMachine(worker: WorkerLogic, options: PoolMachineOptions) {
  return machineOf(poolProtocol(options.name), worker, options)
}

function machineOf(says: PoolProtocol, worker: WorkerLogic, { name, size, maxFailedStarts = 5 }: PoolMachineOptions) {
  return setup({
    types: says.types<PoolContext, SlotReport>(),
    actors: { slot: slotMachine(worker, maxFailedStarts) },
    guards: {
      settled: ({ context }) =>
        !hopeless(context) && wanted(context).every(({ state }) => state === 'ready' || state === 'failed'),
      served: ({ context }) => count(context, 'ready') > 0,
      unserved: ({ context }) => count(context, 'ready') === 0,
      hopeless: ({ context }) => hopeless(context),
      empty: ({ context }) => listed(context).length === 0,
    },
    actions: {
      resize: assign(({ event }) =>
        (event.type === 'start' || event.type === 'scale') && event.size !== undefined ? { size: event.size } : {},
      ),
      fit: enqueueActions(({ context, enqueue }) => {
        const alive = wanted(context)
        for (const { slot } of alive.slice(context.size)) enqueue.sendTo(slot, { type: 'slot.stop' })
        const workers = { ...context.workers }
        let { nextSlot } = context
        for (let missing = context.size - alive.length; missing > 0; missing--) {
          const slot = `${nextSlot++}`
          workers[slot] = { slot, name: '', state: 'starting', restarts: 0, since: 0 }
          enqueue.spawnChild('slot', { id: slot, input: { pool: name, slot } })
        }
        enqueue.assign({ workers, nextSlot })
      }),
      /** Slots that had given up get another chance. */
      revive: enqueueActions(({ context, enqueue }) => {
        const failed = listed(context).filter(({ state }) => state === 'failed')
        for (const { slot } of failed) enqueue(stopChild(slot))
        enqueue.assign({ workers: without(context.workers, failed) })
      }),
      note: assign(({ context, event }) => {
        if (event.type !== 'slot.changed') return {}
        const { worker } = event
        const workers = { ...context.workers, [worker.slot]: worker }
        return worker.state === 'failed' ? { workers, reason: worker.reason, output: worker.output } : { workers }
      }),
      forget: enqueueActions(({ context, event, enqueue }) => {
        if (event.type !== 'slot.gone') return
        enqueue(stopChild(event.slot))
        enqueue.assign({ workers: without(context.workers, [event]) })
      }),
      end: enqueueActions(({ context, enqueue }) => {
        for (const { slot } of listed(context)) enqueue.sendTo(slot, { type: 'slot.stop' })
      }),
      drop: enqueueActions(({ context, enqueue }) => {
        for (const { slot } of listed(context)) enqueue(stopChild(slot))
        enqueue.assign({ workers: {} })
      }),
      absolve: assign({ reason: undefined, output: undefined }),
      tell: says.reply('status', ({ context }, { state }: { state: PoolStatus['state'] }) => status(context, state)),
      refuse: says.reply('ensure', ({ context }, { state }: { state: PoolOutcome['state'] }) =>
        outcome(context, state),
      ),
    },
  }).createMachine({
    id: 'pool',
    context: { size, nextSlot: 1, workers: {} },
    initial: 'idle',
    on: { 'slot.changed': { actions: 'note' }, 'slot.gone': { actions: 'forget' } },
    states: {
      idle: {
        on: {
          start: { target: 'running', actions: 'resize' },
          ensure: 'running',
          scale: { actions: 'resize' },
          status: { actions: { type: 'tell', params: { state: 'idle' } } },
          stop: 'stopped',
        },
      },
      running: {
        entry: ['absolve', 'fit'],
        always: { guard: 'hopeless', target: 'failed' },
        type: 'parallel',
        on: {
          scale: { actions: ['resize', 'fit'] },
          status: { actions: { type: 'tell', params: { state: 'running' } } },
          stop: 'stopping',
        },
        states: {
          starting: {
            initial: 'pending',
            states: {
              pending: {
                always: {
                  guard: 'settled',
                  target: 'answered',
                  actions: says.reply('start', ({ context }) => outcome(context), { to: 'all' }),
                },
                on: { start: { actions: ['resize', 'revive', 'fit'] } },
              },
              answered: { on: { start: { target: 'pending', actions: ['resize', 'revive', 'fit'] } } },
            },
          },
          serving: {
            initial: 'none',
            states: {
              none: {
                always: {
                  guard: 'served',
                  target: 'some',
                  actions: says.reply('ensure', ({ context }) => outcome(context), { to: 'all' }),
                },
                on: { ensure: {} },
              },
              some: {
                always: { guard: 'unserved', target: 'none' },
                on: { ensure: { actions: says.reply('ensure', ({ context }) => outcome(context)) } },
              },
            },
          },
        },
      },
      failed: {
        entry: [
          says.reply('start', ({ context }) => outcome(context, 'failed'), { to: 'all' }),
          says.reply('ensure', ({ context }) => outcome(context, 'failed'), { to: 'all' }),
        ],
        on: {
          start: { target: 'running', actions: ['drop', 'resize'] },
          ensure: { actions: { type: 'refuse', params: { state: 'failed' } } },
          scale: { actions: 'resize' },
          status: { actions: { type: 'tell', params: { state: 'failed' } } },
          stop: { target: 'stopped', actions: 'drop' },
        },
      },
      stopping: {
        entry: [
          'end',
          says.reply('start', ({ context }) => outcome(context, 'stopped'), { to: 'all' }),
          says.reply('ensure', ({ context }) => outcome(context, 'stopped'), { to: 'all' }),
        ],
        always: { guard: 'empty', target: 'stopped' },
        on: {
          ensure: { actions: { type: 'refuse', params: { state: 'stopped' } } },
          status: { actions: { type: 'tell', params: { state: 'stopping' } } },
          stop: {},
        },
      },
      stopped: {
        entry: says.reply('stop', {}, { to: 'all' }),
        on: {
          start: { target: 'running', actions: 'resize' },
          ensure: { actions: { type: 'refuse', params: { state: 'stopped' } } },
          scale: { actions: 'resize' },
          status: { actions: { type: 'tell', params: { state: 'stopped' } } },
          stop: { actions: says.reply('stop', {}) },
        },
      },
    },
  })
}
