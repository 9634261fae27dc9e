/**
 * Tallies: actors of which an older and a newer definition run side by side, and on which shards move back to the older one.
 *
 * 1. Both speak one protocol and name their timers alike; the state of the newer one has other fields.
 * 2. Tallies with the key `large` have states that no append carries: the newer definition folds a tail of the older one, and
 *    comes to the same as if it had been given the state at its end.
 */
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { defineActor } from '../actor.ts'
import { protocol } from '../protocol.ts'

const LARGE = 'x'.repeat(5_000)

const says = protocol('tally', {
  events: { add: z.object({ by: z.number() }), later: z.object({}) },
  replies: { add: z.number() },
})

const noteOf = ({ input }: { readonly input?: { readonly key?: string } | undefined }) =>
  input?.key === 'large' ? LARGE : ''

/** The definition that nodes have before they are upgraded. */
export const olderTally = defineActor(says, {
  logic: setup({
    types: says.types<{ sum: number; note: string }>(),
    delays: { soon: 200 },
  }).createMachine({
    context: (given) => ({ sum: 0, note: noteOf(given) }),
    on: {
      add: {
        actions: [
          assign({ sum: ({ context, event }) => context.sum + event.by }),
          says.reply('add', ({ context }) => context.sum),
        ],
      },
    },
    initial: 'calm',
    states: {
      calm: { on: { later: 'armed' } },
      armed: { after: { soon: { target: 'calm', actions: assign({ sum: ({ context }) => context.sum + 1 }) } } },
    },
  }),
  idleAfterMs: 2_000,
})

const olderState = z.object({ sum: z.number(), note: z.string() })

export const tally = defineActor(says, {
  version: 2,
  upgrade: (context) => {
    const { sum, note } = olderState.parse(context)
    return { total: sum, unit: 'piece', note }
  },
  upgradeEvent: (event) => event,
  logic: setup({
    types: says.types<{ total: number; unit: string; note: string }>(),
    delays: { soon: 200 },
  }).createMachine({
    context: (given) => ({ total: 0, unit: 'piece', note: noteOf(given) }),
    on: {
      add: {
        actions: [
          assign({ total: ({ context, event }) => context.total + event.by }),
          says.reply('add', ({ context }) => context.total),
        ],
      },
    },
    initial: 'calm',
    states: {
      calm: { on: { later: 'armed' } },
      armed: { after: { soon: { target: 'calm', actions: assign({ total: ({ context }) => context.total + 1 }) } } },
    },
  }),
  idleAfterMs: 2_000,
})

export const TALLIES = ['k0', 'k1', 'large']
