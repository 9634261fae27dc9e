import { expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { defineActor } from '../actor.ts'
import { toWire } from '../errors.ts'
import { protocol } from '../protocol.ts'
import type { SimClient } from './client.ts'
import { simulate } from './simulate.ts'

/** Seconds of virtual time between setting an alarm and its ring: longer than a box stays in memory. */
const ALARM_MS = 9_000

const says = protocol('box', {
  events: {
    put: z.object({ n: z.number() }),
    later: z.object({ n: z.number() }),
    pass: z.object({ to: z.string(), n: z.number() }),
    arm: z.object({}),
  },
})
/** Leaves memory as soon as it may, so that mail and alarms find it there as often as not. */
const box = defineActor(says, {
  idleAfterMs: 200,
  logic: setup({
    types: says.types<{ got: number[]; late: number[]; armed: number; rings: number }>(),
    delays: { alarm: ALARM_MS },
  }).createMachine({
    context: { got: [], late: [], armed: 0, rings: 0 },
    on: {
      put: { actions: assign({ got: ({ context, event }) => [...context.got, event.n] }) },
      later: { actions: assign({ late: ({ context, event }) => [...context.late, event.n] }) },
      pass: {
        actions: says.sendTo(
          ({ event }) => event.to,
          ({ event }) => ({ type: 'put', n: event.n }),
        ),
      },
    },
    initial: 'calm',
    states: {
      calm: { on: { arm: { target: 'armed', actions: assign({ armed: ({ context }) => context.armed + 1 }) } } },
      armed: { after: { alarm: { target: 'calm', actions: assign({ rings: ({ context }) => context.rings + 1 }) } } },
    },
  }),
})

/** What one client has done. */
class Sender {
  readonly stored: number[] = []
  readonly unknown = new Set<number>()
  readonly passed: number[] = []
  readonly late: number[] = []

  async work(client: SimClient): Promise<void> {
    const { name } = client
    const own = client.get(box, name)
    for (let n = 1; client.disturbed; n++) {
      await client.sleep(client.random() ** 3 * 2_000)
      const chance = client.random()
      if (chance < 0.15) await this.#deliver(n, this.late, () => own.deliver({ type: 'later', n }, { delayMs: 700 }))
      else if (chance < 0.3) await own.deliver({ type: 'arm' }).catch(() => undefined)
      else if (chance < 0.5) {
        await this.#deliver(n, this.passed, () =>
          client.get(box, `${name}-via`).deliver({ type: 'pass', to: `${name}-end`, n }),
        )
      } else await this.#deliver(n, this.stored, () => own.deliver({ type: 'put', n }))
    }
  }

  async #deliver(n: number, stored: number[], deliver: () => Promise<void>): Promise<void> {
    try {
      await deliver()
      stored.push(n)
    } catch (error) {
      if (toWire(error).applied === 'unknown') this.unknown.add(n)
    }
  }

  async check(client: SimClient): Promise<void> {
    const { name } = client
    await client.sleep(ALARM_MS + 6_000)
    const end = await client.get(box, `${name}-end`).snapshot({ timeoutMs: 20_000 })
    const { context, value } = await client.get(box, name).snapshot({ timeoutMs: 20_000 })
    // In order, without gaps or repetitions; what was given up may be there or not.
    const known = (numbers: readonly number[]) => numbers.filter((n) => !this.unknown.has(n))
    expect(known(context.got)).toEqual(this.stored)
    expect(known(end.context.got)).toEqual(this.passed)
    expect(known(context.late).toSorted((a, b) => a - b)).toEqual(this.late)
    for (const got of [context.got, context.late, end.context.got]) expect(new Set(got).size).toBe(got.length)
    expect([value, context.rings]).toEqual(['calm', context.armed])
  }
}

test('deliveries, sends and far timers hold under faults, while their actors keep leaving memory', async () => {
  for (let seed = 0; seed < 40; seed++) {
    const senders = new Map<string, Sender>()
    const of = (client: SimClient) => {
      const known = senders.get(client.name) ?? new Sender()
      senders.set(client.name, known)
      return known
    }
    await simulate({
      seed: `mail-${seed}`,
      actors: [box],
      disturbedMs: 25_000,
      workload: (client) => of(client).work(client),
      afterHeal: (client) => of(client).check(client),
    })
  }
}, 300_000)
