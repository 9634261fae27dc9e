/**
 * One owner for the limits and the breaker of an account, for a whole cluster: `gate/<name>`, an ordinary journaled actor.
 *
 * 1. What it decides is in the log before anybody uses it. So whoever takes the gate over goes on where it was: nothing is granted
 *    twice, nothing bursts, and nobody has to begin with empty buckets.
 * 2. All decisions are those of `gate-book.ts`. Whoever hosts it says so before it hears anybody else, which keeps its time its own.
 */
import { defineActor, resource, stepTime } from '@troupe/core'
import { assign, setup } from 'xstate'
import { drawn, emptyBook, type GateBook, hosted, reopened, reported, statusOf } from './gate-book.ts'
import { type Drawn, gateSays } from './gate-protocol.ts'

/** For so long every grant can be looked up; what is held and used is part of the newest state. */
const LOG_MS = 3_600_000

interface GateContext {
  readonly book: GateBook
  /** To whoever asked last. */
  readonly answer: Drawn
  readonly closedMs: number
}

const gateLogic = setup({
  types: gateSays.types<GateContext, { readonly type: 'gate.hosted' }>(),
  actors: {
    host: resource<object>((_, { sendBack }) => {
      sendBack({ type: 'gate.hosted' })
      return () => {}
    }),
  },
}).createMachine({
  context: { book: emptyBook(), answer: { kind: 'open' }, closedMs: 0 },
  invoke: { src: 'host', input: {} },
  on: {
    'gate.hosted': { actions: assign(({ context }) => ({ book: hosted(context.book, stepTime()) })) },
    draw: {
      actions: [
        assign(({ context, event }) => drawn(context.book, event, stepTime())),
        gateSays.reply('draw', ({ context }) => context.answer),
      ],
    },
    report: {
      actions: [
        assign(({ context, event }) => reported(context.book, event, stepTime())),
        gateSays.reply('report', ({ context: { closedMs } }) => ({ closedMs })),
      ],
    },
    reopen: { actions: assign(({ context }) => ({ book: reopened(context.book, stepTime()) })) },
    state: { actions: gateSays.reply('state', ({ context }) => statusOf(context.book, stepTime())) },
  },
})

/** The actors that own what `gate` declares: one definition for all of them, to be served by the cluster's nodes. */
export const gates = defineActor(gateSays, { logic: gateLogic, retention: { ageMs: LOG_MS } })
