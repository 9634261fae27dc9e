/**
 * The actors and the work of our own simulation: counters, accounts that send to each other, jobs with effects of all three
 * classes and a timer, actors that fail, boxes for letters (`mail-workload.ts`), and tallies that are upgraded
 * (`upgrade-workload.ts`).
 *
 * 1. Every keyed call is repeated under its key until it is answered; what became of it must then be known for certain.
 * 2. Money is neither made nor lost, however often who died.
 */
import { assign, emit, setup } from 'xstate'
import { z } from 'zod'
import { type AnyActorDef, defineActor } from '../actor.ts'
import { type EffectClass, type EffectContext, effect } from '../effect.ts'
import { toWire } from '../errors.ts'
import { protocol } from '../protocol.ts'
import type { AskOptions } from '../runtime.ts'
import type { SimClient } from './client.ts'
import type { Ledger } from './ledger.ts'
import { box, mailAfterHeal, mailSomething } from './mail-workload.ts'
import { olderTally, TALLIES, tally } from './upgrade-workload.ts'

const counterSays = protocol('counter', {
  events: { add: z.object({ by: z.number() }), tick: z.object({}) },
  replies: { add: z.number() },
})

const counter = defineActor(counterSays, {
  logic: counterSays.handlers(
    { count: 0, ticks: 0 },
    {
      add: ({ count, ticks }, { by }) => ({ state: { count: count + by, ticks }, reply: count + by }),
      tick: ({ count, ticks }) => ({ count, ticks: ticks + 1 }),
    },
  ),
  idleAfterMs: 2_000,
  retention: { steps: 2 },
})

const accountSays = protocol('account', {
  events: {
    transfer: z.object({ to: z.string(), cents: z.number() }),
    credit: z.object({ cents: z.number() }),
  },
  replies: { transfer: z.number() },
})

const account = defineActor(accountSays, {
  logic: setup({ types: accountSays.types<{ cents: number }>() }).createMachine({
    context: { cents: 1_000 },
    on: {
      transfer: {
        guard: ({ context, event }) => context.cents >= event.cents,
        actions: [
          assign({ cents: ({ context, event }) => context.cents - event.cents }),
          accountSays.sendTo(
            ({ event }) => event.to,
            ({ event }) => ({ type: 'credit', cents: event.cents }),
          ),
          accountSays.reply('transfer', ({ context }) => context.cents),
        ],
      },
      credit: { actions: assign({ cents: ({ context, event }) => context.cents + event.cents }) },
    },
  }),
  idleAfterMs: 2_000,
  encrypted: true,
})

const flakySays = protocol('flaky', {
  events: { add: z.object({ by: z.number() }) },
  replies: { add: z.number() },
})

const flaky = defineActor(flakySays, {
  logic: flakySays.handlers(
    { sum: 0 },
    {
      add: ({ sum }, { by }) => {
        if (by < 0) throw new Error('a negative number')
        return { state: { sum: sum + by }, reply: sum + by }
      },
    },
  ),
  supervision: { intensity: 2, periodMs: 2_000, backoffMs: [20, 200] },
})

const jobSays = protocol('job', {
  events: { start: z.object({ n: z.number() }), stop: z.object({}) },
  replies: { start: z.string() },
  emits: { finished: z.object({ n: z.number() }) },
})

/** @param work what each effect does, beside telling the ledger that it began */
function jobWith(ledger: Ledger) {
  const part = (name: string, effectClass: EffectClass) =>
    effect(name, effectClass, async ({ n }: { n: number }, context: EffectContext) => {
      ledger.effectBegins(effectClass, context)
      await new Promise<void>((resolve) => context.runtime?.clock.after(20 + (n % 7) * 60, resolve))
      return n + 1
    })
  return setup({
    types: jobSays.types<{ n: number; runs: number }>(),
    actors: { fetch: part('fetch', 'read'), compute: part('compute', 'idempotent'), charge: part('charge', 'write') },
    delays: { rest: 300 },
  }).createMachine({
    context: { n: 0, runs: 0 },
    initial: 'idle',
    states: {
      idle: { on: { start: { target: 'fetching', actions: assign({ n: ({ event }) => event.n }) } } },
      fetching: {
        invoke: { src: 'fetch', input: ({ context }) => ({ n: context.n }), onDone: 'computing' },
        on: { stop: 'stopped' },
      },
      computing: { invoke: { src: 'compute', input: ({ context }) => ({ n: context.n }), onDone: 'charging' } },
      charging: {
        invoke: {
          src: 'charge',
          input: ({ context }) => ({ n: context.n }),
          onDone: 'resting',
          // Nobody knows whether it happened; a real machine would ask the other side.
          onError: 'resting',
        },
      },
      resting: {
        after: { rest: { target: 'finished', actions: assign({ runs: ({ context }) => context.runs + 1 }) } },
      },
      finished: {
        entry: emit(({ context }) => ({ type: 'finished' as const, n: context.n })),
        always: { target: 'idle', actions: jobSays.reply('start', 'finished') },
      },
      stopped: {
        after: { rest: { target: 'idle', actions: jobSays.reply('start', 'stopped') } },
      },
    },
  })
}

export interface Work {
  readonly actors: (ledger: Ledger) => readonly AnyActorDef[]
  readonly older: (newer: readonly AnyActorDef[]) => readonly AnyActorDef[]
  readonly workload: (client: SimClient) => Promise<void>
  readonly guest: (client: SimClient) => Promise<void>
  readonly afterHeal: (client: SimClient) => Promise<void>
}

const LANES = 3
const KEYS = { counter: 3, account: 4, job: 3, flaky: 2 }
const CENTS = 1_000

export function work(): Work {
  let job: ReturnType<typeof jobOf> | undefined
  const jobs = () => {
    if (job === undefined) throw new Error('work before its actors')
    return job
  }
  const lane = async (client: SimClient, name: string): Promise<void> => {
    for (let n = 0; client.disturbed; n++) {
      await client.sleep(client.random() ** 2 * 300)
      await something(client, jobs(), `${name}-${n}`)
    }
  }
  return {
    actors: (ledger) => [counter, account, flaky, box, tally, (job = jobOf(ledger))],
    older: (newer) => newer.map((def) => (def === tally ? olderTally : def)),
    workload: async (client) => {
      await Promise.all(Array.from({ length: LANES }, (_, i) => lane(client, `${client.name}.${i}`)))
    },
    guest: (client) => (client.random() < 0.6 ? looks(client) : lane(client, client.name)),
    afterHeal: async (client) => {
      const timeoutMs = 10_000
      await mailAfterHeal(client)
      for (const key of keys(KEYS.counter)) await client.get(counter, key).ask({ type: 'add', by: 1 }, { timeoutMs })
      await client.get(jobs(), `fresh-${client.name}`).ask({ type: 'start', n: 1 }, { timeoutMs })
      for (const key of TALLIES) await client.get(tally, key).ask({ type: 'add', by: 1 }, { timeoutMs })
      let cents = 0
      for (const key of keys(KEYS.account)) {
        const { context } = await client.get(account, key).snapshot({ fenced: true, timeoutMs })
        cents += context.cents
      }
      if (cents !== KEYS.account * CENTS) throw new Error(`${cents} cents are left of ${KEYS.account * CENTS}`)
    },
  }
}

const jobOf = (ledger: Ledger) => defineActor(jobSays, { logic: jobWith(ledger), idleAfterMs: 2_000 })
const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `k${i}`)

async function something(client: SimClient, job: ReturnType<typeof jobOf>, idempotencyKey: string): Promise<void> {
  const { random } = client
  const whole = (below: number): number => Math.floor(random() * below)
  const kind = random()
  const timeoutMs = 200 + whole(4_000)
  const key = (count: number): string => `k${whole(count)}`
  if (random() < 0.25) return mailSomething(client)
  if (random() < 0.15) return tallySomething(client, { timeoutMs, idempotencyKey })
  if (kind < 0.25) {
    const [ref, by] = [client.get(counter, key(KEYS.counter)), 1 + whole(9)]
    await untilAnswered(client, () => ref.ask({ type: 'add', by }, { timeoutMs, idempotencyKey }))
  } else if (kind < 0.35) await once(client.get(counter, key(KEYS.counter)).ask({ type: 'add', by: 1 }, { timeoutMs }))
  else if (kind < 0.4) await once(client.get(counter, key(KEYS.counter)).ask({ type: 'tick' }, { timeoutMs }))
  else if (kind < 0.5)
    await once(client.get(counter, key(KEYS.counter)).snapshot({ fenced: random() < 0.3, timeoutMs }))
  else if (kind < 0.7) {
    const [to, cents] = [key(KEYS.account), 1 + whole(200)]
    const ref = client.get(account, key(KEYS.account))
    await untilAnswered(client, () => ref.ask({ type: 'transfer', to, cents }, { timeoutMs, idempotencyKey }))
  } else if (kind < 0.87) {
    const [ref, n] = [client.get(job, key(KEYS.job)), whole(100)]
    await untilAnswered(client, () => ref.ask({ type: 'start', n }, { timeoutMs, idempotencyKey }))
  } else if (kind < 0.92) await once(client.get(job, key(KEYS.job)).ask({ type: 'stop' }, { timeoutMs }))
  else if (kind < 0.98)
    await once(client.get(flaky, key(KEYS.flaky)).ask({ type: 'add', by: whole(8) - 1 }, { timeoutMs }))
  else await once(client.order('start', client.get(flaky, key(KEYS.flaky)), { timeoutMs }))
}

/** Nodes of the older release refuse what the newer one has written; the command is over then, and not applied. */
async function tallySomething(client: SimClient, options: AskOptions): Promise<void> {
  const ref = client.get(tally, TALLIES[Math.floor(client.random() * TALLIES.length)] ?? 'k0')
  if (client.random() < 0.2) return once(ref.ask({ type: 'later' }, options))
  await untilAnswered(client, () => ref.ask({ type: 'add', by: 1 + Math.floor(client.random() * 9) }, options))
}

/** A guest that reads what its node remembers, also when nobody else can reach that node. */
async function looks(client: SimClient): Promise<void> {
  while (client.disturbed) {
    for (const key of keys(KEYS.counter)) await once(client.get(counter, key).snapshot({ timeoutMs: 200 }))
    await client.sleep(20 + client.random() * 100)
  }
}

/** The same command until somebody says what became of it. */
async function untilAnswered(client: SimClient, ask: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await ask()
      return
    } catch (error) {
      if (!toWire(error).retryable) return
      await client.sleep(50)
    }
  }
}

/** Whatever comes of it: what the caller is told is compared with the log in the end. */
async function once(answer: Promise<unknown>): Promise<void> {
  try {
    await answer
  } catch (error) {
    toWire(error)
  }
}
