/**
 * One place in a pool: keeps one worker alive. Tells the pool every change (`slot.changed`) and its own end (`slot.gone`).
 *
 * 1. A worker that had been ready for `SETTLED_MS` is replaced at once; one that ended sooner after a pause, doubled from
 *    100 ms up to 5 s for each quick end in a row.
 * 2. `maxFailedStarts` starts in a row that never became ready end in `failed`, until the pool starts the place again.
 * 3. On `slot.stop` the worker may finish for `STOP_MS`, then the place is left and with it the process.
 */
import { assign, sendParent, sendTo, setup } from 'xstate'
import type { WorkerEnd, WorkerEvent, WorkerLogic } from './ports.ts'
import type { WorkerStatus } from './protocol.ts'

const SETTLED_MS = 5_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
const STOP_MS = 15_000

export interface SlotInput {
  readonly pool: string
  readonly slot: string
}

export type SlotCommand = { readonly type: 'slot.stop' }
/** What the pool hears. */
export type SlotReport =
  | { readonly type: 'slot.changed'; readonly worker: WorkerStatus }
  | { readonly type: 'slot.gone'; readonly slot: string }

export interface SlotContext extends Omit<WorkerStatus, 'state'> {
  readonly pool: string
  readonly starts: number
  readonly failedStarts: number
  readonly quickEnds: number
}

const ended = { 'worker.exited': true, 'worker.lost': true } as const
const isEnd = (event: { readonly type: string }): event is WorkerEnd => event.type in ended

/** Fields that an end leaves: no process, and why. */
function endOf(event: WorkerEvent | SlotCommand): Partial<SlotContext> {
  if (!isEnd(event)) return {}
  return { since: event.at, pid: undefined, reason: event.reason, output: [...event.output] }
}

export function slotMachine(worker: WorkerLogic, maxFailedStarts: number) {
  return setup({
    types: {} as { context: SlotContext; events: WorkerEvent | SlotCommand; input: SlotInput },
    actors: { worker },
    delays: {
      SETTLED_MS,
      STOP_MS,
      PAUSE_MS: ({ context }) => Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (context.quickEnds - 1)),
    },
    guards: { hopeless: ({ context }) => context.failedStarts + 1 >= maxFailedStarts },
    actions: {
      noteStart: assign(({ event }) =>
        event.type === 'worker.started' ? { name: event.name, pid: event.pid, since: event.at } : {},
      ),
      noteReady: assign(({ event }) => (event.type === 'worker.ready' ? { since: event.at, failedStarts: 0 } : {})),
      noteFailedStart: assign(({ context, event }) => ({
        ...endOf(event),
        failedStarts: context.failedStarts + 1,
        quickEnds: context.quickEnds + 1,
      })),
      noteQuickEnd: assign(({ context, event }) => ({ ...endOf(event), quickEnds: context.quickEnds + 1 })),
      noteEnd: assign(({ event }) => ({ ...endOf(event), quickEnds: 0 })),
      count: assign({ starts: ({ context }) => context.starts + 1, restarts: ({ context }) => context.starts }),
      report: sendParent(({ context }, { state }: { state: WorkerStatus['state'] }): SlotReport => {
        const { slot, name, pid, restarts, since, reason, output } = context
        return { type: 'slot.changed', worker: { slot, name, state, pid, restarts, since, reason, output } }
      }),
      leave: sendParent(({ context }): SlotReport => ({ type: 'slot.gone', slot: context.slot })),
    },
  }).createMachine({
    id: 'slot',
    context: ({ input }) => ({
      ...input,
      name: '',
      restarts: 0,
      since: 0,
      starts: 0,
      failedStarts: 0,
      quickEnds: 0,
    }),
    initial: 'up',
    states: {
      up: {
        entry: 'count',
        invoke: { id: 'worker', src: 'worker', input: ({ context: { pool, slot } }) => ({ pool, slot }) },
        initial: 'starting',
        on: { 'slot.stop': '.stopping' },
        states: {
          starting: {
            entry: { type: 'report', params: { state: 'starting' } },
            on: {
              'worker.started': { actions: ['noteStart', { type: 'report', params: { state: 'starting' } }] },
              'worker.ready': { target: 'ready', actions: 'noteReady' },
              'worker.*': [
                { guard: 'hopeless', target: '#slot.failed', actions: 'noteFailedStart' },
                { target: '#slot.waiting', actions: 'noteFailedStart' },
              ],
            },
          },
          ready: {
            entry: { type: 'report', params: { state: 'ready' } },
            initial: 'fresh',
            // Another node has taken the pool up and opened the worker again.
            on: { 'worker.started': { target: 'starting', actions: ['count', 'noteStart'] } },
            states: {
              fresh: {
                after: { SETTLED_MS: 'settled' },
                on: {
                  'worker.exited': { target: '#slot.waiting', actions: 'noteQuickEnd' },
                  'worker.lost': { target: '#slot.waiting', actions: 'noteQuickEnd' },
                },
              },
              settled: {
                on: {
                  'worker.exited': { target: '#slot.up', reenter: true, actions: 'noteEnd' },
                  'worker.lost': { target: '#slot.up', reenter: true, actions: 'noteEnd' },
                },
              },
            },
          },
          stopping: {
            entry: [{ type: 'report', params: { state: 'stopping' } }, sendTo('worker', { type: 'worker.stop' })],
            after: { STOP_MS: '#slot.gone' },
            on: {
              'slot.stop': {},
              'worker.started': { actions: ['noteStart', sendTo('worker', { type: 'worker.stop' })] },
              'worker.ready': {},
              'worker.*': '#slot.gone',
            },
          },
        },
      },
      waiting: {
        entry: { type: 'report', params: { state: 'waiting' } },
        after: { PAUSE_MS: 'up' },
        on: { 'slot.stop': 'gone' },
      },
      failed: {
        entry: { type: 'report', params: { state: 'failed' } },
        on: { 'slot.stop': 'gone' },
      },
      gone: { entry: 'leave' },
    },
  })
}
