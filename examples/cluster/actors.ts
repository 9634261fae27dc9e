/** A shop: orders that are priced and approved, and a warehouse whose rooms one supervisor looks after. */
import { defineActor, effect, protocol, supervisor } from '@troupe/core'
import { assign, setup } from 'xstate'
import { z } from 'zod'

/** Asks the price list. A `read` may run again on another node when its own has died; its result is recorded once. */
const price = effect('price', 'read', async ({ url, sku }: { url: string; sku: string }, { signal }) => {
  const answer = await fetch(`${url}/${sku}`, { signal })
  if (!answer.ok) throw new Error(`the price list says ${answer.status} for ${sku}`)
  return z.object({ cents: z.number() }).parse(await answer.json()).cents
})

const orderSays = protocol('order', {
  events: {
    place: z.object({ sku: z.string(), pieces: z.number(), priceList: z.string() }),
    approve: z.object({}),
  },
  replies: { place: z.object({ cents: z.number() }) },
})

/** Whoever places an order is answered when somebody has approved it: minutes later, and on whatever node it is then. */
export const order = defineActor(orderSays, {
  logic: setup({
    types: orderSays.types<{ sku: string; pieces: number; priceList: string; cents: number }>(),
    actors: { price },
  }).createMachine({
    context: { sku: '', pieces: 0, priceList: '', cents: 0 },
    initial: 'open',
    states: {
      open: {
        on: {
          place: {
            target: 'priced',
            actions: assign(({ event: { sku, pieces, priceList } }) => ({ sku, pieces, priceList })),
          },
        },
      },
      priced: {
        invoke: {
          src: 'price',
          input: ({ context: { priceList, sku } }) => ({ url: priceList, sku }),
          onDone: {
            target: 'waiting',
            actions: assign({ cents: ({ context, event }) => context.pieces * event.output }),
          },
        },
      },
      waiting: {
        on: {
          approve: {
            target: 'approved',
            actions: orderSays.reply('place', ({ context }) => ({ cents: context.cents })),
          },
        },
      },
      approved: {},
    },
  }),
})

const roomSays = protocol('room', {
  events: { put: z.object({ pieces: z.number() }), jam: z.object({}) },
  replies: { put: z.number() },
})

const room = defineActor(roomSays, {
  // The first failure is beyond the room itself: it is quarantined, and its supervisor decides.
  supervision: { intensity: 0 },
  logic: setup({ types: roomSays.types<{ pieces: number }>() }).createMachine({
    context: { pieces: 0 },
    on: {
      put: {
        actions: [
          assign({ pieces: ({ context, event }) => context.pieces + event.pieces }),
          roomSays.reply('put', ({ context }) => context.pieces),
        ],
      },
      jam: {
        actions: assign(() => {
          throw new Error('the belt is jammed')
        }),
      },
    },
  }),
})

/** One belt runs through all rooms: when one is brought back, all begin again. What they hold stays. */
export const warehouse = supervisor('warehouse', {
  strategy: 'one_for_all',
  children: { north: { actor: room }, middle: { actor: room }, south: { actor: room } },
})

export const actors = [order, room, warehouse]
