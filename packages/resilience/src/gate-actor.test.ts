import { createSystem, defineActor, effect, memory, protocol } from '@troupe/core'
import { afterEach, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { gate } from './gate.ts'
import { gates } from './gate-actor.ts'
import { gateSays } from './gate-protocol.ts'
import { protect } from './protect.ts'
import { fullestWindow } from './stepped-clock.ts'

const WINDOW_MS = 1_000
const CAP = 30

/** One that asks an outer service as often as it is told, through a gate. */
function caller(account: ReturnType<typeof gate<'requests'>>, serve: () => Promise<void>) {
  const call = protect(
    effect('service', 'read', async (_: { n: number }) => serve()),
    { limits: { by: account, cost: () => ({ requests: 1 }) } },
  )
  const says = protocol('caller', {
    events: { call: z.object({ times: z.int() }), state: z.object({}) },
    replies: { call: z.object({ done: z.int(), failed: z.int() }) },
  })
  const all = effect('calls', 'read', async ({ times }: { times: number }, context) => {
    const outcomes = await Promise.allSettled(Array.from({ length: times }, (_, n) => call.effect.run({ n }, context)))
    return outcomes.filter(({ status }) => status === 'fulfilled').length
  })
  const logic = setup({
    types: says.types<{ times: number; done: number }>(),
    actors: { all },
  }).createMachine({
    context: { times: 0, done: 0 },
    initial: 'idle',
    states: {
      idle: { on: { call: { target: 'busy', actions: assign({ times: ({ event }) => event.times }) } } },
      busy: {
        invoke: {
          src: 'all',
          input: ({ context: { times } }) => ({ times }),
          onDone: {
            target: 'idle',
            actions: [
              assign({ done: ({ event }) => event.output }),
              says.reply('call', ({ context: { times, done } }) => ({ done, failed: times - done })),
            ],
          },
        },
      },
    },
  })
  return defineActor(says, { logic })
}

const systems: AsyncDisposable[] = []
afterEach(async () => {
  for (const system of systems.splice(0)) await system[Symbol.asyncDispose]()
})

test('nodes share what a gate declares, and one that leaves takes nothing of it along', async () => {
  const account = gate('service/main', { limits: { requests: { cap: CAP, windowMs: WINDOW_MS } } })
  const counted: { atMs: number; amount: number }[] = []
  const asks = caller(account, async () => {
    counted.push({ atMs: performance.now(), amount: 1 })
  })
  const backend = memory()
  const started = await Promise.all(
    ['one', 'two', 'three'].map((node) => createSystem({ actors: [gates, asks], backend, node, shards: 8 })),
  )
  systems.push(...started)
  const [one, two, three] = started
  if (one === undefined || two === undefined || three === undefined) throw new Error('three were started')
  const outcomes = Array.from({ length: 8 }, (_, n) =>
    one.get(asks, `c${n}`).ask({ type: 'call', times: 12 }, { timeoutMs: 30_000 }),
  )
  await expect.poll(() => counted.length).toBeGreaterThan(20)
  // Whoever leaves hands its callers on; they are `read`, so they run again.
  await two.drain()
  for (const outcome of await Promise.all(outcomes)) expect(outcome).toEqual({ done: 12, failed: 0 })
  expect(counted.length).toBeGreaterThanOrEqual(96)
  expect(fullestWindow(counted, WINDOW_MS)).toBeLessThanOrEqual(CAP)
  const status = await three.get(gates, 'service/main').ask({ type: 'state' })
  expect(status.breaker).toBe('none')
})

test('gate-actor/1: what was granted is in the log, and outlives the system', async () => {
  const backend = memory()
  const account = gate('service/kept', { limits: { requests: { cap: 10, burst: 10, windowMs: 60_000 } } })
  {
    await using first = await createSystem({ actors: [gates], backend, node: 'first' })
    const grants = account.in(first.runtime)
    for (let n = 0; n < 10; n++) await grants.run({ requests: 1 }, {}, async (grant) => grant.begin())
  }
  await using second = await createSystem({ actors: [gates], backend, node: 'second' })
  const { rooms } = await second.get(gates, 'service/kept').ask({ type: 'state' })
  expect(rooms).toEqual({ requests: 0 })
  const late = account
    .in(second.runtime)
    .wait({ requests: 1 }, { deadlineMs: second.runtime.clock.monotonic() + 5_000 })
  await expect(late).rejects.toMatchObject({ code: 'LimitReached', details: { limit: 'requests' } })
})

test('its protocol is checked: what is no report is refused, and the gate goes on', async () => {
  await using system = await createSystem({ actors: [gates] })
  const ref = system.get(gates, 'service/strict')
  const wrong = { entries: [{ id: 1, succeeded: -1, failed: 0 }] }
  await expect(ref.ask({ type: 'report', holder: 'x', report: wrong })).rejects.toMatchObject({ code: 'InvalidEvent' })
  expect(gateSays.type).toBe('gate')
  expect(await ref.ask({ type: 'state' })).toMatchObject({ rooms: {}, waiting: 0 })
})
