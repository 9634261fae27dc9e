/** A shop whose sales are counted by a till: two actors, an effect that looks like a Python call, a timer, refusals. */
import { defineActor, effect, protocol } from '@troupe/core'
import { assign, setup } from 'xstate'
import { z } from 'zod'

export const tillSays = protocol('till', {
  events: { count: z.object({ cents: z.number() }) },
  replies: { count: z.number() },
})
export const shopSays = protocol('shop', {
  events: { buy: z.object({ cents: z.number() }), close: z.object({}) },
  replies: { buy: z.number() },
})

const spans = [
  { id: 'm', parent: null, kind: 'module', name: 'Pricing', startMs: 0, endMs: 3, status: 'ok' },
  { id: 'l', parent: 'm', kind: 'lm', name: 'stand-in', startMs: 1, endMs: 2, status: 'ok', data: { tokens: 12 } },
]
const price = effect('python.price', 'idempotent', async ({ cents }: { cents: number }, { evidence }) => {
  evidence({ worker: 'w-1', fn: 'price', wallMs: 3, spans })
  return cents * 2
})
const tell = tillSays.ask('count')

/** @param perSale what the till adds to each sale: an edit that replay must find */
export function shopActors(perSale: number) {
  const till = defineActor(tillSays, {
    logic: tillSays.handlers(
      { total: 0 },
      {
        count: ({ total }, { cents }) => ({
          state: { total: total + cents + perSale },
          reply: total + cents + perSale,
        }),
      },
    ),
  })
  const shop = defineActor(shopSays, {
    logic: setup({
      types: shopSays.types<{ cents: number; dice: number }>(),
      actors: { price, tell },
    }).createMachine({
      context: { cents: 0, dice: 0 },
      initial: 'open',
      states: {
        open: {
          on: {
            buy: {
              target: 'pricing',
              actions: assign({ cents: ({ event }) => event.cents, dice: () => Math.random() }),
            },
            close: 'resting',
          },
        },
        pricing: {
          invoke: {
            src: 'price',
            input: ({ context }) => ({ cents: context.cents }),
            onDone: { target: 'telling', actions: assign({ cents: ({ event }) => event.output }) },
          },
        },
        telling: {
          invoke: {
            src: 'tell',
            input: ({ context }) => ({ key: 'main', cents: context.cents }),
            onDone: { target: 'open', actions: shopSays.reply('buy', ({ event }) => event.output) },
          },
        },
        resting: { after: { 50: 'open' } },
      },
    }),
  })
  return [till, shop] as const
}

export const actors = shopActors(0)
