import { Svcm } from '@nats-io/services'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { assign, emit, setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, protocol, type System } from '../index.ts'
import { eventually, natsServer, type TestServer } from '../testing/index.ts'
import { nats } from './index.ts'

const says = protocol('counter', { events: { add: z.object({ by: z.number() }) }, replies: { add: z.number() } })
const counter = defineActor(says, {
  logic: says.handlers(
    { count: 0 },
    { add: ({ count }, { by }) => ({ state: { count: count + by }, reply: count + by }) },
  ),
})

const bellSays = protocol('bell', { events: { ring: z.object({}) }, emits: { rang: z.object({ times: z.number() }) } })
const bell = defineActor(bellSays, {
  logic: setup({ types: bellSays.types<{ times: number }>() }).createMachine({
    context: { times: 0 },
    on: {
      ring: {
        actions: [
          assign({ times: ({ context }) => context.times + 1 }),
          emit(({ context }) => ({ type: 'rang', times: context.times })),
        ],
      },
    },
  }),
})

let server: TestServer
let system: System
let stock: NatsConnection

beforeAll(async () => {
  server = await natsServer()
  system = await createSystem({
    actors: [bell, counter],
    backend: nats({ servers: server.url, initialise: true }),
    node: 'here',
  })
  stock = await connect({ servers: server.url })
})
afterAll(async () => {
  await stock?.close()
  await system?.stop()
  await server?.end()
})

test('the stock services client finds the node, reads what it is and how it fares', async () => {
  // The services package brings an older copy of the client's types; the connection itself fits.
  const client = new Svcm(stock as unknown as ConstructorParameters<typeof Svcm>[0]).client()
  const infos = []
  for await (const info of await client.info('troupe-node')) infos.push(info)
  expect(infos).toMatchObject([
    { name: 'troupe-node', metadata: { node: 'here', durability: 'r1', types: 'bell,counter' } },
  ])
  const pings = []
  for await (const ping of await client.ping('troupe-node')) pings.push(ping.id)
  expect(pings).toEqual([infos[0]?.id])
  await stock.request('tr.default.n.here.status', '{}')
  const stats = []
  for await (const stat of await client.stats('troupe-node')) stats.push(stat)
  expect(stats[0]?.endpoints?.find(({ name }) => name === 'status')).toMatchObject({ num_requests: 1, num_errors: 0 })
})

test('a stock client locates an actor and talks to it in JSON', async () => {
  const found = (await stock.request('tr.default.n.any.locate', JSON.stringify({ type: 'counter', key: 'a b' }))).json()
  expect(found).toMatchObject({
    address: 'counter/a b',
    command: expect.stringMatching(/^tr\.default\.c\.main-\d+\.counter\.a=20b$/),
  })
  const { headers } = await import('@nats-io/transport-node')
  const asJson = headers()
  asJson.set('content-type', 'application/json')
  const command = String(Reflect.get(Object(found), 'command'))
  const ask = (body: object) => stock.request(command, JSON.stringify(body), { headers: asJson, timeout: 5_000 })
  const command1 = { client: 'stock', n: 1, settled: 0 }
  expect((await ask({ event: { type: 'add', by: 4 }, command: command1 })).json()).toMatchObject({ ok: true, value: 4 })
  expect((await ask({ event: { type: 'add', by: 4 }, command: command1 })).json()).toMatchObject({ ok: true, value: 4 })
  expect((await ask({ event: { type: 'add', by: 'x' }, command: { ...command1, n: 2 } })).json()).toMatchObject({
    ok: false,
    error: { code: 'InvalidEvent', applied: 'no' },
  })
  expect((await ask({ kind: 'view' })).json()).toMatchObject({ ok: true, value: { context: { count: 4 } } })
})

test('a stock client watches what an actor emits, in JSON', async () => {
  const seen: unknown[] = []
  const watching = stock.subscribe('tr.default.o.bell.*', {
    callback: (_error, message) => void seen.push(message.json()),
  })
  await stock.flush()
  for (let i = 0; i < 2; i++) await system.get(bell, 'a').ask({ type: 'ring' })
  await eventually(() => seen.length === 2, { withinMs: 5_000 })
  watching.unsubscribe()
  expect(seen).toMatchObject([
    { v: 1, event: { type: 'rang', times: 1 }, step: expect.stringMatching(/^bell\/a#/) },
    { v: 1, event: { type: 'rang', times: 2 } },
  ])
})

test('an answer never goes anywhere but to an inbox', async () => {
  const seen: string[] = []
  const spy = stock.subscribe('tr.default.j.>', { callback: (_error, message) => void seen.push(message.subject) })
  const found = (
    await stock.request('tr.default.n.any.locate', JSON.stringify({ type: 'counter', key: 'victim' }))
  ).json()
  const { command, journal } = Object(found)
  const body = JSON.stringify({ event: { type: 'add', by: 1 } })
  const { headers } = await import('@nats-io/transport-node')
  const asJson = headers()
  asJson.set('content-type', 'application/json')
  stock.publish(String(command), body, { reply: String(journal), headers: asJson })
  expect((await system.get(counter, 'victim').snapshot({ fenced: true })).context).toEqual({ count: 1 })
  spy.unsubscribe()
  const records = []
  for await (const entry of system.connection.journal.read(String(journal)))
    records.push(JSON.parse(Buffer.from(entry.bytes).toString()))
  expect(records.every((record) => record.actor === 'counter/victim')).toBe(true)
  expect(new Set(seen)).toEqual(new Set([String(journal)]))
})
