/** What only a real server can do to us. */
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AppendOutcome, Connection } from '../ports.ts'
import { eventually } from '../testing/eventually.ts'
import { natsServer, type TestServer } from '../testing/nats-server.ts'
import { bytes, connectOptions, text } from '../testing/world.ts'
import { type NatsOptions, nats } from './backend.ts'

let server: TestServer
const open: Connection[] = []
beforeAll(async () => {
  server = await natsServer()
})
afterAll(async () => {
  for (const connection of open) await connection.close()
  await server?.end()
})

async function connected(options: NatsOptions): Promise<Connection> {
  const connection = await nats({ servers: server.url, ...options }).connect(connectOptions())
  open.push(connection)
  return connection
}

test('a server that is killed in the middle of appends: each is unknown or told, and the log decides', async () => {
  const { bus, journal } = await connected({ namespace: 'killed', initialise: true })
  const subject = (i: number): string => `tr.killed.j.main-0.t.k${i}`
  const outcomes: AppendOutcome[] = []
  let next = 0
  // 64 writers, each until it is told of trouble.
  const writers = Array.from({ length: 64 }, async () => {
    for (;;) {
      const i = next++
      const outcome = await journal.append(subject(i), 0, bytes(`v${i}`))
      outcomes[i] = outcome
      if (outcome.kind !== 'stored') return
    }
  })
  await eventually(() => outcomes.length > 500, { withinMs: 5_000 })
  await server.server.kill()
  await Promise.all(writers)
  const unknown = outcomes.filter(({ kind }) => kind === 'unknown')
  expect(unknown).toHaveLength(64)
  expect(outcomes.filter(({ kind }) => kind === 'stored')).toHaveLength(next - 64)
  await server.start()
  await eventually(() => bus.connected, { withinMs: 10_000 })
  for (const [i, outcome] of outcomes.entries()) {
    const last = await journal.last(subject(i))
    if (outcome.kind === 'stored') expect(last?.position).toBe(outcome.position)
    else if (last) expect(text(last.bytes)).toBe(`v${i}`)
    // The same bytes again are stored if they were not, and a conflict if they were.
    else expect(await journal.append(subject(i), 0, bytes(`v${i}`))).toMatchObject({ kind: 'stored' })
  }
  const found: string[] = []
  for await (const entry of journal.read('tr.killed.j.>')) found.push(text(entry.bytes))
  expect(found.toSorted()).toEqual(Array.from({ length: next }, (_, i) => `v${i}`).toSorted())
})

test('a stream that was created again is LogDamaged, not a new world', async () => {
  const { bus, journal } = await connected({ namespace: 'again', initialise: true })
  const subject = 'tr.again.j.main-0.t.a'
  const stop = new AbortController()
  const followed = (async () => {
    for await (const entry of journal.follow(subject, { signal: stop.signal })) void entry
  })().catch((error: unknown) => error)
  expect((await journal.append(subject, 0, bytes('1'))).kind).toBe('stored')
  const nc = await connect({ servers: server.url })
  const jsm = await jetstreamManager(nc)
  const { config } = await jsm.streams.info('TR_again_J')
  await jsm.streams.delete('TR_again_J')
  await jsm.streams.add({ ...config, metadata: { ...config.metadata, 'troupe-stream-id': 'f'.repeat(32) } })
  await nc.close()
  await server.server.kill()
  await server.start()
  await eventually(() => bus.connected, { withinMs: 10_000 })
  const damaged = { code: 'LogDamaged', message: expect.stringContaining(journal.streamId) }
  expect(await journal.append(subject, 0, bytes('1'))).toMatchObject({ kind: 'refused', cause: damaged })
  await expect(journal.last(subject)).rejects.toMatchObject(damaged)
  expect(await followed).toMatchObject(damaged)
  stop.abort()
})

test('a stream that is gone while we are connected refuses the append for good', async () => {
  const { journal } = await connected({ namespace: 'gone', initialise: true })
  const nc = await connect({ servers: server.url })
  await (await jetstreamManager(nc)).streams.delete('TR_gone_J')
  await nc.close()
  expect(await journal.append('tr.gone.j.main-0.t.a', 0, bytes('1'))).toMatchObject({
    kind: 'refused',
    cause: { code: 'LogDamaged', details: { found: 'gone' } },
  })
})

test('a full stream refuses, and what was stored stays', async () => {
  const { journal } = await connected({ namespace: 'full', initialise: true })
  const nc = await connect({ servers: server.url })
  await (await jetstreamManager(nc)).streams.update('TR_full_J', { max_msgs: 1 })
  await nc.close()
  expect((await journal.append('tr.full.j.main-0.t.a', 0, bytes('1'))).kind).toBe('stored')
  expect(await journal.append('tr.full.j.main-0.t.b', 0, bytes('2'))).toMatchObject({
    kind: 'refused',
    cause: { code: 'LogUnavailable', message: expect.stringMatching(/maximum messages exceeded \(10077\)/) },
  })
  expect(text((await journal.last('tr.full.j.main-0.t.a'))?.bytes ?? bytes('?'))).toBe('1')
})

test('nothing is created without initialise; two that initialise at once get one log', async () => {
  await expect(connected({ namespace: 'fresh' })).rejects.toMatchObject({
    code: 'LogUnavailable',
    retryable: false,
    message: expect.stringMatching(/pass nats\(\{ initialise: true \}\) once to create it$/),
  })
  const both = await Promise.all([1, 2, 3, 4].map(() => connected({ namespace: 'fresh', initialise: true })))
  expect(new Set(both.map(({ journal }) => journal.streamId)).size).toBe(1)
})

test('a claim of r1-fsync is refused without proof and told with it; r3 is refused on one server', async () => {
  await expect(connected({ namespace: 'tiers', initialise: true, durability: 'r1-fsync' })).rejects.toMatchObject({
    code: 'DurabilityRefused',
    message: expect.stringContaining('sync_interval: always'),
  })
  const { durabilityProof } = server.server
  await expect(connected({ namespace: 'tiers', durability: 'r1-fsync', durabilityProof })).rejects.toMatchObject({
    code: 'DurabilityRefused',
  })
  expect((await connected({ namespace: 'tiers', durabilityProof })).durability).toBe('r1')
  await expect(connected({ namespace: 'tiers', durability: 'r3' })).rejects.toMatchObject({ code: 'DurabilityRefused' })
  await expect(connected({ namespace: 'three', initialise: true, durability: 'r3' })).rejects.toMatchObject({
    code: 'DurabilityRefused',
    message: expect.stringContaining('cluster of 3 servers'),
  })
  await using synced = await natsServer({ syncAlways: true })
  const proven = nats({
    servers: synced.url,
    initialise: true,
    durability: 'r1-fsync',
    durabilityProof: synced.server.durabilityProof,
  })
  const connection = await proven.connect(connectOptions())
  expect(connection.durability).toBe('r1-fsync')
  await connection.close()
})

test('persist_mode async is refused, whatever the server syncs', async () => {
  const nc = await connect({ servers: server.url })
  const jsm = await jetstreamManager(nc)
  await connected({ namespace: 'async', initialise: true })
  const { config } = await jsm.streams.info('TR_async_J')
  await jsm.streams.delete('TR_async_J')
  await nc.request(
    '$JS.API.STREAM.CREATE.TR_async_J',
    JSON.stringify({ ...config, allow_atomic: false, persist_mode: 'async' }),
  )
  await nc.close()
  await expect(connected({ namespace: 'async' })).rejects.toMatchObject({
    code: 'DurabilityRefused',
    message: expect.stringContaining('persist_mode'),
  })
})

test('no server is an error that says how to get one', async () => {
  await expect(connected({ servers: 'nats://127.0.0.1:1' })).rejects.toMatchObject({
    code: 'Disconnected',
    message: expect.stringContaining('NATS_URL'),
  })
})

test('readers leave no consumers behind', async () => {
  const { journal, store } = await connected({ namespace: 'tidy', initialise: true })
  await journal.append('tr.tidy.j.main-0.t.a', 0, bytes('1'))
  for (let i = 0; i < 5; i++) {
    for await (const entry of journal.read('tr.tidy.j.>')) void entry
    for await (const entry of journal.heads('tr.tidy.j.>')) void entry
    const watching = await store.watch('>', () => undefined)
    watching.unsubscribe()
  }
  const nc = await connect({ servers: server.url })
  const jsm = await jetstreamManager(nc)
  const left = async (): Promise<number> => {
    const infos = await Promise.all(['TR_tidy_J', 'KV_TR_tidy'].map((stream) => jsm.streams.info(stream)))
    return infos.reduce((sum, { state }) => sum + state.consumer_count, 0)
  }
  await eventually(async () => (await left()) === 0, { withinMs: 5_000, show: left })
  await nc.close()
})

test('store/3: a watcher hears of a key that vanished without a trace, once it has looked again', async () => {
  const { bus, store } = await connected({ namespace: 'vanish', initialise: true })
  await store.create('k.stays', bytes('1'))
  await store.create('k.goes', bytes('1'))
  const seen: string[] = []
  const watching = await store.watch('k.*', (change) => {
    seen.push(change.kind === 'put' ? change.entry.key : `-${change.key}`)
  })
  const nc = await connect({ servers: server.url })
  await (await jetstreamManager(nc)).streams.purge('KV_TR_vanish', { filter: '$KV.TR_vanish.k.goes' })
  await nc.close()
  await server.server.kill()
  await server.start()
  await eventually(() => bus.connected, { withinMs: 10_000 })
  await eventually(() => seen.includes('-k.goes'), { withinMs: 10_000, show: () => seen })
  expect(seen).toEqual(['k.stays', 'k.goes', '-k.goes'])
  watching.unsubscribe()
})
