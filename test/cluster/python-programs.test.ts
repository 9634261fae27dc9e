import { choice, float, type ObjectiveInput, study } from '@troupe/actors'
import { optuna, pool } from '@troupe/bridge-python'
import { createSystem, effect, type JournalRecord, type System } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { natsServer, type TestServer } from '@troupe/core/testing'
import { ModelError, routed, routings, scriptedModel, serveModels, standInModel } from '@troupe/llm'
import { signature } from '@troupe/signatures'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { callerOf } from './python-caller.ts'

let server: TestServer
beforeAll(async () => {
  server = await natsServer()
})
afterAll(() => server.end())

const systemIn = (namespace: string, actors: Parameters<typeof createSystem>[0]): Promise<System> =>
  createSystem({ ...actors, backend: nats({ servers: server.url, namespace, initialise: true }), shards: 8 })

const TRIAGE =
  "docstring: str -> module: Literal['argparse', 'datetime', 'decimal', 'email', 'logging', 'socket', 'tarfile', 'zipfile']"
const triageSignature = signature(TRIAGE)

test('a program with another signature is told so before anything starts; any signature can be predicted', async () => {
  const workers = pool('dspy', { app: 'troupe_demo.triage:app', size: 1 })
  const drifted = callerOf('drifted', workers.dspy('triage', signature(TRIAGE, { desc: { module: 'its name' } })).run)
  const Label = z.object({ docstring: z.string() })
  const predict = callerOf(
    'predict',
    workers.predict(
      signature("docstring: str, more: list[Label] -> module: Literal['socket', 'email']", {
        types: { Label },
        name: 'Either',
      }),
      { module: 'ChainOfThought' },
    ),
  )
  const either = signature("docstring: str -> module: Literal['socket', 'email']", { name: 'Routed' })
  const away = new ModelError('ServerFailed', 'down')
  const routes = [
    { name: 'direct', model: scriptedModel([away]), price: { inPerMillion: 0, outPerMillion: 0 } },
    { name: 'dspy', effect: workers.predict(either), price: { inPerMillion: 1, outPerMillion: 1 } },
  ]
  const route = callerOf('route', routed(either, { routes, policy: { order: 'escalate' } }))
  await using system = await systemIn('signatures', {
    actors: [workers, drifted.def, predict.def, route.def, routings],
  })
  const { bus, namespace } = system.connection
  const models = serveModels({ bus, namespace, model: standInModel(), clock: system.runtime.clock })
  const inputs = { docstring: 'Open a connection to a host.' }

  const { error } = await drifted.run(system, 'k', { inputs })
  expect(error).toMatchObject({ code: 'SignatureDrift', applied: 'no' })
  expect(error?.message).toContain('troupe signatures build')

  const answer = await predict.run(system, 'k', { ...inputs, more: [{ docstring: 'Read a message.' }] })
  expect(answer).toEqual({ value: { module: expect.stringMatching(/^(socket|email)$/) } })
  expect((await predict.run(system, 'k', { ...inputs, more: [{}] })).error?.code).toBe('InvalidEvent')

  // A DSPy program is a route as any other, here the next one after a model that is down.
  expect(await route.run(system, 'k', inputs)).toEqual({ value: { module: expect.stringMatching(/^(socket|email)$/) } })
  const { routes: known } = await system.get(routings, either.hash).ask({ type: 'evidence' })
  expect([known['direct']?.wrong, known['dspy']?.right]).toEqual([1, 1])
  await models.stop()
})

test('a DSPy program is called by name and assignment; its model calls come back over the bus and stand in the log', async () => {
  const workers = pool('dspy', { app: 'troupe_demo.triage:app', size: 1 })
  const triage = workers.dspy('triage', triageSignature)
  const rows = callerOf(
    'rows',
    workers.fn('triage.rows', {
      input: z.object({}),
      output: z.object({ dev: z.array(z.record(z.string(), z.string())) }),
    }),
  )
  const run = callerOf('answer', triage.run)
  const variables = callerOf('variables', triage.variables())
  const evaluate = callerOf('evaluate', triage.evaluate)
  const actors = [workers, rows.def, run.def, variables.def, evaluate.def]
  await using system = await systemIn('programs', { actors })
  const { bus, namespace, journal } = system.connection
  const models = serveModels({ bus, namespace, model: standInModel(), clock: system.runtime.clock })

  const found = z
    .array(z.object({ name: z.string(), kind: z.string() }))
    .parse((await variables.run(system, 'k', {})).value)
  expect(found.map(({ name }) => name)).toEqual(['demos', 'demo_seed', 'style', 'temperature', 'instruction'])

  const inputs = { docstring: 'Open a ZIP archive and read its members.' }
  const answer = await run.run(system, 'k', { inputs, assignment: { demos: 4, style: 'ChainOfThought' } })
  expect(answer).toMatchObject({ value: { module: expect.any(String) } })
  expect((await run.run(system, 'k', { inputs, assignment: { demos: 400 } })).error?.code).toBe('InvalidArguments')

  const { dev } = z
    .object({ dev: z.array(z.record(z.string(), z.string())) })
    .parse((await rows.run(system, 'k', {})).value)
  const scored = await evaluate.run(system, 'k', {
    rows: dev.slice(0, 6),
    metric: 'exact',
    assignment: { demos: 16 },
    detail: true,
  })
  expect(scored.value).toMatchObject({ total: 6, usage: { calls: 6 }, rows: { length: 6 } })

  const evidence: unknown[] = []
  for await (const { bytes } of journal.read(`tr.${namespace}.j.>`)) {
    const record: JournalRecord = JSON.parse(Buffer.from(bytes).toString('utf8'))
    for (const { effect } of record.steps) if (effect?.name === 'dspy.triage.run') evidence.push(effect.evidence)
  }
  expect(evidence[0]).toMatchObject({
    fn: 'triage.run',
    spans: expect.arrayContaining([
      expect.objectContaining({ kind: 'module', status: 'ok' }),
      expect.objectContaining({ kind: 'lm', data: expect.objectContaining({ promptTokens: expect.any(Number) }) }),
    ]),
  })
  await models.stop()
})

test('a study asks Optuna in a worker for its parameters; the same study asks for the same', async () => {
  const workers = pool('optimizer', { app: 'troupe_demo.optimizer:app', size: 1 })
  const space = { x: float(-4, 4), shape: choice(['flat', 'steep']) }
  const objective = effect('bowl', 'idempotent', async ({ trial: { params } }: ObjectiveInput<typeof space>) => ({
    value: (params.x - 1) ** 2 * (params.shape === 'flat' ? 1 : 4),
  }))
  const bowl = study('bowl', {
    space,
    direction: 'minimize',
    sampler: optuna.tpe({ pool: workers, startup: 5 }),
    objective,
    seed: 7,
  })
  const runIn = async (namespace: string) => {
    await using system = await systemIn(namespace, { actors: [workers, bowl.actor] })
    await bowl.in(system).run({ trials: 15 })
    return (await bowl.in(system).status()).trials.map(({ params }) => params)
  }
  const params = await runIn('study-one')
  expect(params).toHaveLength(15)
  expect(await runIn('study-two')).toEqual(params)
})
