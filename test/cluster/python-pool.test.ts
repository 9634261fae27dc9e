import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pool } from '@troupe/bridge-python'
import { createSystem, type JournalRecord, type System } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { eventually, natsServer, type TestServer } from '@troupe/core/testing'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { callerOf, processesWith } from './python-caller.ts'

const apps = fileURLToPath(new URL('../../packages/bridge-python/test-app', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'troupe-bridge-'))

let server: TestServer
beforeAll(async () => {
  server = await natsServer()
})
afterAll(async () => {
  await server.end()
  rmSync(scratch, { recursive: true, force: true })
})

const python = pool('general', { app: 'bridge_test_app:app', pythonPath: [apps], size: 2 })
const seconds = { seconds: z.number(), mark: z.string().optional() }
const add = callerOf(
  'add',
  python.fn('add', { input: z.object({ a: z.int(), b: z.int().default(1) }), output: z.int() }),
)
const echo = callerOf('echo', python.fn('echo', { input: z.object({ value: z.unknown() }), output: z.unknown() }))
const fail = callerOf('fail', python.fn('fail', { input: z.object({ text: z.string() }), output: z.null() }))
const wrong = callerOf('wrong', python.fn('add', { input: z.object({ a: z.unknown() }), output: z.string() }))
const unknown = callerOf('unknown', python.fn('nope', { input: z.object({}), output: z.unknown() }))
const work = callerOf('work', python.fn('work', { input: z.object(seconds), output: z.int() }))
const write = callerOf('write', python.fn('work', { input: z.object(seconds), output: z.int(), class: 'write' }))
const late = callerOf('late', python.fn('stubborn', { input: z.object(seconds), output: z.string(), timeoutMs: 300 }))
const die = callerOf('die', python.fn('die', { input: z.object({}), output: z.null() }))
const callers = [add, echo, fail, wrong, unknown, work, write, late, die]
const actors = [python, ...callers.map(({ def }) => def)]

const open: System[] = []
let count = 0
const systemIn = async (namespace: string, given = actors): Promise<System> => {
  const backend = nats({ servers: server.url, namespace, initialise: true })
  const system = await createSystem({ actors: given, backend, shards: 8 })
  open.push(system)
  return system
}
const fresh = (): string => `bridge-${++count}`
afterEach(async () => {
  await Promise.all(open.splice(0).map((system) => system.stop()))
})

const poolIn = (system: System) => system.get(python, 'main')
const pidsOf = async (system: System): Promise<number[]> =>
  (await poolIn(system).ask({ type: 'status' })).workers.flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
const started = async (namespace = fresh()): Promise<System> => {
  const system = await systemIn(namespace)
  const outcome = await poolIn(system).ask({ type: 'start' }, { timeoutMs: 20_000 })
  expect(outcome).toEqual({ state: 'ready', size: 2, ready: 2 })
  return system
}
/** Whole lines only: a file just opened holds none, and a pid of 0 or a part of one would have a test kill its own run. */
const marked = (name: string): (() => number[]) => {
  return () => readFileSync(join(scratch, name), 'utf8').split('\n').slice(0, -1).map(Number)
}
const firstOf = async (mark: () => number[]): Promise<number> => {
  const pid = await eventually(() => mark()[0], { withinMs: 5_000 })
  if (pid === undefined || !(pid > 1)) throw new Error(`not the pid of a worker: ${pid}`)
  return pid
}

test('a function is called by the first who needs it: the pool starts, the result comes back checked', async () => {
  const system = await systemIn(fresh())
  expect(await add.run(system, 'a', { a: 2 })).toEqual({ value: 3 })
  const value = { text: 'grüße', list: [1, 2.5, null, true], bytes: new Uint8Array([1, 2]), nested: { a: {} } }
  expect((await echo.run(system, 'a', { value })).value).toEqual(value)
})

test('what happened inside Python is part of the effect in the log', async () => {
  const system = await started()
  await add.run(system, 'a', { a: 1 })
  const records: JournalRecord[] = []
  for await (const { bytes } of system.connection.journal.read(`tr.${system.connection.namespace}.j.>`)) {
    records.push(JSON.parse(Buffer.from(bytes).toString('utf8')))
  }
  const effect = records.flatMap(({ steps }) => steps).find(({ effect }) => effect?.name === 'general.add')?.effect
  expect(effect).toMatchObject({
    class: 'idempotent',
    evidence: { worker: expect.stringMatching(/^general-[12]-/), wallMs: expect.any(Number), lock: expect.any(String) },
  })
})

test('errors/1: a Python error crosses whole', async () => {
  const system = await started()
  expect((await fail.run(system, 'a', { text: 'no such row' })).error).toMatchObject({
    code: 'PythonError',
    message: 'no such row',
    applied: 'unknown',
    retryable: false,
    details: {
      class: 'ValueError',
      traceback: expect.stringContaining('in fail'),
      causes: [{ class: 'KeyError', message: "'missing'" }],
    },
  })
})

test('a wrong input is refused here, a wrong argument in Python, a wrong result here; an unknown function is named', async () => {
  const system = await started()
  const codeOf = async (caller: typeof add | typeof wrong | typeof unknown, input: unknown) =>
    (await caller.run(system, 'a', input)).error?.code
  expect(await codeOf(add, { a: 'x' })).toBe('InvalidEvent')
  expect(await codeOf(wrong, { a: 'x' })).toBe('InvalidArguments')
  expect(await codeOf(wrong, { a: 1 })).toBe('ResultRefused')
  expect(await codeOf(unknown, {})).toBe('UnknownFunction')
})

test('pool-view/2: a worker killed in the middle of an idempotent call is replaced, and the call succeeds elsewhere', async () => {
  const system = await started()
  const before = await pidsOf(system)
  const mark = marked('killed')
  const answer = work.run(system, 'a', { seconds: 0.5, mark: join(scratch, 'killed') })
  const victim = await firstOf(mark)
  process.kill(victim, 'SIGKILL')
  const { value } = await answer
  expect(value).not.toBe(victim)
  expect(mark()).toEqual([victim, value])
  const after = await eventually(
    async () => {
      const status = await poolIn(system).ask({ type: 'status' })
      return status.workers.every(({ state }) => state === 'ready') ? status.workers : undefined
    },
    { withinMs: 10_000 },
  )
  if (after === undefined) throw new Error('no workers')
  expect(after.map(({ restarts }) => restarts).sort()).toEqual([0, 1])
  expect(after.map(({ pid }) => pid)).not.toContain(victim)
  expect(before).toContain(victim)
})

test('pool-view/2: the outcome of a write whose worker was killed is unknown; it is not run again', async () => {
  const system = await started()
  const mark = marked('write')
  const answer = write.run(system, 'a', { seconds: 5, mark: join(scratch, 'write') })
  const victim = await firstOf(mark)
  process.kill(victim, 'SIGKILL')
  expect((await answer).error).toMatchObject({ code: 'EffectOutcomeUnknown' })
  expect(mark()).toEqual([victim])
})

test('pool-view/3: a call that kills its workers is given up after two', async () => {
  const system = await started()
  expect((await die.run(system, 'a', {})).error).toMatchObject({ code: 'WorkerKiller', applied: 'unknown' })
  expect(await add.run(system, 'a', { a: 1 })).toEqual({ value: 2 })
})

test('pool-view/4: a deadline is told in time; a function that would not stop costs its worker, not the pool', async () => {
  const system = await started()
  const before = await pidsOf(system)
  expect((await late.run(system, 'a', { seconds: 30 })).error).toMatchObject({ code: 'Timeout', applied: 'unknown' })
  await eventually(async () => (await pidsOf(system)).filter((pid) => !before.includes(pid)).length === 1, {
    withinMs: 10_000,
  })
  expect(await add.run(system, 'a', { a: 1 })).toEqual({ value: 2 })
})

test('an actor that leaves the state cancels the call, and the worker is free again', async () => {
  const system = await started()
  await Promise.all(
    ['a', 'b'].map(async (key) => {
      void work.run(system, key, { seconds: 30, mark: join(scratch, key) }).catch(() => {})
      await firstOf(marked(key))
      await system.get(work.says, key).ask({ type: 'leave' })
    }),
  )
  const before = await pidsOf(system)
  expect(await add.run(system, 'a', { a: 1 })).toEqual({ value: 2 })
  expect(await pidsOf(system)).toEqual(before)
})

test('pool-view/1: two nodes share two workers; calls wait for a slot and all are answered', async () => {
  const namespace = fresh()
  const first = await started(namespace)
  const second = await systemIn(namespace)
  const calls = Array.from({ length: 30 }, (_, i) => {
    return work.run(i % 2 === 0 ? first : second, `k${i}`, { seconds: 0.02 })
  })
  const answers = await Promise.all(calls)
  expect(answers.filter(({ error }) => error !== undefined)).toEqual([])
  expect(new Set(answers.map(({ value }) => value)).size).toBe(2)
})

test('pool-view/5: a pool whose workers cannot start tells callers so, with the last lines of a worker', async () => {
  const broken = pool('broken', { app: 'bridge_broken_app:app', pythonPath: [apps], size: 1, maxFailedStarts: 2 })
  const caller = callerOf('call', broken.fn('add', { input: z.object({}), output: z.unknown() }))
  const system = await systemIn(fresh(), [broken, caller.def])
  const { error } = await caller.run(system, 'a', {})
  expect(error).toMatchObject({ code: 'PoolUnavailable', applied: 'no', details: { reason: 'exit code 1' } })
  expect(error?.message).toContain("No module named 'a_module_that_is_not_there'")
})

test('worker/1: a frozen worker is lost although its sidecar beats on; its call runs elsewhere', async () => {
  const system = await started()
  const mark = marked('frozen')
  const answer = work.run(system, 'a', { seconds: 0.3, mark: join(scratch, 'frozen') })
  const victim = await firstOf(mark)
  process.kill(victim, 'SIGSTOP')
  expect((await answer).value).not.toBe(victim)
  expect(mark()).toHaveLength(2)
  expect(() => process.kill(victim, 0)).toThrow('ESRCH')
})

test('worker/2: a worker killed with its whole group is told gone by its node, not by silence', async () => {
  const namespace = fresh()
  await started(namespace)
  const other = await systemIn(namespace)
  const mark = marked('group')
  const said: string[] = []
  const { bus, subjects } = other.runtime
  bus.subscribe(subjects.presence('general', '*'), ({ data }) => said.push(Buffer.from(data).toString()))
  const answer = work.run(other, 'a', { seconds: 0.3, mark: join(scratch, 'group') })
  const victim = await firstOf(mark)
  process.kill(-victim, 'SIGKILL')
  expect((await answer).error).toBeUndefined()
  // The pool may have moved when the second node came: its first workers then said goodbye too.
  expect(said.filter((text) => text.includes('killed by SIGKILL'))).toHaveLength(1)
})

test('a stopped system leaves no Python process', async () => {
  const namespace = fresh()
  const system = await started(namespace)
  expect(processesWith(namespace)).toHaveLength(4)
  await system.stop()
  await eventually(() => processesWith(namespace).length === 0, {
    withinMs: 5_000,
    show: () => processesWith(namespace),
  })
})

test('a node that is killed leaves no Python process', async () => {
  const namespace = fresh()
  const script = fileURLToPath(new URL('python-node.ts', import.meta.url))
  const node = spawn(process.execPath, ['--conditions=troupe-source', script, server.url, namespace, apps], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  node.stdout.on('data', (data: Buffer) => (said += data.toString()))
  const workers = () => processesWith(namespace).filter((pid) => pid !== node.pid)
  try {
    await eventually(() => said.includes('up'), { withinMs: 20_000, show: () => said })
    expect(workers()).toHaveLength(4)
  } finally {
    node.kill('SIGKILL')
  }
  await eventually(() => workers().length === 0, { withinMs: 5_000, show: workers })
})
