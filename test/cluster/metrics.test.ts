/** Metrics of running nodes on a real nats-server: what a scraper sees, and what one call sees of all nodes. */
import { get } from 'node:http'
import { createSystem, defineActor, effect, protocol, type System } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { eventually, natsServer, type TestServer } from '@troupe/core/testing'
import { getMetrics, type NodeMetrics, nodeMetrics, serveMetrics } from '@troupe/telemetry'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import { faultsIn } from '../exposition/check.ts'

let server: TestServer
beforeAll(async () => {
  server = await natsServer()
})
afterAll(() => server.end())

const twice = effect('double', 'idempotent', async ({ n }: { readonly n: number }) => {
  if (n < 0) throw new Error('too small')
  return 2 * n
})
const says = protocol('doubler', {
  events: { double: z.object({ n: z.number() }), note: z.object({}) },
  replies: { double: z.number() },
})
const doubler = defineActor(says, {
  logic: setup({ types: says.types<Record<string, never>>(), actors: { twice } }).createMachine({
    context: {},
    initial: 'idle',
    states: {
      idle: { on: { double: 'doubling' } },
      doubling: {
        invoke: {
          src: 'twice',
          input: ({ event }) => ({ n: event.type === 'double' ? event.n : 0 }),
          onDone: { target: 'idle', actions: says.reply('double', ({ event }) => event.output) },
          onError: { target: 'idle', actions: says.reply('double', () => -1) },
        },
      },
    },
  }),
})

const nodeIn = (namespace: string, node: string, observer?: NodeMetrics): Promise<System> =>
  createSystem({
    actors: [doubler],
    node,
    ...(observer && { observer }),
    backend: nats({ servers: server.url, namespace, initialise: true }),
    shards: 32,
    leaseMs: 3_000,
  })

const isShared = async (systems: readonly System[]): Promise<boolean> => {
  const { nodes } = await (systems[0] as System).actors()
  return nodes.length === systems.length && nodes.every(({ shards }) => shards.length > 0)
}

test('/metrics of a running node passes promtool’s rules and counts what its actors did', async () => {
  const observer = nodeMetrics()
  await using system = await nodeIn('scraped', 'one', observer)
  await using scraped = await serveMetrics({
    port: 0,
    metrics: () => observer.read(system),
  })
  const ref = system.get(doubler, 'a')
  for (const n of [1, 2, 3]) expect(await ref.ask({ type: 'double', n })).toBe(2 * n)
  expect(await ref.ask({ type: 'double', n: -1 })).toBe(-1)
  await expect(ref.ask({ type: 'note' })).rejects.toMatchObject({ code: 'EventNotAccepted' })
  observer.modelCalled({ provider: 'p', model: 'm', wallMs: 20, usage: { promptTokens: 5, completionTokens: 0 } })

  const response = await fetch(scraped.url)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const text = await response.text()
  expect(faultsIn(text)).toEqual([])
  expect(text).toContain('troupe_steps_total{type="doubler",kind="message",outcome="applied"} 4\n')
  // An ask that is sent again while its shard opens is answered again.
  expect(text).toMatch(/troupe_answers_total\{type="doubler",code="ok"\} [4-8]\n/)
  expect(text).toContain('troupe_answers_total{type="doubler",code="EventNotAccepted"} 1\n')
  expect(text).toContain('troupe_effects_total{name="double",outcome="ok"} 3\n')
  expect(text).toContain('troupe_effect_seconds_count{name="double",outcome="failed"} 1\n')
  expect(text).toContain('troupe_turn_seconds_bucket{type="doubler",le="+Inf"}')
  expect(text).toContain('troupe_append_seconds_count{outcome="committed"}')
  expect(text).toContain('troupe_shards 32\n')
  expect(text).toContain('troupe_messages_waiting{type="doubler"} 0\n')
  expect(text).toContain('troupe_resident_actors 1\n')
  expect(text).toMatch(/troupe_journal_bytes_total [1-9]\d+\n/)
  expect(text).toContain('troupe_model_tokens_total{provider="p",model="m",kind="input"} 5\n')
  expect(text).not.toContain('doubler/a')
})

test('only GET /metrics is answered, on the loopback address, and a kept connection does not hold up the end', async () => {
  const scraped = await serveMetrics({ port: 0, metrics: () => nodeMetrics().snapshot() })
  expect(new URL(scraped.url).hostname).toBe('127.0.0.1')
  const kept = get(scraped.url, { headers: { connection: 'keep-alive' } })
  await new Promise((resolve) => kept.once('response', resolve))
  expect((await fetch(new URL('/', scraped.url))).status).toBe(404)
  expect((await fetch(scraped.url, { method: 'POST' })).status).toBe(405)
  await using failing = await serveMetrics({
    port: 0,
    metrics: () => {
      throw new Error('no metrics today')
    },
  })
  const failed = await fetch(failing.url)
  expect([failed.status, await failed.text()]).toEqual([500, 'Error: no metrics today\n'])
  kept.once('error', () => {})
  await scraped.close()
  await expect(fetch(scraped.url)).rejects.toThrow()
})

test('getMetrics asks every node, merges their tails, and names who did not answer or is not observed', async () => {
  const [first, second] = [nodeMetrics(), nodeMetrics()]
  await using one = await nodeIn('cluster', 'one', first)
  await using two = await nodeIn('cluster', 'two', second)
  await using blind = await nodeIn('cluster', 'blind')
  await eventually(() => isShared([one, two, blind]), { withinMs: 15_000 })
  await using client = await createSystem({ backend: nats({ servers: server.url, namespace: 'cluster' }) })
  const asks = Array.from({ length: 60 }, (_, n) => client.get(says, `k-${n}`).ask({ type: 'double', n }))
  await Promise.all(asks)

  const before = await getMetrics(client)
  expect(before).toMatchObject({ nodes: ['one', 'two'], unobserved: ['blind'], missing: [], omitted: 0 })
  const effects = before.total('troupe_effects_total', { name: 'double' })
  const mine = first.snapshot().find(({ name }) => name === 'troupe_effect_seconds')
  const theirs = second.snapshot().find(({ name }) => name === 'troupe_effect_seconds')
  expect(mine?.series.length).toBe(1)
  expect(theirs?.series.length).toBe(1)
  const summary = before.summary('troupe_effect_seconds', { name: 'double' })
  expect(summary?.count).toBe(effects)
  expect(summary).toMatchObject({ p50: expect.any(Number), p90: expect.any(Number), p99: expect.any(Number) })
  expect(summary?.max).toBe(
    Math.max(
      ...[mine, theirs].flatMap((of) => (of?.kind === 'distribution' ? of.series.map(({ value }) => value.max) : [])),
    ),
  )
  expect(before.summary('troupe_no_such_seconds')).toBeUndefined()

  await two.stop()
  const after = await getMetrics(client, { timeoutMs: 500 })
  expect(after).toMatchObject({ nodes: ['one'], missing: ['two'], unobserved: ['blind'] })
})
