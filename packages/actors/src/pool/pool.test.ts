import { createSystem, defineActor, memory, resource, type System } from '@troupe/core'
import { expect, test } from 'vitest'
import { poolMachine } from './machine.ts'
import type { WorkerInput, WorkerStop } from './ports.ts'
import { poolProtocol } from './protocol.ts'

/** Workers without processes: the test says what happens to each. */
class FakeWorkers {
  readonly opened: FakeWorker[] = []
  /** What a worker does by itself when it is opened. */
  onOpen: (worker: FakeWorker) => void = (worker) => worker.ready()

  readonly logic = resource<WorkerInput, WorkerStop>((input, context) => {
    const worker = new FakeWorker(
      `${input.pool}-${input.slot}-${this.opened.length + 1}`,
      this.opened.length + 1,
      (event) => {
        const dated = { at: context.runtime?.clock.now(), ...event }
        context.sendBack(dated)
      },
    )
    this.opened.push(worker)
    context.receive(() => worker.onStop())
    worker.say({ type: 'worker.started', name: worker.name, pid: worker.pid })
    this.onOpen(worker)
    return () => (worker.released = true)
  })

  get living(): FakeWorker[] {
    return this.opened.filter(({ released }) => !released)
  }
}

class FakeWorker {
  readonly name: string
  readonly pid: number
  readonly say: (event: { readonly type: string; readonly [field: string]: unknown }) => void
  released = false
  onStop = () => this.exit('asked to stop')

  constructor(name: string, pid: number, say: FakeWorker['say']) {
    this.name = name
    this.pid = pid
    this.say = say
  }

  ready = () => this.say({ type: 'worker.ready' })
  exit = (reason: string, ...output: string[]) => this.say({ type: 'worker.exited', reason, output })
  lose = () => this.say({ type: 'worker.lost', reason: 'no sign of life', output: [] })
}

const says = poolProtocol('p')
const poolOf = (workers: FakeWorkers, maxFailedStarts = 3) =>
  defineActor(says, { logic: poolMachine(workers.logic, { name: 'p', size: 2, maxFailedStarts }) })

async function started(workers: FakeWorkers): Promise<{ system: System; pool: ReturnType<typeof refOf> }> {
  const system = await createSystem({ actors: [poolOf(workers)], shards: 1 })
  const pool = refOf(system)
  expect(await pool.ask({ type: 'start' })).toEqual({ state: 'ready', size: 2, ready: 2 })
  return { system, pool }
}
const refOf = (system: System) => system.get(says, 'main')

test('pool/2: a start is answered when all workers are ready; the status shows each of them', async () => {
  const workers = new FakeWorkers()
  const { system, pool } = await started(workers)
  await using _ = system
  const status = await pool.ask({ type: 'status' })
  expect(status).toMatchObject({
    state: 'running',
    size: 2,
    workers: [
      { slot: '1', name: 'p-1-1', state: 'ready', pid: 1, restarts: 0 },
      { slot: '2', name: 'p-2-2', state: 'ready', pid: 2, restarts: 0 },
    ],
  })
  expect(status.workers[0]?.since).toBeGreaterThan(0)
})

test('slot/1: a worker that ended soon is replaced after a pause, in its own slot', async () => {
  const workers = new FakeWorkers()
  const { system, pool } = await started(workers)
  await using _ = system
  workers.opened[0]?.exit('killed by SIGKILL')
  await expect.poll(() => workers.opened.length).toBe(3)
  expect(workers.opened[0]?.released).toBe(true)
  await expect
    .poll(() => pool.ask({ type: 'status' }))
    .toMatchObject({
      workers: [
        { slot: '1', name: 'p-1-3', state: 'ready', restarts: 1 },
        { name: 'p-2-2', restarts: 0 },
      ],
    })
})

test('slot/1: a worker without signs of life is replaced like one that has ended', async () => {
  const workers = new FakeWorkers()
  const { system } = await started(workers)
  await using _ = system
  workers.opened[1]?.lose()
  await expect.poll(() => workers.living.map(({ name }) => name)).toEqual(['p-1-1', 'p-2-3'])
})

test('pool/3: workers that never start end in `failed`, which start and ensure tell at once, until it is started again', async () => {
  const workers = new FakeWorkers()
  workers.onOpen = (worker) => worker.exit('exit code 1', 'Traceback', `ModuleNotFoundError in ${worker.name}`)
  await using system = await createSystem({ actors: [poolOf(workers, 2)], shards: 1 })
  const pool = refOf(system)
  const failed = {
    state: 'failed',
    ready: 0,
    reason: 'exit code 1',
    output: ['Traceback', expect.stringContaining('Module')],
  }
  expect(await pool.ask({ type: 'start' })).toMatchObject(failed)
  expect(workers.opened).toHaveLength(4)
  expect(workers.living).toHaveLength(0)
  expect(await pool.ask({ type: 'ensure' })).toMatchObject(failed)
  expect(await pool.ask({ type: 'status' })).toMatchObject({ state: 'failed', reason: 'exit code 1' })
  workers.onOpen = (worker) => worker.ready()
  expect(await pool.ask({ type: 'start', size: 1 })).toEqual({ state: 'ready', size: 1, ready: 1 })
})

test('a pool that never ran starts when a caller needs it; one worker is enough for the answer', async () => {
  const workers = new FakeWorkers()
  workers.onOpen = (worker) => worker.pid === 2 && worker.ready()
  await using system = await createSystem({ actors: [poolOf(workers)], shards: 1 })
  expect(await refOf(system).ask({ type: 'ensure' })).toMatchObject({ state: 'ready', size: 2, ready: 1 })
})

test('a start with one worker that cannot start tells so; another start gives that slot another chance', async () => {
  const workers = new FakeWorkers()
  workers.onOpen = (worker) => (worker.name.startsWith('p-1') ? worker.exit('exit code 1', 'oh') : worker.ready())
  await using system = await createSystem({ actors: [poolOf(workers, 1)], shards: 1 })
  const trouble = { reason: 'exit code 1', output: ['oh'] }
  expect(await refOf(system).ask({ type: 'start' })).toEqual({ state: 'degraded', size: 2, ready: 1, ...trouble })
  expect(await refOf(system).ask({ type: 'start' })).toEqual({ state: 'ready', size: 2, ready: 2 })
})

test('scaling adds workers, and asks those it takes away to finish first', async () => {
  const workers = new FakeWorkers()
  const { system, pool } = await started(workers)
  await using _ = system
  await pool.ask({ type: 'scale', size: 3 })
  await expect.poll(() => workers.living.length).toBe(3)
  const leaving = workers.opened[2]
  if (leaving === undefined) throw new Error('no third worker')
  let asked = false
  leaving.onStop = () => (asked = true)
  await pool.ask({ type: 'scale', size: 2 })
  await expect.poll(() => asked).toBe(true)
  expect((await pool.ask({ type: 'status' })).workers.map(({ state }) => state)).toEqual(['ready', 'ready', 'stopping'])
  leaving.exit('asked to stop')
  await expect.poll(async () => (await pool.ask({ type: 'status' })).workers.length).toBe(2)
  expect(leaving.released).toBe(true)
})

test('a stop is answered when every worker has ended; callers are told, a start brings the pool back', async () => {
  const workers = new FakeWorkers()
  const { system, pool } = await started(workers)
  await using _ = system
  await pool.ask({ type: 'stop' })
  expect(workers.living).toHaveLength(0)
  expect(await pool.ask({ type: 'ensure' })).toMatchObject({ state: 'stopped', ready: 0 })
  expect(await pool.ask({ type: 'start' })).toMatchObject({ state: 'ready', ready: 2 })
})

test('a node that takes the pool up opens its workers again', async () => {
  const world = memory()
  const [here, there] = [new FakeWorkers(), new FakeWorkers()]
  const first = await createSystem({ actors: [poolOf(here)], backend: world, shards: 1 })
  await refOf(first).ask({ type: 'start' })
  await first.drain()
  expect(here.living).toHaveLength(0)
  await using second = await createSystem({ actors: [poolOf(there)], backend: world, shards: 1 })
  await expect
    .poll(() => refOf(second).ask({ type: 'status' }))
    .toMatchObject({
      state: 'running',
      workers: [
        { state: 'ready', restarts: 1 },
        { state: 'ready', restarts: 1 },
      ],
    })
  expect(there.living).toHaveLength(2)
})

test('only changes are steps: a pool whose workers just live writes nothing', async () => {
  const workers = new FakeWorkers()
  const { system, pool } = await started(workers)
  await using _ = system
  // init, start, and per worker started and ready.
  expect((await pool.snapshot()).seq).toBe(6)
})
