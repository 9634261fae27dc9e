/** Actors of the cluster tests, loaded by every node process. */
import { defineActor, effect, protocol } from '@troupe/core'
import { assign, setup } from 'xstate'
import { z } from 'zod'

/** Remembers which requests it applied, so that a repeat or a loss shows in the state itself. */
export const ledgerSays = protocol('ledger', {
  events: { put: z.object({ id: z.string() }) },
  replies: { put: z.object({ size: z.number(), repeats: z.number() }) },
})
export const ledger = defineActor(ledgerSays, {
  logic: ledgerSays.handlers<{ ids: string[]; repeats: number }>(
    { ids: [], repeats: 0 },
    {
      put: ({ ids, repeats }, { id }) => {
        const again = ids.includes(id) ? 1 : 0
        const state = { ids: again ? ids : [...ids, id], repeats: repeats + again }
        return { state, reply: { size: state.ids.length, repeats: state.repeats } }
      },
    },
  ),
})

/** Works for a while, then rests for a while, then answers: an effect and a timer are open at most instants. */
export const workerSays = protocol('job', {
  events: { start: z.object({ workMs: z.number(), restMs: z.number() }) },
  replies: { start: z.object({ rounds: z.number() }) },
})
const work = effect('work', 'idempotent', ({ workMs }: { workMs: number }, { signal }) => {
  return new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => resolve(1), workMs)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(new Error('aborted'))
    })
  })
})
export const job = defineActor(workerSays, {
  logic: setup({
    types: workerSays.types<{ workMs: number; restMs: number; rounds: number }>(),
    actors: { work },
    delays: { rest: ({ context }) => context.restMs },
  }).createMachine({
    context: { workMs: 0, restMs: 0, rounds: 0 },
    initial: 'idle',
    states: {
      idle: {
        on: {
          start: {
            target: 'working',
            actions: assign({ workMs: ({ event }) => event.workMs, restMs: ({ event }) => event.restMs }),
          },
        },
      },
      working: {
        invoke: {
          src: 'work',
          input: ({ context }) => ({ workMs: context.workMs }),
          onDone: {
            target: 'resting',
            actions: assign({ rounds: ({ context, event }) => context.rounds + event.output }),
          },
        },
      },
      resting: {
        after: {
          rest: { target: 'idle', actions: workerSays.reply('start', ({ context }) => ({ rounds: context.rounds })) },
        },
      },
    },
  }),
})

/** Money moves by sends between actors, so a lost or repeated one shows in the total. */
export const accountSays = protocol('account', {
  events: {
    open: z.object({ cents: z.number() }),
    transfer: z.object({ to: z.string(), cents: z.number(), n: z.number() }),
    credit: z.object({ cents: z.number(), from: z.string(), n: z.number() }),
  },
})
export const account = defineActor(accountSays, {
  logic: setup({
    types: accountSays.types<{
      key: string
      cents: number
      ordered: number
      seen: Record<string, number>
      swaps: number
    }>(),
  }).createMachine({
    context: ({ input }) => ({ key: input.key, cents: 0, ordered: 0, seen: {}, swaps: 0 }),
    on: {
      open: { actions: assign({ cents: ({ context, event }) => context.cents + event.cents }) },
      transfer: {
        actions: [
          assign({
            cents: ({ context, event }) => context.cents - event.cents,
            ordered: ({ context }) => context.ordered + 1,
          }),
          accountSays.sendTo(
            ({ event }) => event.to,
            ({ context, event }) => ({ type: 'credit', cents: event.cents, from: context.key, n: context.ordered }),
          ),
        ],
      },
      credit: {
        actions: assign({
          cents: ({ context, event }) => context.cents + event.cents,
          seen: ({ context, event }) => ({ ...context.seen, [event.from]: event.n }),
          swaps: ({ context, event }) => context.swaps + (event.n > (context.seen[event.from] ?? 0) ? 0 : 1),
        }),
      },
    },
  }),
})

export const actors = [ledger, job, account]
