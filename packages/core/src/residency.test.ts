import { describe, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { seededEntropy } from './entropy.ts'
import { createSystem, defineActor, effect, protocol, type System } from './index.ts'
import { leaving, type Resting } from './residency.ts'
import { eventually } from './testing/eventually.ts'

describe('residency/1: those that have rested longest leave', () => {
  test('down to nine tenths of the cap, by number or by size; nobody while it holds', () => {
    const present = Array.from(
      { length: 20 },
      (_, n): Resting => ({ address: `a/${n}`, sizeBytes: 10, since: 100 - n }),
    )
    const all = { actors: 1_000, bytes: 1_000 }
    expect(leaving({ ...all, actors: 20 }, present)).toEqual([])
    expect(leaving({ ...all, actors: 10 }, present)).toEqual(Array.from({ length: 11 }, (_, n) => `a/${19 - n}`))
    expect(leaving({ ...all, bytes: 199 }, present)).toEqual(['a/19', 'a/18', 'a/17'])
  })

  test('for any mixture: only who rests, nobody before one that has rested longer, no more than is needed', () => {
    const entropy = seededEntropy('residency')
    const upTo = (n: number) => Math.floor(entropy.random() * n)
    for (let round = 0; round < 500; round++) {
      const present = Array.from({ length: upTo(30) }, (_, n): Resting => {
        return { address: `a/${n}`, sizeBytes: upTo(50), since: entropy.random() < 0.4 ? undefined : upTo(1_000) }
      })
      const cap = { actors: 1 + upTo(30), bytes: 1 + upTo(600) }
      const gone = new Set(leaving(cap, present))
      const left = present.filter(({ address }) => !gone.has(address))
      const chosen = present.filter(({ address }) => gone.has(address))
      const last = Math.max(...chosen.map(({ since }) => since ?? Number.NaN), -1)
      expect(last).not.toBeNaN()
      for (const { since } of left) if (since !== undefined) expect(since).toBeGreaterThanOrEqual(last)
      const weight = (some: readonly Resting[]) => some.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      const fits = left.length <= cap.actors && weight(left) <= cap.bytes
      expect(fits || left.every(({ since }) => since === undefined)).toBe(true)
      const youngest = chosen.filter(({ since }) => since === last)
      const tight = left.length + 1 > cap.actors * 0.9 || weight([...left, ...youngest]) > cap.bytes * 0.9
      expect(gone.size === 0 || tight).toBe(true)
    }
  })
})

const says = protocol('guest', {
  events: { fill: z.object({ size: z.number() }), wait: z.object({}), work: z.object({}), free: z.object({}) },
  replies: { wait: z.string() },
})
const guestWith = (works: (() => void)[] = []) =>
  defineActor(says, {
    idleAfterMs: 3_600_000,
    logic: setup({
      types: says.types<{ text: string }>(),
      actors: { job: effect('job', 'read', () => new Promise<string>((done) => works.push(() => done('')))) },
    }).createMachine({
      context: { text: '' },
      initial: 'idle',
      on: {
        fill: { actions: assign({ text: ({ event }) => 'x'.repeat(event.size) }) },
        wait: {},
        free: { actions: says.reply('wait', 'freed', { to: 'all' }) },
      },
      states: { idle: { on: { work: 'working' } }, working: { invoke: { src: 'job', input: {}, onDone: 'idle' } } },
    }),
  })

const present = async (system: System): Promise<string[]> =>
  (await system.actors()).nodes.flatMap(({ actors }) => actors.map(({ actor }) => actor)).sort()
const keys = (n: number) => Array.from({ length: n }, (_, i) => `k${i}`)

test('residency/1: a node over its number of actors keeps the last ones, and the others come back as they were', async () => {
  const guest = guestWith()
  await using system = await createSystem({ actors: [guest], shards: 4, residency: { actors: 10 } })
  for (const [i, key] of keys(30).entries()) await system.get(guest, key).ask({ type: 'fill', size: i })
  await eventually(async () => (await present(system)).length <= 10, { withinMs: 5_000, show: () => present(system) })
  expect(await present(system)).toContain('guest/k29')
  expect(await present(system)).not.toContain('guest/k0')
  for (const [i, key] of keys(30).entries())
    expect((await system.get(guest, key).snapshot()).context.text).toHaveLength(i)
})

test('residency/1: over the size of their states, large ones that rest make room', async () => {
  const guest = guestWith()
  await using system = await createSystem({ actors: [guest], shards: 4, residency: { bytes: 100_000 } })
  for (const key of keys(10)) await system.get(guest, key).ask({ type: 'fill', size: 30_000 })
  await eventually(async () => (await present(system)).length <= 3, { withinMs: 5_000, show: () => present(system) })
})

test('residency/2: an open ask and a running effect keep an actor, and that they do is said once', async () => {
  const works: (() => void)[] = []
  const guest = guestWith(works)
  const said: object[] = []
  const onLog = (text: string, data: object) => text.includes('residency cap') && said.push(data)
  await using system = await createSystem({ actors: [guest], shards: 4, residency: { actors: 2 }, onLog })
  const asks = keys(3).map((key) => system.get(guest, key).ask({ type: 'wait' }))
  for (const key of ['w0', 'w1']) await system.get(guest, key).ask({ type: 'work' })
  for (const key of ['r0', 'r1']) await system.get(guest, key).ask({ type: 'fill', size: 1 })
  await eventually(async () => (await present(system)).length === 5, { withinMs: 5_000, show: () => present(system) })
  expect(await present(system)).toEqual(['guest/k0', 'guest/k1', 'guest/k2', 'guest/w0', 'guest/w1'])
  await eventually(() => said.length === 1, { withinMs: 5_000 })
  expect(said).toMatchObject([{ actors: 5, cap: { actors: 2 } }])
  for (const key of keys(3)) await system.get(guest, key).ask({ type: 'free' })
  expect(await Promise.all(asks)).toEqual(['freed', 'freed', 'freed'])
  for (const done of works) done()
  await eventually(async () => (await present(system)).length <= 2, { withinMs: 5_000, show: () => present(system) })
  expect(said).toHaveLength(1)
})

test('residency/3: volatile actors neither leave nor count', async () => {
  const brief = protocol('brief', { events: { note: z.object({}) } })
  const fleeting = defineActor(brief, { persistence: 'volatile', logic: brief.handlers({}, { note: () => ({}) }) })
  const guest = guestWith()
  const said: string[] = []
  const onLog = (text: string) => said.push(text)
  await using system = await createSystem({ actors: [fleeting, guest], shards: 4, residency: { actors: 2 }, onLog })
  for (const key of keys(5)) await system.get(fleeting, key).ask({ type: 'note' })
  for (const key of keys(3)) await system.get(guest, key).ask({ type: 'fill', size: 1 })
  await eventually(async () => !(await present(system)).includes('guest/k0'), { withinMs: 5_000 })
  expect((await present(system)).filter((actor) => actor.startsWith('brief/'))).toHaveLength(5)
  expect(said).toEqual([])
})
