import { expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { Subjects } from '../address.ts'
import { realClock } from '../clock.ts'
import { cryptoEntropy } from '../entropy.ts'
import { createSystem, defineActor, effect, memory, protocol } from '../index.ts'
import type { Backend, Journal, JournalEntry } from '../ports.ts'
import { differences, frames, replayActor, replayAll } from './index.ts'

const subjects = new Subjects('default')

const shopSays = protocol('shop', {
  events: { buy: z.object({ cents: z.number() }), close: z.object({}), fill: z.object({ text: z.string() }) },
  replies: { buy: z.object({ receipt: z.string() }) },
})
const charge = effect('charge', 'write', async ({ cents }: { cents: number }, { evidence }) => {
  evidence({ worker: 'w1' })
  return { receipt: `r${cents}` }
})

/** Effects, a timer, dice, a failing step, a state that can be made large; `step` is what a sale adds. */
const shopThat = (step: number, closes = true) =>
  defineActor(shopSays, {
    supervision: { intensity: 5, backoffMs: [1, 1] },
    logic: setup({
      types: shopSays.types<{ sold: number; dice: number; text: string }>(),
      actors: { charge },
      actions: {
        sell: assign({ sold: ({ context }) => context.sold + step, dice: () => Math.random() + Date.now() }),
        fill: assign({
          text: ({ event }) => {
            if (event.type !== 'fill') return ''
            if (event.text === 'bad') throw new Error('no such text')
            return event.text
          },
        }),
      },
    }).createMachine({
      context: { sold: 0, dice: 0, text: '' },
      initial: 'open',
      states: {
        open: { on: { buy: 'charging', fill: { actions: 'fill' }, ...(closes && { close: 'resting' }) } },
        charging: {
          invoke: {
            src: 'charge',
            input: ({ event }) => ({ cents: event.type === 'buy' ? event.cents : 0 }),
            onDone: { target: 'open', actions: ['sell', shopSays.reply('buy', ({ event }) => event.output)] },
          },
        },
        resting: { after: { 20: 'open' } },
      },
    }),
  })
const shop = shopThat(1)

async function journalOf(world: Backend): Promise<Journal> {
  const connection = await world.connect({ name: 'reader', clock: realClock(), entropy: cryptoEntropy() })
  return connection.journal
}

/** Two lives of one shop: sales, a rest, refusals, failures, and a state above 4 KB in between. */
async function recorded(): Promise<Backend> {
  const world = memory()
  for (const node of ['one', 'two']) {
    await using system = await createSystem({ actors: [shop], backend: world, node, shards: 4 })
    const ref = system.get(shop, 'a.b')
    await ref.ask({ type: 'buy', cents: 5 })
    await ref.ask({ type: 'close' })
    await expect(ref.ask({ type: 'fill', text: 'x' })).rejects.toMatchObject({ code: 'EventNotAccepted' })
    await expect.poll(async () => (await ref.snapshot()).matches('open')).toBe(true)
    await ref.ask({ type: 'fill', text: 'y'.repeat(6_000) })
    await expect(ref.ask({ type: 'fill', text: 'bad' })).rejects.toMatchObject({ code: 'ActorFailed' })
    await Promise.all([1, 2, 3].map((cents) => ref.ask({ type: 'buy', cents }).catch(() => {})))
    await ref.ask({ type: 'fill', text: 'short' })
  }
  return world
}

/** The journal with some entries changed or left out. */
function tampered(journal: Journal, change: (entry: JournalEntry, n: number) => JournalEntry | undefined): Journal {
  return {
    streamId: journal.streamId,
    append: (subject, expected, bytes) => journal.append(subject, expected, bytes),
    last: (subject) => journal.last(subject),
    heads: (pattern) => journal.heads(pattern),
    follow: (pattern, options) => journal.follow(pattern, options),
    purge: (subject, below) => journal.purge(subject, below),
    async *read(pattern, options) {
      let n = 0
      for await (const entry of journal.read(pattern, options)) {
        const changed = change(entry, ++n)
        if (changed !== undefined) yield changed
      }
    },
  }
}

test('effects, timers, dice, rejected and failed steps, large states and a second node: every hash matches', async () => {
  const journal = await journalOf(await recorded())
  const report = await replayActor(journal, subjects, 'shop/a.b', shop)
  expect(report).toMatchObject({ epochs: 2, mismatches: 0, unchecked: 0 })
  expect(report).not.toHaveProperty('divergence')
  expect(report.steps).toBeGreaterThan(20)
  const all = await replayAll(journal, subjects, [shop])
  expect(all).toMatchObject({ steps: report.steps, mismatches: 0, skipped: [] })
})

test('a type without a definition is reported with the reason', async () => {
  const journal = await journalOf(await recorded())
  const { skipped, actors } = await replayAll(journal, subjects, [])
  expect(actors).toEqual([])
  expect(skipped).toMatchObject([{ type: 'shop', actors: 1, reason: /no definition of type 'shop'/ }])
})

test('edited code diverges at the step it changes, and is counted on from the next recorded state', async () => {
  const journal = await journalOf(await recorded())
  const report = await replayActor(journal, subjects, 'shop/a.b', shopThat(2))
  expect(report.divergence).toMatchObject({ event: 'xstate.promise.resolve', cause: 'code-changed' })
  const { expected, actual } = report.divergence ?? {}
  expect(differences(expected, actual).map(({ path }) => path)).toEqual(['$.host.tree.snap.context.sold'])
  expect(report.mismatches).toBeGreaterThan(1)
  expect(report.mismatches).toBeLessThan(report.appends / 2)
})

test('an edited machine diverges as such, with what it decided instead', async () => {
  const journal = await journalOf(await recorded())
  const { divergence } = await replayActor(journal, subjects, 'shop/a.b', shopThat(1, false))
  expect(divergence).toMatchObject({ event: 'close', cause: 'machine-changed', expected: 'applied' })
  expect(divergence?.actual).toMatch(/rejected/)
  expect(divergence?.recordedBy?.node).toBe('one')
})

test('chance that the tape does not see shows as a divergence', async () => {
  const says = protocol('dice', { events: { roll: z.object({}) } })
  const roll = () => ({ n: crypto.getRandomValues(new Uint32Array(1))[0] ?? 0 })
  const dice = defineActor(says, { logic: says.handlers({ n: 0 }, { roll }) })
  const world = memory()
  await using system = await createSystem({ actors: [dice], backend: world, shards: 1 })
  await system.get(dice, 'd').ask({ type: 'roll' })
  const { mismatches, divergence } = await replayActor(await journalOf(world), subjects, 'dice/d', dice)
  expect(mismatches).toBe(1)
  expect(divergence).toMatchObject({ step: 'dice/d#1:2', event: 'roll' })
})

test('an event that nothing takes, but after which the time moves the machine, is recorded with that move', async () => {
  const says = protocol('late', { events: { nudge: z.object({}), hit: z.object({}) } })
  const machine = setup({ types: says.types<{ since: number; where: string }>() }).createMachine({
    context: () => ({ since: Date.now(), where: '' }),
    initial: 'early',
    states: {
      early: {
        on: { hit: { actions: assign({ where: 'early' }) } },
        always: { guard: ({ context }) => Date.now() > context.since + 20, target: 'late' },
      },
      late: { on: { hit: { actions: assign({ where: 'late' }) } } },
    },
  })
  const late = defineActor(says, { logic: machine })
  const world = memory()
  await using system = await createSystem({ actors: [late], backend: world, shards: 1 })
  const ref = system.get(late, 'l')
  await ref.snapshot()
  await new Promise((resolve) => setTimeout(resolve, 30))
  await ref.ask({ type: 'nudge' })
  await ref.ask({ type: 'hit' })
  expect((await ref.snapshot()).context.where).toBe('late')
  expect(await replayActor(await journalOf(world), subjects, 'late/l', late)).toMatchObject({ steps: 3, mismatches: 0 })
})

test('a record that is missing, altered or unreadable is reported as damage', async () => {
  const journal = await journalOf(await recorded())
  const replayed = (change: Parameters<typeof tampered>[1]) =>
    replayActor(tampered(journal, change), subjects, 'shop/a.b', shop)
  const without = await replayed((entry, n) => (n === 3 ? undefined : entry))
  expect(without).toMatchObject({ mismatches: 1, divergence: { cause: 'log-damaged' } })
  const altered = await replayed((entry, n) => {
    const text = Buffer.from(entry.bytes).toString()
    return n === 3 ? { ...entry, bytes: Buffer.from(text.replace('"sold":0', '"sold":7')) } : entry
  })
  expect(altered.divergence).toMatchObject({ cause: 'log-damaged' })
  const unreadable = await replayed((entry, n) => (n === 3 ? { ...entry, bytes: Buffer.from('{') } : entry))
  expect(unreadable).toMatchObject({ divergence: { cause: 'log-damaged', actual: /not JSON/ } })
})

test('frames show the view before and after each step; a jump gives the same frame', async () => {
  const journal = await journalOf(await recorded())
  const walk = frames(journal, subjects, 'shop/a.b', shop)
  const seen = []
  for await (const frame of walk) seen.push(frame)
  expect(seen.map(({ step }) => step.seq)).toEqual(seen.map((_, i) => i + 1))
  expect(seen[0]).not.toHaveProperty('before')
  expect(seen[0]?.after?.value).toBe('open')
  expect(seen[1]).toMatchObject({ before: { value: 'open' }, after: { value: 'charging' } })
  for (const frame of seen) expect(await walk.at(frame.step.seq)).toEqual(frame)
  expect(await walk.at(10_000)).toBeUndefined()
})
