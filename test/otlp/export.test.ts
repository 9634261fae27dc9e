import { createServer, type Socket } from 'node:net'
import { createSystem, defineActor, memory, protocol, realClock, type System } from '@troupe/core'
import { eventually } from '@troupe/core/testing'
import { Metrics } from '@troupe/telemetry'
import { type ExportTraces, exportMetrics, exportTraces, type TraceCursor } from '@troupe/telemetry/otel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { type Json, otlpReceiver, type Receiver } from './receiver.ts'

const says = protocol('counter', { events: { add: z.object({ by: z.number() }) }, replies: { add: z.number() } })
const counter = defineActor(says, {
  logic: says.handlers({ sum: 0 }, { add: ({ sum }, { by }) => ({ state: { sum: sum + by }, reply: sum + by }) }),
})

let system: System
let receiver: Receiver
const said: string[] = []
beforeEach(async () => {
  said.length = 0
  system = await createSystem({ actors: [counter], backend: memory() })
  receiver = await otlpReceiver()
})
afterEach(async () => {
  await system.stop()
  await receiver[Symbol.asyncDispose]()
})

const add = async (times: number): Promise<void> => {
  for (let n = 0; n < times; n++) await system.get(counter, 'a').ask({ type: 'add', by: 1 })
}
const source = (more: Partial<ExportTraces> = {}): ExportTraces => ({
  journal: system.connection.journal,
  namespace: system.connection.namespace,
  subjects: system.runtime.subjects,
  clock: realClock(),
  url: receiver.url,
  onLog: (text) => void said.push(text),
  ...more,
})
/** Of three asks: the making of the actor, and an ask with its step for each. */
const THREE = 7

test('a receiver that is busy is tried again, and takes each span once', async () => {
  await add(3)
  receiver.answers.push(
    { status: 503, headers: { 'retry-after': '0' } },
    { status: 429, headers: { 'retry-after': '0' } },
  )
  const stats = await exportTraces(source({ headers: { authorization: 'Bearer x' } })).done
  expect(stats).toEqual({ sent: THREE, dropped: 0, sealed: 0, unreadable: 0 })
  expect(receiver.spans).toHaveLength(THREE)
  expect(receiver.requests.map(({ path }) => path)).toEqual(['/v1/traces', '/v1/traces', '/v1/traces'])
  expect(receiver.requests[0]?.headers).toMatchObject({ authorization: 'Bearer x', 'content-type': 'application/json' })
  expect(said).toEqual([])
})

test('export-traces/3: after all tries a batch is dropped, counted and said; a refusal is not tried again', async () => {
  await add(3)
  const busy = { status: 503, headers: { 'retry-after': '0' } }
  receiver.answers.push(busy, busy)
  expect(await exportTraces(source({ attempts: 2 })).done).toMatchObject({ sent: 0, dropped: THREE })
  receiver.answers.push({ status: 400 })
  expect(await exportTraces(source()).done).toMatchObject({ sent: 0, dropped: THREE })
  expect(receiver.requests).toHaveLength(3)
  expect(said).toEqual(['spans are dropped', 'spans are dropped'])
})

test('what a receiver takes in part is counted by what it says', async () => {
  await add(3)
  receiver.answers.push({ status: 200, body: { partialSuccess: { rejectedSpans: '2', errorMessage: 'too old' } } })
  expect(await exportTraces(source()).done).toMatchObject({ sent: THREE - 2, dropped: 2 })
  expect(said).toEqual(['the receiver has refused spans'])
})

test('nobody there, or nobody who answers, ends in a drop and not in a hang', async () => {
  await add(1)
  const sockets: Socket[] = []
  const silent = createServer((socket) => void sockets.push(socket.on('error', () => {})))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const address = silent.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const url = `http://127.0.0.1:${port}`
  expect(await exportTraces(source({ url, attempts: 1, timeoutMs: 50 })).done).toMatchObject({ dropped: 3 })
  for (const socket of sockets) socket.destroy()
  await new Promise<void>((resolve) => silent.close(() => resolve()))
  expect(await exportTraces(source({ url, attempts: 2 })).done).toMatchObject({ dropped: 3 })
})

test('export-traces/1: an export goes on where the last one ended, on the same log only', async () => {
  await add(3)
  const cursors: TraceCursor[] = []
  const onCursor = (cursor: TraceCursor) => void cursors.push(cursor)
  await exportTraces(source({ onCursor })).done
  await add(2)
  const [from] = cursors.slice(-1)
  const stats = await exportTraces(source({ onCursor, ...(from && { from }) })).done
  expect(stats.sent).toBe(4)
  expect(new Set(receiver.spans.map(({ spanId }) => spanId)).size).toBe(THREE + 4)
  expect(cursors).toHaveLength(2)
  const other = { streamId: 'another', position: 99, state: { open: [], made: [], writers: [] } }
  expect((await exportTraces(source({ from: other })).done).sent).toBe(THREE + 4)
})

test('a live export sends what comes, and flushes what it has when it is closed', async () => {
  await using live = exportTraces(source({ follow: true }))
  await add(1)
  await eventually(() => receiver.spans.length === 3, { withinMs: 5_000 })
  await add(300)
  const stats = await live.close()
  expect(stats.dropped).toBe(0)
  expect(receiver.spans).toHaveLength(stats.sent)
  // What was in the log and not yet read when it was closed is the next export's.
  expect(stats.sent).toBeLessThanOrEqual(3 + 600)
  expect(await live.close()).toEqual(stats)
})

test('metrics: counters are cumulative, distributions histograms whose counts add up', async () => {
  const metrics = new Metrics()
  const done = metrics.counter('troupe_done_total', 'What is done', ['type'])
  const took = metrics.distribution('troupe_took_seconds', 'How long')
  metrics.gauge('troupe_held_bytes', 'How much', 'sum').set({}, 12)
  const run = exportMetrics({
    ...{ url: receiver.url, clock: realClock(), namespace: 'ns', node: 'one', metrics: () => metrics.snapshot() },
    onLog: (text) => void said.push(text),
  })
  done.add({ type: 'a' }, 2)
  for (const seconds of [0.001, 0.2, 2_000]) took.observe({}, seconds)
  await run.push()
  done.add({ type: 'a' }, 3)
  receiver.answers.push({ status: 400 })
  await run.push()
  expect(run.failed).toBe(1)
  expect(said).toEqual(['metrics are not taken'])
  await run.close()
  expect(receiver.metrics).toHaveLength(2)
  const pointsOf = (body: Json | undefined) =>
    JSON.parse(JSON.stringify(body)).resourceMetrics[0].scopeMetrics[0].metrics
  const [counted, held, timed] = pointsOf(receiver.metrics[1])
  expect(held).toMatchObject({ name: 'troupe_held_bytes', unit: 'By', gauge: { dataPoints: [{ asDouble: 12 }] } })
  expect(counted).toMatchObject({
    name: 'troupe_done_total',
    sum: { isMonotonic: true, aggregationTemporality: 2, dataPoints: [{ asDouble: 5 }] },
  })
  const [point] = timed.histogram.dataPoints
  expect(timed).toMatchObject({ name: 'troupe_took_seconds', unit: 's', histogram: { aggregationTemporality: 2 } })
  expect(point).toMatchObject({ count: 3, min: 0.001, max: 2_000 })
  expect(point.bucketCounts).toHaveLength(point.explicitBounds.length + 1)
  expect(point.bucketCounts.reduce((a: number, b: number) => a + b)).toBe(3)
  expect(point.bucketCounts.at(-1)).toBe(1)
})
