import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  type Connection,
  createSystem,
  cryptoEntropy,
  defineActor,
  effect,
  memory,
  protocol,
  realClock,
  Subjects,
} from '@troupe/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { EventIndex, openEventIndex } from './event-index.ts'

const subjects = new Subjects('default')
const workSays = protocol('work', { events: { begin: z.object({ n: z.number() }) }, replies: { begin: z.number() } })
const compute = effect('compute', 'idempotent', async ({ n }: { n: number }, { evidence }) => {
  evidence({ worker: 'w1', fn: 'twice', wallMs: 1, spans: [{ id: 'm', parent: null, kind: 'module', name: 'Twice' }] })
  return n * 2
})
const work = defineActor(workSays, {
  logic: setup({ types: workSays.types<{ n: number }>(), actors: { compute } }).createMachine({
    context: { n: 0 },
    initial: 'idle',
    states: {
      idle: { on: { begin: { target: 'busy', actions: assign({ n: ({ event }) => event.n }) } } },
      busy: {
        invoke: {
          src: 'compute',
          input: ({ context }) => ({ n: context.n }),
          onDone: { target: 'idle', actions: workSays.reply('begin', ({ event }) => event.output) },
        },
      },
    },
  }),
})
const bossSays = protocol('boss', { events: { order: z.object({ n: z.number() }) }, replies: { order: z.number() } })
const hire = workSays.ask('begin')
const boss = defineActor(bossSays, {
  logic: setup({ types: bossSays.types<{ n: number }>(), actors: { hire } }).createMachine({
    context: { n: 0 },
    initial: 'idle',
    states: {
      idle: { on: { order: { target: 'waiting', actions: assign({ n: ({ event }) => event.n }) } } },
      waiting: {
        invoke: {
          src: 'hire',
          input: ({ context }) => ({ key: `w${context.n}`, n: context.n }),
          onDone: { target: 'idle', actions: bossSays.reply('order', ({ event }) => event.output) },
        },
      },
    },
  }),
})

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'troupe-index-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A world with a running boss, and a connection that reads its journal. */
async function world() {
  const backend = memory()
  const system = await createSystem({ actors: [boss, work], backend, node: 'one', shards: 4 })
  const reader: Connection = await backend.connect({ name: 'reader', clock: realClock(), entropy: cryptoEntropy() })
  return { order: (n: number) => system.get(boss, 'b').ask({ type: 'order', n }), reader, stop: () => system.drain() }
}

test('steps are found by correlation, actor, type and time; a trace tree crosses actors and the language border', async () => {
  const { order, reader, stop } = await world()
  const index = openEventIndex(':memory:')
  expect(await order(1)).toBe(2)
  const state = await index.update(reader.journal, subjects)
  expect(state).toMatchObject({ complete: true, unreadable: 0, streamId: reader.journal.streamId })
  const [trace] = index.traces()
  expect(trace).toMatchObject({ actors: 2, troubles: 0, root: { actor: 'boss/b' } })
  const tree = index.getTraceTree(trace?.correlation ?? '')
  const path: string[] = []
  for (let nodes = tree?.roots ?? []; nodes.length > 0; ) {
    const next = nodes.find(({ children }) => children.length > 0) ?? nodes[0]
    path.push(`${next?.kind} ${next?.name}`)
    nodes = next?.children ?? []
  }
  expect(path[0]).toBe('step order')
  expect(JSON.stringify(tree)).toMatch(/"python".*"Twice"/)
  expect(index.events({ actor: 'work/w1' }).map(({ node }) => node)).toEqual(['one', 'one', 'one'])
  expect(index.events({ type: 'boss', last: 1 })[0]?.kind).toBe('effect.done')
  expect(index.events({ event: 'begin', limit: 5 })).toHaveLength(1)
  expect(index.events({ until: 0 })).toEqual([])
  expect([...index.withEvidence()]).toEqual(index.events({ evidence: true }))
  expect([...index.withEvidence()].some(({ evidence }) => evidence !== undefined)).toBe(true)
  expect(index.actors()).toMatchObject([
    { actor: 'boss/b', seq: 3 },
    { actor: 'work/w1', seq: 3, node: 'one' },
  ])
  expect(index.tracesOf('work/w1#')).toEqual([trace?.correlation])
  expect(index.tracesOf(trace?.correlation.slice(0, 6) ?? '')).toEqual([trace?.correlation])
  expect(index.tracesOf('zzz')).toEqual([])
  expect(index.getTraceTree('zzz')).toBeUndefined()
  await stop()
})

test('an update takes in only what is new, and a file is taken up where it was left', async () => {
  const { order, reader, stop } = await world()
  const file = join(folder, 'events.sqlite')
  const first = openEventIndex(file)
  await order(1)
  await first.update(reader.journal, subjects)
  const before = first.events().length
  first.close()
  const second = openEventIndex(file)
  expect(second.events()).toHaveLength(before)
  await order(2)
  await second.update(reader.journal, subjects)
  expect(second.events().length).toBeGreaterThan(before)
  const seqs = second.events({ actor: 'boss/b' }).map(({ seq }) => seq)
  expect(seqs).toEqual(seqs.map((_, i) => i + 1))
  second.close()
  await stop()
})

test('index/1: two writers on one file leave no gap and nothing twice', async () => {
  const { order, reader, stop } = await world()
  const file = join(folder, 'events.sqlite')
  const indexes = [openEventIndex(file), openEventIndex(file)]
  for (let n = 1; n <= 5; n++) {
    await order(n)
    await Promise.all(indexes.map((index) => index.update(reader.journal, subjects)))
  }
  const [one, two] = indexes.map((index) => index.events().map(({ id }) => id))
  expect(one).toEqual(two)
  expect(new Set(one).size).toBe(one?.length)
  expect(one?.filter((id) => id.startsWith('boss/'))).toHaveLength(11)
  await stop()
})

test('index/2: another log, an older schema or a file that is none is built again from nothing', async () => {
  const file = join(folder, 'events.sqlite')
  for (const n of [1, 2]) {
    const { order, reader, stop } = await world()
    await order(n)
    const index = new EventIndex(file)
    await index.update(reader.journal, subjects)
    expect(index.events({ type: 'work' }).map(({ actor }) => actor)).toEqual(Array(3).fill(`work/w${n}`))
    index.close()
    await stop()
  }
  const old = new DatabaseSync(file)
  old.exec('DROP TABLE events; CREATE TABLE events (id TEXT); PRAGMA user_version = 1')
  old.close()
  expect(openEventIndex(file).events()).toEqual([])
  writeFileSync(file, 'not a database at all, but long enough to look like a file with something in it')
  const index = openEventIndex(file)
  expect(index.state().position).toBe(0)
  index.close()
})

test('index/4: an entry that is no record is counted and does not hide the others', async () => {
  const { order, reader, stop } = await world()
  await order(1)
  await reader.journal.append(`${subjects.journals().slice(0, -1)}main-0.work.broken`, 0, Buffer.from('{'))
  await order(2)
  const index = openEventIndex(':memory:')
  expect(await index.update(reader.journal, subjects)).toMatchObject({ unreadable: 1 })
  expect(index.actors('work').map(({ actor }) => actor)).toEqual(['work/w1', 'work/w2'])
  await stop()
})

test('index/3: a log whose beginning retention has removed is not complete', async () => {
  const { order, reader, stop } = await world()
  for (let n = 0; n < 3; n++) await order(n)
  await stop()
  const [whole, cut] = [openEventIndex(':memory:'), openEventIndex(':memory:')]
  expect(await whole.update(reader.journal, subjects)).toMatchObject({ complete: true })
  const positions: number[] = []
  for await (const { subject, position } of reader.journal.read(subjects.history('work/w1'))) {
    positions.push(position)
    if (positions.length === 2) await reader.journal.purge(subject, position)
  }
  expect(positions.length).toBeGreaterThan(2)
  expect(await cut.update(reader.journal, subjects)).toMatchObject({ complete: false, unreadable: 0 })
  expect(cut.events({ actor: 'work/w1' })[0]?.seq).toBeGreaterThan(1)
})

test('index/3: sealed records are not indexed, and that the answer is not complete is said', async () => {
  const secret = protocol('secret', { events: { note: z.object({}) } })
  const def = defineActor(secret, { encrypted: true, logic: secret.handlers({}, { note: () => ({}) }) })
  const backend = memory()
  await using system = await createSystem({ actors: [def], backend, shards: 4 })
  await system.get(def, 's').ask({ type: 'note' })
  const index = openEventIndex(':memory:')
  const state = await index.update(system.connection.journal, subjects)
  expect(state).toMatchObject({ complete: false, unreadable: 0 })
  expect(index.events({ actor: 'secret/s' })).toEqual([])
})
