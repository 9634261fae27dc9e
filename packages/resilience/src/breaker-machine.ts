/**
 * The states of a breaker. It keeps no timer: time comes in with events, so its transitions are pure and can be replayed.
 *
 *   closed ── failures.many ──► open ── call, after its rest ──► halfOpen ── probe.succeeded ──► closed
 *                                ▲                                  │
 *                                └──── probe.failed, probe.void ────┘
 *
 * 1. Only a call after the rest leads to half-open, and that call is the probe.
 * 2. Each failed probe doubles the rest, up to the longest; a success forgets them.
 * 3. A probe without a verdict leaves the breaker open with no rest: the next call is a probe.
 * 4. A probe that says nothing for `probeMs` is lost, and a call takes its place: nothing stays half-open for ever.
 */
import { assign, setup } from 'xstate'

export interface BreakerTimes {
  /** The first rest. */
  readonly restMs: number
  readonly longestRestMs: number
  readonly probeMs: number
}

export type BreakerEvent =
  | { readonly type: 'call'; readonly atMs: number }
  | { readonly type: 'failures.many'; readonly atMs: number }
  | { readonly type: 'probe.succeeded'; readonly atMs: number }
  | { readonly type: 'probe.failed'; readonly atMs: number }
  | { readonly type: 'probe.void'; readonly atMs: number }

interface BreakerContext {
  readonly times: BreakerTimes
  /** How often it has opened without a success since. */
  readonly opens: number
  /** Open: the end of its rest. Half-open: when the probe counts as lost. */
  readonly untilMs: number
}

const types: { context?: BreakerContext; events?: BreakerEvent; input?: BreakerTimes } = {}

export const breakerMachine = setup({
  types,
  guards: { due: ({ context, event }) => event.atMs >= context.untilMs },
  actions: {
    rest: assign(({ context: { times, opens }, event }) => ({
      opens: opens + 1,
      untilMs: event.atMs + Math.min(times.longestRestMs, times.restMs * 2 ** opens),
    })),
    restNoMore: assign({ untilMs: ({ event }) => event.atMs }),
    probe: assign({ untilMs: ({ context, event }) => event.atMs + context.times.probeMs }),
    forget: assign({ opens: 0, untilMs: 0 }),
  },
}).createMachine({
  id: 'breaker',
  context: ({ input }) => ({ times: input, opens: 0, untilMs: 0 }),
  initial: 'closed',
  states: {
    closed: { on: { 'failures.many': { target: 'open', actions: 'rest' } } },
    open: { on: { call: { guard: 'due', target: 'halfOpen', actions: 'probe' } } },
    halfOpen: {
      on: {
        'probe.succeeded': { target: 'closed', actions: 'forget' },
        'probe.failed': { target: 'open', actions: 'rest' },
        'probe.void': { target: 'open', actions: 'restNoMore' },
        call: { guard: 'due', target: 'halfOpen', reenter: true, actions: 'probe' },
      },
    },
  },
})
