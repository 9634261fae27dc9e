/** What a stock NATS client sees of a cluster, with nothing of ours loaded on its side. */
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import { Svcm } from '@nats-io/services'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import { pool } from '@troupe/bridge-python'
import { createSystem, type System } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { natsServer, type TestServer } from '@troupe/core/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ledger } from './actors.ts'

const apps = fileURLToPath(new URL('../../packages/bridge-python/test-app', import.meta.url))
const python = pool('general', { app: 'bridge_test_app:app', pythonPath: [apps], size: 2 })

let server: TestServer
let system: System
let stock: NatsConnection

beforeAll(async () => {
  server = await natsServer()
  const backend = nats({ servers: server.url, initialise: true })
  system = await createSystem({ actors: [python, ledger], backend, node: 'here', shards: 8 })
  await system.get(python, 'main').ask({ type: 'start' }, { timeoutMs: 20_000 })
  stock = await connect({ servers: server.url })
})
afterAll(async () => {
  await stock?.close()
  await system?.drain()
  await server?.end()
})

const asJson = () => {
  const json = headers()
  json.set('content-type', 'application/json')
  return json
}

test('the services client finds the node and both workers, and reads how they fare', async () => {
  // The services package brings an older copy of the client's types; the connection itself fits.
  const client = new Svcm(stock as unknown as ConstructorParameters<typeof Svcm>[0]).client()
  const names = async () => {
    const found: string[] = []
    for await (const { name } of await client.ping()) found.push(name)
    return found.sort()
  }
  expect(await names()).toEqual(['troupe-node', 'troupe-worker', 'troupe-worker'])
  for await (const info of await client.info('troupe-worker')) {
    expect(info.endpoints.map(({ name }) => name)).toContain('call')
  }
  for await (const stats of await client.stats('troupe-worker')) expect(stats.started).toBeTruthy()
})

test('a call made by hand in JSON is answered in JSON, by any worker and by one', async () => {
  const call = (subject: string, body: object) =>
    stock.request(subject, JSON.stringify({ v: 1, ...body }), { headers: asJson(), timeout: 5_000 })
  const any = await call('tr.default.py.general.call', { id: 'by-hand-1', fn: 'add', args: { a: 2, b: 3 } })
  expect(any.json()).toMatchObject({ v: 1, id: 'by-hand-1', ok: true, value: 5 })
  const { workers } = await system.get(python, 'main').ask({ type: 'status' })
  const one = await call(`tr.default.pw.${workers[0]?.name}.call`, { id: 'by-hand-2', fn: 'add', args: { a: 1 } })
  expect(one.json()).toMatchObject({ ok: true, value: 2, worker: workers[0]?.name })
  const wrong = await call('tr.default.py.general.call', { id: 'by-hand-3', fn: 'nope', args: {} })
  expect(wrong.json()).toMatchObject({ ok: false, error: { code: 'UnknownFunction', applied: 'no' } })
})

test('the journal is a stream of JSON that any tool reads', async () => {
  await system.get(ledger, 'a').ask({ type: 'put', id: 'x' })
  const jsm = await jetstreamManager(stock)
  const names: string[] = []
  for await (const stream of jsm.streams.list()) names.push(stream.config.name)
  expect(names).toContain('TR_default_J')
  const found: unknown = (await stock.request('tr.default.n.any.locate', '{"type":"ledger","key":"a"}')).json()
  const subject = String(Reflect.get(Object(found), 'journal'))
  const last = await jsm.streams.getMessage('TR_default_J', { last_by_subj: subject })
  expect(last?.json()).toMatchObject({
    v: 1,
    actor: 'ledger/a',
    steps: [{ input: { event: { type: 'put', id: 'x' } } }],
  })
})
