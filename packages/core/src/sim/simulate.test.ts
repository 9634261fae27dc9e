import { expect, test } from 'vitest'
import { fromTransition } from 'xstate'
import { z } from 'zod'
import { defineActor, protocol } from '../index.ts'
import { type SimClient, SimulationFailed, simulate } from '../testing/index.ts'

const says = protocol('seats', {
  events: { book: z.object({ seat: z.number(), by: z.string() }), list: z.object({}) },
  replies: { book: z.boolean(), list: z.record(z.string(), z.string()) },
})
interface Seats {
  readonly [seat: string]: string
}

test('a user simulates an actor: no seat is sold twice, whatever dies', { timeout: 30_000 }, async () => {
  const nothing: Seats = {}
  const hall = defineActor(says, {
    logic: says.handlers(nothing, {
      book: (taken, { seat, by }) =>
        seat in taken ? { state: taken, reply: false } : { state: { ...taken, [seat]: by }, reply: true },
      list: (taken) => ({ state: taken, reply: taken }),
    }),
  })
  for (let seed = 0; seed < 10; seed++) {
    const booked = new Map<number, string>()
    await simulate({
      seed,
      actors: [hall],
      workload: async (client) => {
        for (let n = 0; client.disturbed; n++) {
          const [seat, idempotencyKey] = [Math.floor(client.random() * 30), `${client.name}-${n}`]
          const mine = await client
            .get(hall, 'main')
            .ask({ type: 'book', seat, by: client.name }, { timeoutMs: 1_000, idempotencyKey })
            .catch(() => false)
          if (mine) {
            expect(booked.has(seat)).toBe(false)
            booked.set(seat, client.name)
          }
          await client.sleep(50)
        }
      },
      afterHeal: async (client) => {
        const taken = await client.get(hall, 'main').ask({ type: 'list' })
        for (const [seat, by] of booked) expect(taken[seat]).toBe(by)
      },
    })
  }
})

test('an actor whose steps depend on something outside is found out', { timeout: 30_000 }, async () => {
  let calls = 0
  const impure = defineActor(says, {
    logic: says.handlers(
      {},
      {
        book: (taken, { seat }) => ({ state: { ...taken, [seat]: `call ${++calls}` }, reply: true }),
        list: (taken) => ({ state: taken, reply: {} }),
      },
    ),
  })
  const workload = async (client: SimClient): Promise<void> => {
    const { name } = client
    for (let seat = 0; client.disturbed; seat++) {
      await client.get(impure, 'main').ask({ type: 'book', seat, by: name }, { timeoutMs: 1_000 })
    }
  }
  const run = simulate({ seed: 1, actors: [impure], faults: 'none', disturbedMs: 50, workload })
  await expect(run).rejects.toThrow(SimulationFailed)
  await expect(run).rejects.toThrow(/does not fold/)
})

test('letters under one key, and letters to an actor without a log, do not look lost', async () => {
  const logic = says.handlers(
    {},
    { book: (taken) => ({ state: taken, reply: true }), list: (taken) => ({ state: taken, reply: {} }) },
  )
  const kept = defineActor(says, { logic })
  const passing = defineActor(protocol('passing', { events: { go: z.object({}) } }), {
    logic: fromTransition((state: object, _: { type: 'go' }) => state, {}),
    persistence: 'volatile',
  })
  const workload = async (client: SimClient): Promise<void> => {
    for (let seat = 0; client.disturbed; seat++) {
      const letter = { type: 'book' as const, seat, by: 'both' }
      await client
        .get(kept, 'k')
        .deliver(letter, { idempotencyKey: `seat ${seat}` })
        .catch(() => {})
      await client
        .get(passing, 'k')
        .deliver({ type: 'go' })
        .catch(() => {})
      await client.sleep(100)
    }
  }
  for (let seed = 0; seed < 3; seed++) await simulate({ seed, actors: [kept, passing], disturbedMs: 3_000, workload })
})

test.each([true, false])(
  'an upgrade of a definition is tried under load; one that forgets is found: %s',
  async (forgets) => {
    const older = defineActor(says, {
      logic: says.handlers(
        { free: 10, taken: [] as number[] },
        {
          book: ({ free, taken }, { seat }) =>
            taken.includes(seat)
              ? { state: { free, taken }, reply: false }
              : { state: { free: free - 1, taken: [...taken, seat] }, reply: true },
          list: (state) => ({ state, reply: {} }),
        },
      ),
    })
    const newer = defineActor(says, {
      version: 2,
      upgrade: (context) => (forgets ? [] : z.object({ taken: z.array(z.number()) }).parse(context).taken),
      logic: says.handlers([] as number[], {
        book: (taken, { seat }) =>
          taken.includes(seat) ? { state: taken, reply: false } : { state: [...taken, seat], reply: true },
        list: (taken) => ({ state: taken, reply: {} }),
      }),
    })
    const run = async (seed: number) => {
      const booked = new Set<string>()
      await simulate({
        seed,
        actors: [newer],
        upgradeFrom: [older],
        faults: 'none',
        workload: async (client) => {
          for (let n = 0; client.disturbed; n++) {
            const [show, seat] = [`show-${n % 5}`, Math.floor(client.random() * 10)]
            const mine = await client
              .get(newer, show)
              .ask({ type: 'book', seat, by: client.name }, { timeoutMs: 1_000, idempotencyKey: `${client.name}-${n}` })
              .catch(() => false)
            if (mine) {
              expect(booked).not.toContain(`${show}/${seat}`)
              booked.add(`${show}/${seat}`)
            }
            await client.sleep(20)
          }
        },
      })
    }
    const runs = Promise.all([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(run))
    if (forgets) await expect(runs).rejects.toThrow(SimulationFailed)
    else await runs
  },
)
