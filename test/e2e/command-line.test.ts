import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSystem } from '@troupe/core'
import { type NatsServer, nats, startNatsServer } from '@troupe/core/nats'
import { eventually } from '@troupe/core/testing'
import { nodeMetrics } from '@troupe/telemetry'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { orphansIn, otlpReceiver } from '../otlp/receiver.ts'
import { actors } from './small-app.ts'

const main = fileURLToPath(new URL('../../apps/node-runner/src/main.ts', import.meta.url))
const entry = fileURLToPath(new URL('small-app.ts', import.meta.url))
const edited = fileURLToPath(new URL('small-app-edited.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'troupe-cli-'))
const runId = '20260101-000001-beef'
const store = join(folder, 'runs', runId, 'nats')

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function troupe(...args: string[]): Promise<Ended> {
  const env = { ...process.env, TROUPE_DATA: folder, NATS_URL: '' }
  const child = spawn(process.execPath, ['--conditions=troupe-source', main, ...args], { env })
  let out = ''
  let err = ''
  child.stdout.on('data', (data: Buffer) => void (out += data))
  child.stderr.on('data', (data: Buffer) => void (err += data))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })))
}

const json = async (...args: string[]) => {
  const { out, err, code } = await troupe(...args, '--json')
  expect(err).toBe('')
  return { code, ...JSON.parse(out) }
}

/** Two lives of a shop and its till, in the store of one run. */
async function liveTwice(server: NatsServer, namespace: string): Promise<void> {
  const backend = nats({ servers: server.url, namespace, initialise: true, durabilityProof: server.durabilityProof })
  for (const node of ['one', 'two']) {
    await using system = await createSystem({ actors, backend, node, shards: 8 })
    const [, shop] = actors
    const ref = system.get(shop, 'corner')
    await ref.ask({ type: 'buy', cents: 5 })
    await ref.ask({ type: 'close' })
    await expect(ref.ask({ type: 'buy', cents: 1 })).rejects.toMatchObject({ code: 'EventNotAccepted' })
    while (!(await ref.snapshot()).matches('open')) await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const serversHere = (): string[] => {
  const lines = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n')
  return lines.filter((line) => line.includes('nats-server') && line.includes(folder))
}

beforeAll(async () => {
  // Written by hand: the layout of the data folder is a promise to whoever launches runs.
  mkdirSync(join(folder, 'runs', '20260101-000000-aaaa'), { recursive: true })
  mkdirSync(store, { recursive: true })
  const record = { v: 1, entry, namespace: 'shop', startedAt: '2026-01-01T00:00:01.000Z' }
  writeFileSync(join(folder, 'runs', runId, 'run.json'), JSON.stringify(record))
  writeFileSync(join(folder, 'latest'), `${runId}\n`)
  const server = await startNatsServer({ storeDir: store })
  try {
    await liveTwice(server, 'shop')
  } finally {
    await server.stop()
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('traces are exported to an OTLP receiver, and a cursor file keeps where the export was', async () => {
  await using receiver = await otlpReceiver()
  const cursor = join(folder, 'cursor.json')
  const args = ['trace', 'export', '--otlp', receiver.url, '--header', 'x-team=shop', '--cursor', cursor]
  const first = await json(...args)
  expect(first).toMatchObject({ code: 0, kind: 'TraceExport', sent: receiver.spans.length, dropped: 0, unreadable: 0 })
  expect(receiver.requests[0]?.headers['x-team']).toBe('shop')
  expect(orphansIn(receiver.spans)).toEqual([])
  expect(receiver.spans.map(({ name }) => name)).toContain('process shop buy')
  expect(new Set(receiver.spans.map(({ resource }) => resource['service.instance.id']))).toEqual(
    new Set(['one', 'two']),
  )
  const ended = receiver.spans.filter(({ attributes }) => attributes['troupe.open'] !== true).length
  const again = await json(...args)
  expect(again.sent).toBe(receiver.spans.length - first.sent)
  expect(again.sent).toBe(first.sent - ended)
  receiver.answers.push({ status: 400 })
  expect(await troupe('trace', 'export', '--otlp', receiver.url)).toMatchObject({
    code: 5,
    out: expect.stringMatching(/^0 spans sent, \d+ dropped\n$/),
  })
  writeFileSync(cursor, 'mine')
  expect(await troupe(...args)).toMatchObject({ code: 2, err: expect.stringContaining('no cursor') })
  expect((await troupe('trace', 'export', '--otlp', 'localhost:4318')).code).toBe(2)
})

test('a live export goes on until it is interrupted, and then says what it has sent', async () => {
  await using receiver = await otlpReceiver()
  const env = { ...process.env, TROUPE_DATA: folder, NATS_URL: '' }
  const args = ['--conditions=troupe-source', main, 'trace', 'export', '--otlp', receiver.url, '--follow']
  const child = spawn(process.execPath, args, { env })
  let out = ''
  child.stdout.on('data', (data: Buffer) => void (out += data))
  const ended = new Promise((resolve) => child.once('close', resolve))
  await eventually(() => receiver.spans.some(({ name }) => name === 'process shop buy'), { withinMs: 15_000 })
  child.kill('SIGINT')
  expect(await ended).toBe(0)
  expect(out).toBe(`${receiver.spans.length} spans sent, 0 dropped\n`)
  expect(serversHere()).toEqual([])
})

test('with no node running: traces are listed, and one is shown across actors and the language border', async () => {
  const list = await json('trace', 'ls')
  expect(list).toMatchObject({ code: 0, apiVersion: 'troupe/v1', kind: 'TraceList', complete: true, missingNodes: [] })
  const bought = list.items.filter(({ actors }: { actors: number }) => actors === 2)
  expect(bought).toHaveLength(2)
  const { correlation } = bought[0]
  const shown = await troupe('trace', 'show', correlation)
  expect(shown).toMatchObject({ code: 0, err: '' })
  const labels = shown.out.split('\n').map((line) => line.replace(/^[│├└─ ]+/, '').replace(/ [\d.]+ ms.*| {2}\+.*/, ''))
  expect(labels).toEqual(expect.arrayContaining(['shop/corner buy @two', 'effect python.price (idempotent)']))
  expect(labels).toEqual(expect.arrayContaining(['python price on w-1', 'module Pricing', 'lm stand-in']))
  expect(labels).toContain('till/main count @two')
  expect(await troupe('trace', 'show', 'shop/corner#')).toMatchObject({ code: 2, out: '' })
}, 60_000)

test('events are listed, filtered and tailed', async () => {
  const all = await json('event', 'ls')
  const mine = await json('event', 'ls', '--actor', 'shop/corner', '--event', 'buy')
  expect(mine.items.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
    'applied',
    'rejected',
    'applied',
    'rejected',
  ])
  const tail = await troupe('event', 'tail', '--limit', '2')
  expect(tail.code).toBe(0)
  expect(tail.out.trim().split('\n')).toHaveLength(2)
  expect(tail.out).toContain(all.items.at(-1).id)
  const none = { code: 0, out: '', err: "there are no such events of 'nope/x'\n" }
  expect(await troupe('event', 'ls', '--actor', 'nope/x')).toEqual(none)
  expect(await troupe('event', 'tail', '--actor', 'nope/x')).toEqual(none)
  expect(await json('event', 'ls', '--actor', 'nope/x')).toMatchObject({ code: 0, items: [] })
}, 60_000)

test('metrics of the log: counts, and durations with their tails', async () => {
  const { items } = await json('metrics')
  const steps: { series: { labels: { type: string; outcome: string }; value: number }[] } = items.find(
    ({ name }: { name: string }) => name === 'troupe_steps_total',
  )
  const refused = steps.series.filter(({ labels }) => labels.type === 'shop' && labels.outcome === 'rejected')
  expect(refused.reduce((sum, { value }) => sum + value, 0)).toBe(2)
  const traces = items.find(({ name }: { name: string }) => name === 'troupe_trace_seconds')
  expect(traces.series[0].summary).toMatchObject({ count: expect.any(Number), p99: expect.any(Number) })
  const { out } = await troupe('metrics', '--prometheus')
  expect(out).toMatch(/^# TYPE troupe_steps_total counter$/m)
  expect(out).toMatch(/^troupe_steps_total\{type="shop",kind="message",outcome="applied"\} \d+$/m)
  expect((await troupe('metrics')).out).toMatch(/^METRIC +COUNT +P50 +P90 +P99 +MIN +MAX +DEVIATION +OF$/m)
})

test('what models were asked, and for whom', async () => {
  const { items, total, by } = await json('spending', '--by', 'actor')
  expect([by, total.calls, items]).toEqual(['actor', 2, [{ name: 'shop/corner', ...total }]])
  const { code, out } = await troupe('spending', '--actor', 'shop/corner')
  expect([code, out.split('\n')[1]]).toEqual([0, expect.stringMatching(/^2 .* without a price +troupe\/stand-in$/)])
  const none = { code: 0, out: '', err: "no model was asked for 'till/main'\n" }
  expect(await troupe('spending', '--actor', 'till/main')).toEqual(none)
  expect(await troupe('spending', '--by', 'moon')).toMatchObject({ code: 2, out: '' })
})

test('metrics of running nodes: merged, with the names of those that nobody observes', async () => {
  const server = await startNatsServer({ storeDir: join(folder, 'live') })
  try {
    const backend = nats({ servers: server.url, initialise: true, durabilityProof: server.durabilityProof })
    await using one = await createSystem({ actors, backend, node: 'one', shards: 8, observer: nodeMetrics() })
    const [, shop] = actors
    await one.get(shop, 'corner').ask({ type: 'buy', cents: 5 })
    const whole = await json('metrics', '--nodes', '--nats', server.url)
    expect(whole).toMatchObject({ code: 0, kind: 'MetricList', complete: true, missingNodes: [], nodes: ['one'] })
    const turns = whole.items.find(({ name }: { name: string }) => name === 'troupe_turn_seconds')
    expect(turns.series[0].summary).toMatchObject({ count: expect.any(Number), p99: expect.any(Number) })
    await using _blind = await createSystem({ actors, backend, node: 'blind', shards: 8 })
    const { code, out, err } = await troupe('metrics', '--nodes', '--nats', server.url, '--prometheus')
    expect([code, err]).toEqual([5, 'warning: this answer is not complete: nobody observes blind\n'])
    expect(out).toMatch(/^troupe_shards \d$/m)
  } finally {
    await server.stop()
  }
})

test('actors are listed and shown', async () => {
  const list = await json('actor', 'ls')
  expect(list.items.map(({ actor }: { actor: string }) => actor)).toEqual(['shop/corner', 'till/main'])
  const till = await json('actor', 'show', 'till/main')
  expect(till.items[0].state.host.tree.snap.context).toEqual({ total: 20 })
  expect(await troupe('actor', 'show', 'till/none')).toMatchObject({ code: 3, out: '' })
}, 60_000)

test('replay of what the run left matches; the edited code diverges with exit code 6 and says where', async () => {
  const one = await troupe('replay', 'shop/corner')
  expect(one).toMatchObject({ code: 0, err: '' })
  expect(one.out).toMatch(/2 epochs: every state hash matched/)
  const all = await json('replay', '--all')
  expect(all).toMatchObject({ code: 0, items: [{ mismatches: 0, unchecked: 0, skipped: [] }] })
  const broken = await troupe('replay', 'till/main', '--entry', edited)
  expect(broken.code).toBe(6)
  expect(broken.out).toMatch(/diverged at till\/main#1:2, event 'count'/)
  expect(broken.out).toMatch(/made|replies|differs/)
  expect(broken.out).toMatch(/cause {5}(code|machine)-changed/)
  expect(await json('replay', '--all', '--entry', edited)).toMatchObject({ code: 6, items: [{ mismatches: 2 }] })
  const frame = await json('replay', 'shop/corner', '--at', '2')
  expect(frame.items[0]).toMatchObject({ before: { value: 'open' }, after: { value: 'pricing' } })
}, 60_000)

test('what is asked wrongly is answered with the exit codes of the design', async () => {
  expect(await troupe('replay')).toMatchObject({ code: 2, out: '' })
  expect(await troupe('replay', 'shop/corner', '--at', '999')).toMatchObject({ code: 3, out: '' })
  expect(await troupe('trace', 'show', 'nothing')).toMatchObject({ code: 3, out: '' })
  expect(await troupe('trace', 'ls', '--limit', 'many')).toMatchObject({ code: 2, out: '' })
  expect(await troupe('trace', 'ls', '--nats', 'nats://127.0.0.1:9')).toMatchObject({ code: 4, out: '' })
  const problem = await troupe('trace', 'show', 'nothing', '--json')
  expect(JSON.parse(problem.err)).toMatchObject({ error: { code: 'NoTrace', exit: 3 } })
  expect((await troupe('trace', 'ls', '--run', 'zzz')).err).toContain(runId)
}, 60_000)

test('a store that is open is read through its server, which stays', async () => {
  const server = await startNatsServer({ storeDir: store })
  try {
    expect(await json('actor', 'ls')).toMatchObject({ code: 0 })
    expect(await json('actor', 'ls', '--nats', server.url, '--namespace', 'shop')).toMatchObject({ code: 0 })
    expect(JSON.parse(readFileSync(join(store, 'server.json'), 'utf8'))).toMatchObject({ pid: server.pid })
  } finally {
    await server.stop()
  }
}, 60_000)

test('nothing is left behind: no server, no lock', () => {
  expect(serversHere()).toEqual([])
  expect(existsSync(join(store, 'server.json'))).toBe(false)
})
