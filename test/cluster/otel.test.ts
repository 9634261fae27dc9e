/** The log as OpenTelemetry traces: from a client's ask over an actor and its effect into Python and to a model call. */
import { pool } from '@troupe/bridge-python'
import { createSystem, type System } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { eventually, natsServer, type TestServer } from '@troupe/core/testing'
import { serveModels, standInModel } from '@troupe/llm'
import { signature } from '@troupe/signatures'
import { type ExportTraces, exportTraces } from '@troupe/telemetry/otel'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { orphansIn, otlpReceiver, type ReceivedSpan } from '../otlp/receiver.ts'
import { callerOf } from './python-caller.ts'

let server: TestServer
beforeAll(async () => {
  server = await natsServer()
})
afterAll(() => server.end())

const TRIAGE =
  "docstring: str -> module: Literal['argparse', 'datetime', 'decimal', 'email', 'logging', 'socket', 'tarfile', 'zipfile']"

const source = (system: System, url: string): ExportTraces => ({
  journal: system.connection.journal,
  namespace: system.connection.namespace,
  subjects: system.runtime.subjects,
  clock: system.runtime.clock,
  url,
})

test('one trace: from the ask over the steps and the effect into DSPy and to the model call; the same ids twice', async () => {
  const workers = pool('dspy', { app: 'troupe_demo.triage:app', size: 1 })
  const answer = callerOf('answer', workers.dspy('triage', signature(TRIAGE)).run)
  const backend = nats({ servers: server.url, namespace: 'traced', initialise: true })
  await using system = await createSystem({ actors: [workers, answer.def], backend, node: 'here', shards: 8 })
  const { bus, namespace } = system.connection
  const models = serveModels({ bus, namespace, model: standInModel(), clock: system.runtime.clock })
  await using live = await otlpReceiver()
  await using following = exportTraces({ ...source(system, live.url), follow: true })

  const inputs = { docstring: 'Open a ZIP archive and read its members.' }
  const ended = await answer.run(system, 'k', { inputs, assignment: { style: 'ChainOfThought' } })
  expect(ended).toMatchObject({ value: { module: expect.any(String) } })

  const isOf = (type: string) => (span: ReceivedSpan) => span.attributes['messaging.destination.name'] === type
  const whole = () => live.spans.filter(isOf('answer/k')).some(({ name }) => name === 'send answer run')
  await eventually(whole, { withinMs: 10_000, show: () => live.spans.map(({ name }) => name) })
  await models.stop()

  const ask = live.spans.find(({ name }) => name === 'send answer run') as ReceivedSpan
  const trace = live.spans.filter(({ traceId }) => traceId === ask.traceId)
  expect(ask.parentSpanId || undefined).toBeUndefined()
  expect(orphansIn(trace)).toEqual([])
  expect(trace.filter(({ parentSpanId }) => !parentSpanId)).toEqual([ask])
  expect(new Set(trace.map(({ spanId }) => spanId)).size).toBe(trace.length)

  const named = (name: string) => trace.find((span) => span.name === name) as ReceivedSpan
  const byId = new Map(trace.map((span) => [span.spanId, span]))
  const lm = trace.find(({ attributes }) => attributes['gen_ai.operation.name'] === 'chat') as ReceivedSpan
  const path: string[] = []
  for (let span: ReceivedSpan | undefined = lm; span !== undefined; span = byId.get(span.parentSpanId ?? ''))
    path.push(span.name)
  expect(path.slice(0, 1)).toEqual([`chat ${lm.attributes['gen_ai.request.model']}`])
  expect(path.slice(1, -4).every((name) => name.startsWith('module '))).toBe(true)
  expect(path.slice(-4)).toEqual(['python triage.run', 'dspy.triage.run', 'process answer run', 'send answer run'])
  expect(lm.attributes).toMatchObject({
    'gen_ai.provider.name': 'troupe',
    'gen_ai.usage.input_tokens': expect.anything(),
    'gen_ai.usage.output_tokens': expect.anything(),
  })
  const result = trace.find(({ attributes }) => attributes['troupe.step.kind'] === 'effect.done') as ReceivedSpan
  expect(byId.get(result.parentSpanId ?? '')).toBe(named('dspy.triage.run'))
  expect(named('answer answer').parentSpanId).toBe(ask.spanId)

  for (const { startMs, endMs } of trace) expect(endMs).toBeGreaterThanOrEqual(startMs)
  expect(ask.endMs).toBeGreaterThanOrEqual(named('dspy.triage.run').endMs)
  expect(ask.resource).toMatchObject({
    'service.name': 'troupe',
    'service.namespace': 'traced',
    'service.instance.id': 'here',
  })
  expect(named('process answer run').attributes).toMatchObject({
    'messaging.system': 'nats',
    'messaging.operation.type': 'process',
    'messaging.destination.name': 'answer/k',
  })

  // Once more, by another process as it were, when the pool is still at work.
  await using again = await otlpReceiver()
  const { sent, dropped } = await exportTraces(source(system, again.url)).done
  expect([sent, dropped]).toEqual([again.spans.length, 0])
  expect(orphansIn(again.spans)).toEqual([])
  const idsOf = (spans: readonly ReceivedSpan[]) =>
    spans.map(({ spanId, parentSpanId }) => `${spanId} ${parentSpanId ?? ''}`).sort()
  expect(idsOf(again.spans.filter(({ traceId }) => traceId === ask.traceId))).toEqual(idsOf(trace))

  const closed = await following.close()
  expect(closed).toEqual({ sent: live.spans.length, dropped: 0, sealed: 0, unreadable: 0 })
})

test('parents are intact across nodes, and across the death of the node that had the work', async () => {
  const { ledger, ledgerSays } = await import('./actors.ts')
  const put = callerOf('clerk', ledgerSays.ask('put'))
  const nodes = (node: string, actors: Parameters<typeof createSystem>[0]) =>
    createSystem({
      ...actors,
      node,
      leaseMs: 3_000,
      shards: 8,
      backend: nats({ servers: server.url, namespace: 'across', initialise: true }),
    })
  // Groups of their own: each type is on one node only.
  await using desk = await nodes('desk', { actors: [put.def] })
  const vault = await nodes('vault', { actors: [{ ...ledger, group: 'vault' }] })
  try {
    const asked = put.run(desk, 'k', { key: 'main', id: 'first' })
    expect(await asked).toMatchObject({ value: { size: 1 } })
  } finally {
    await vault.stop()
  }
  const late = put.run(desk, 'late', { key: 'main', id: 'second' })
  const clerk = () => desk.get(put.def, 'late').snapshot()
  await eventually(async () => (await clerk()).matches('running'), { withinMs: 10_000 })
  await using _again = await nodes('vault-again', { actors: [{ ...ledger, group: 'vault' }] })
  expect(await late).toMatchObject({ value: { size: 2 } })

  await using receiver = await otlpReceiver()
  await exportTraces(source(desk, receiver.url)).done
  expect(orphansIn(receiver.spans)).toEqual([])
  const nodesOf = (key: string) => {
    const ask = receiver.spans.find(({ attributes, name }) => {
      return name === 'send clerk run' && attributes['messaging.destination.name'] === `clerk/${key}`
    })
    const trace = receiver.spans.filter(({ traceId }) => traceId === ask?.traceId)
    const byId = new Map(trace.map((span) => [span.spanId, span]))
    const path: string[] = []
    let span = trace.find(({ name }) => name === 'process ledger put')
    for (; span !== undefined; span = byId.get(span.parentSpanId ?? ''))
      path.push(`${span.name} @${span.resource['service.instance.id']}`)
    return path
  }
  expect(nodesOf('k')).toEqual([
    'process ledger put @vault',
    'send ledger put @vault',
    'ask ledger.put @desk',
    'process clerk run @desk',
    'send clerk run @desk',
  ])
  expect(nodesOf('late')[0]).toBe('process ledger put @vault-again')
  expect(nodesOf('late').slice(2)).toEqual(nodesOf('k').slice(2))
})
