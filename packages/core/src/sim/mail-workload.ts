/**
 * Boxes: actors that get letters. Some refuse them, some fail over them, some end; operators bring them back, and have dead
 * letters delivered again. Some letters expire. Their state is
 * larger than an append carries, so each recovery folds a tail.
 */
import { assign, forwardTo, setup } from 'xstate'
import { z } from 'zod'
import { defineActor } from '../actor.ts'
import { toWire } from '../errors.ts'
import { protocol } from '../protocol.ts'
import type { Order } from '../supervision.ts'
import type { SimClient } from './client.ts'

const LARGE = 'x'.repeat(5_000)
const BOXES = 3
const none = z.object({})

const says = protocol('box', {
  events: { put: z.object({ n: z.number() }), lock: none, unlock: none, spill: none, tear: none },
})

const broken = (): never => {
  throw new Error('it broke')
}
/** Fails whatever it is told. */
const lining = setup({}).createMachine({ on: { tear: { actions: assign(broken) } } })

export const box = defineActor(says, {
  logic: setup({ types: says.types<{ label: string; sum: number }>(), actors: { lining } }).createMachine({
    context: { label: LARGE, sum: 0 },
    invoke: { id: 'lining', src: 'lining' },
    on: { spill: { actions: assign(broken) }, tear: { actions: forwardTo('lining') } },
    initial: 'open',
    states: {
      open: {
        on: { put: { actions: assign({ sum: ({ context, event }) => context.sum + event.n }) }, lock: 'locked' },
      },
      locked: { on: { unlock: 'open' } },
    },
  }),
  supervision: { intensity: 1, periodMs: 4_000, backoffMs: [20, 200], children: { lining: { by: 'reset' } } },
  idleAfterMs: 2_000,
})

export async function mailSomething(client: SimClient): Promise<void> {
  const ref = client.get(box, `k${Math.floor(client.random() * BOXES)}`)
  const kind = client.random()
  if (kind < 0.48) await sometimes(ref.deliver({ type: 'put', n: 1 + Math.floor(client.random() * 9) }))
  else if (kind < 0.6) await sometimes(expiring(client))
  else if (kind < 0.65) await sometimes(ref.deliver({ type: 'lock' }))
  else if (kind < 0.73) await sometimes(ref.deliver({ type: 'unlock' }, { delayMs: 200 }))
  else if (kind < 0.82) await sometimes(ref.deliver({ type: 'spill' }))
  else if (kind < 0.87) await sometimes(ref.deliver({ type: 'tear' }))
  else if (kind < 0.92) await sometimes(redriveOne(client))
  else await sometimes(client.order(orderFrom(client.random()), ref, { timeoutMs: 2_000 }))
}

/** Some have no chance, some lie in time and are found too late. */
function expiring(client: SimClient): Promise<void> {
  const ref = client.get(box, `k${Math.floor(client.random() * BOXES)}`)
  const delayMs = client.random() < 0.3 ? 200 : 0
  return ref.deliver({ type: 'put', n: 1 }, { delayMs, expiresAfterMs: delayMs + 1 + client.random() ** 3 * 3_000 })
}

/** Any of the oldest few, so that several clients take the same one. */
async function redriveOne(client: SimClient): Promise<void> {
  const [letters, nth] = [client.system.deadLetters(box.protocol.type), Math.floor(client.random() * 3)]
  let left = nth
  for await (const letter of letters) if (left-- === 0) return client.redrive(letter)
}

/** Whatever has become of a box, an operator gets a new one. */
export async function mailAfterHeal(client: SimClient): Promise<void> {
  for (let n = 0; n < BOXES; n++) await client.order('reset', client.get(box, `k${n}`), { timeoutMs: 10_000 })
}

function orderFrom(random: number): Order['kind'] {
  if (random < 0.5) return 'start'
  if (random < 0.75) return 'restart'
  return random < 0.92 ? 'reset' : 'destroy'
}

/** Whatever comes of it is compared with the log in the end. */
async function sometimes(call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    toWire(error)
  }
}
