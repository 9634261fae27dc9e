/** Mail when the server goes away, on a real one. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSystem, type System } from '../index.ts'
import { eventually } from '../testing/eventually.ts'
import { list } from '../testing/mail-scenarios.ts'
import { natsServer, type TestServer } from '../testing/nats-server.ts'
import { nats } from './backend.ts'

let server: TestServer
const systems: System[] = []
beforeEach(async () => {
  server = await natsServer()
})
afterEach(async () => {
  await Promise.all(systems.splice(0).map((system) => system.stop()))
  await server?.end()
})

async function start(node: string, hosts = true): Promise<System> {
  const backend = nats({ servers: server.url, initialise: true })
  const system = await createSystem({ ...(hosts && { actors: [list] }), backend, node, shards: 8, leaseMs: 3_000 })
  systems.push(system)
  return system
}

const textsOf = async (system: System, key: string): Promise<readonly string[]> =>
  (await system.get(list, key).snapshot({ timeoutMs: 10_000 })).context.texts

test('a server restart between store and apply loses nothing and repeats nothing', async () => {
  await (await start('a')).drain()
  const client = await start('client', false)
  const ref = client.get(list, 'x')
  const expected = Array.from({ length: 50 }, (_, i) => `${i}`)
  await Promise.all(expected.map((text) => ref.deliver({ type: 'put', text })))
  await ref.deliver({ type: 'put', text: 'delayed' }, { delayMs: 1_000 })
  await server.server.kill()
  await server.start()
  const node = await start('b')
  await eventually(async () => (await textsOf(node, 'x')).length >= 51, {
    withinMs: 20_000,
    show: () => textsOf(node, 'x'),
  })
  expect(await textsOf(node, 'x')).toEqual([...expected, 'delayed'])
})

test('a server that is killed three times under load: what was stored is applied once, in order', async () => {
  const node = await start('a')
  const client = await start('client', false)
  let stop = false
  const keys = ['k1', 'k2', 'k3', 'k4']
  const stored = new Map(keys.map((key) => [key, [] as string[]]))
  const tried = new Map(keys.map((key) => [key, [] as string[]]))
  const load = keys.map(async (key) => {
    for (let n = 0; !stop; n++) {
      const text = `${n}`
      tried.get(key)?.push(text)
      try {
        await client.get(list, key).deliver({ type: 'put', text })
        stored.get(key)?.push(text)
      } catch (error) {
        // Nothing was sent; the next one may be.
        expect(error).toMatchObject({ code: 'Disconnected' })
        tried.get(key)?.pop()
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  })
  for (let round = 0; round < 3; round++) {
    const before = stored.get('k1')?.length ?? 0
    await eventually(() => (stored.get('k1')?.length ?? 0) > before + 40, { withinMs: 20_000 })
    await server.server.kill()
    await server.start()
  }
  await eventually(() => client.connection.bus.connected, { withinMs: 10_000 })
  stop = true
  await Promise.all(load)
  for (const key of keys) {
    const expected = stored.get(key) ?? []
    expect(expected).toEqual(tried.get(key))
    await eventually(async () => (await textsOf(node, key)).length >= expected.length, {
      withinMs: 20_000,
      show: async () => [(await textsOf(node, key)).length, expected.length],
    })
    expect(await textsOf(node, key)).toEqual(expected)
  }
}, 60_000)

test('what was consumed is taken away', async () => {
  const node = await start('a')
  for (let i = 0; i < 20; i++) await node.get(list, 'x').deliver({ type: 'put', text: `${i}` })
  const waiting = async () => {
    const found: string[] = []
    for await (const { subject } of node.connection.mail.waiting('tr.default.m.>')) found.push(subject)
    return found
  }
  await eventually(async () => (await textsOf(node, 'x')).length === 20, { withinMs: 10_000 })
  await eventually(async () => (await waiting()).length === 0, { withinMs: 10_000, show: waiting })
})
