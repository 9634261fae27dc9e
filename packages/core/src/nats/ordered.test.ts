import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { natsServer, type TestServer } from '../testing/nats-server.ts'
import { connectOptions } from '../testing/world.ts'
import { Connectivity } from './connectivity.ts'
import { ordered, type Reading } from './ordered.ts'

let server: TestServer
let nc: NatsConnection
let api: Reading
beforeAll(async () => {
  server = await natsServer()
  nc = await connect({ servers: server.url })
  api = { nc, jsm: await jetstreamManager(nc), connectivity: new Connectivity(nc), ...connectOptions() }
  await api.jsm.streams.add({ name: 'S', subjects: ['s.>'] })
  for (let i = 1; i <= 1_000; i++) nc.publish(`s.${i % 10}`, String(i))
  await nc.flush()
})
afterAll(async () => {
  await nc?.close()
  await server?.end()
})

/** A connection on which some deliveries get lost. */
function lossy(loses: (count: number, subscription: number) => boolean): Reading {
  let count = 0
  let subscriptions = 0
  const subscribe: NatsConnection['subscribe'] = (subject, options) => {
    subscriptions += 1
    const subscription = subscriptions
    return nc.subscribe(subject, {
      ...options,
      callback: (error, msg) => {
        count += 1
        if (!loses(count, subscription)) options?.callback?.(error, msg)
      },
    })
  }
  return { ...api, nc: { subscribe, publish: (...args) => nc.publish(...args) } }
}

async function readAll(from: Reading, filter: string, last: number): Promise<{ positions: number[]; begins: number }> {
  const positions: number[] = []
  let begins = 0
  const stop = new AbortController()
  const options = { stream: 'S', filter, from: 1, signal: stop.signal, verify: async () => undefined }
  for await (const item of ordered(from, options)) {
    if (item.kind === 'begin') begins += 1
    else if (positions.push(item.position) && item.position >= last) stop.abort()
  }
  return { positions, begins }
}

const upTo = (last: number, step: number): number[] => Array.from({ length: last / step }, (_, i) => (i + 1) * step)

test('1: without loss one consumer reads everything', async () => {
  expect(await readAll(api, 's.>', 1_000)).toEqual({ positions: upTo(1_000, 1), begins: 1 })
})

test.each([
  ['the first message', (count: number) => count === 1],
  ['one message', (count: number) => count === 500],
  ['every 400th', (count: number) => count % 400 === 0],
])('1: a gap is read again: %s', async (_, loses) => {
  const { positions, begins } = await readAll(lossy(loses), 's.>', 1_000)
  expect(positions).toEqual(upTo(1_000, 1))
  expect(begins).toBeGreaterThan(1)
})

test('1: the loss of the last messages is noticed by the heartbeat', async () => {
  expect(
    await readAll(
      lossy((count) => count > 95 && count <= 100),
      's.0',
      1_000,
    ),
  ).toEqual({
    positions: upTo(1_000, 10),
    begins: 2,
  })
})

test('1: silence counts as loss', async () => {
  const deaf = lossy((count, subscription) => count > 50 && subscription === 1)
  expect(await readAll(deaf, 's.0', 1_000)).toEqual({ positions: upTo(1_000, 10), begins: 2 })
})

test('2: a slow reader holds the server back instead of filling the memory', async () => {
  let arrived = 0
  const counting = lossy(() => {
    arrived += 1
    return false
  })
  await api.jsm.streams.add({ name: 'BIG', subjects: ['big'] })
  for (let i = 0; i < 200; i++) nc.publish('big', new Uint8Array(500_000))
  await nc.flush()
  const stop = new AbortController()
  let read = 0
  let mostAhead = 0
  const options = { stream: 'BIG', filter: 'big', from: 1, signal: stop.signal, verify: async () => undefined }
  for await (const item of ordered(counting, options)) {
    if (item.kind === 'begin') continue
    await new Promise((resolve) => setTimeout(resolve, 2))
    mostAhead = Math.max(mostAhead, arrived - read)
    read += 1
    if (item.pending === 0) stop.abort()
  }
  expect(read).toBe(200)
  expect(mostAhead).toBeLessThan(120)
})
