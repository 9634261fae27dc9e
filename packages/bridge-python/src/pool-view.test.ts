import {
  ActorQuarantined,
  type BusMessage,
  type Connection,
  type EffectClass,
  type EffectRuntime,
  memory,
  packWire,
  Subjects,
  seededEntropy,
  Timeout,
  unpackWire,
} from '@troupe/core'
import { manualClock } from '@troupe/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { PoolView } from './pool-view.ts'

const subjects = new Subjects('default')
const clock = manualClock()
const entropy = seededEntropy(1)
const frame = z.object({ id: z.string(), fn: z.string(), deadlineMs: z.number() })

let world = memory()
let here: Awaited<ReturnType<typeof world.connect>>
let there: Connection
let view: PoolView
const silence = (): Promise<unknown> => new Promise(() => {})
let poolSays = silence
const asked: string[] = []

/** Lets everything arrive that is on the way; nothing here waits for time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise(setImmediate)
}
async function pass(ms: number): Promise<void> {
  clock.advance(ms)
  await settle()
}

/** A worker that says and answers what the test wants. */
class Worker {
  readonly name: string
  readonly nonce: string
  readonly slots: number
  readonly calls: z.output<typeof frame>[] = []
  readonly cancelled: string[] = []
  readonly #replies: string[] = []
  readonly #subscriptions

  constructor(name: string, slots = 1, nonce = `nonce of ${name}`) {
    this.name = name
    this.nonce = nonce
    this.slots = slots
    this.#subscriptions = [
      there.bus.subscribe(subjects.worker(name, 'call'), (message) => this.#take(message)),
      there.bus.subscribe(subjects.worker(name, 'cancel'), ({ data }) => {
        this.cancelled.push(z.object({ id: z.string() }).parse(unpackWire(data)).id)
      }),
      there.bus.subscribe(subjects.pool('p', 'hello'), () => this.say({ kind: 'hello', python: '3', lock: 'l' })),
    ]
  }

  #take({ data, reply = '' }: BusMessage): void {
    this.calls.push(frame.parse(unpackWire(data)))
    this.#replies.push(reply)
  }

  say(what: object): void {
    const head = { v: 1, pool: 'p', worker: this.name, nonce: this.nonce, pid: 1, slots: this.slots }
    there.bus.publish(subjects.presence('p', this.name), Buffer.from(JSON.stringify({ ...head, ...what })))
  }

  beat = (inFlight = 0, state = 'running') => this.say({ kind: 'beat', state, inFlight })
  goodbye = (reason: string) => this.say({ kind: 'goodbye', reason })

  /** Answers its newest call. */
  async answer(body: object): Promise<void> {
    const reply = this.#replies.at(-1) ?? ''
    const id = this.calls.at(-1)?.id
    there.bus.publish(reply, packWire({ v: 1, id, worker: this.name, wallMs: 1, ...body }))
    await settle()
  }
  done = (value: unknown) => this.answer({ ok: true, value })
  fail = (code: string) => {
    return this.answer({
      ok: false,
      error: { code, message: code, retryable: false, applied: 'no', details: { a: 1 } },
    })
  }

  deaf(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
  }
}

interface Asked {
  readonly result: Promise<unknown>
  readonly evidence: object[]
  leave(): void
}
let calls = 0
async function call(fn: string, effectClass: EffectClass = 'idempotent', timeoutMs = 10_000): Promise<Asked> {
  const evidence: object[] = []
  const controller = new AbortController()
  const result = view.call({
    ...{ id: `call-${++calls}`, fn, args: {}, class: effectClass, timeoutMs, signal: controller.signal },
    cause: { correlation: 'c', causation: 'd' },
    evidence: (data) => evidence.push(data),
  })
  result.catch(() => {})
  await settle()
  return { result, evidence, leave: () => controller.abort() }
}
const namesOf = (worker: Worker) => worker.calls.map(({ fn }) => fn)

beforeEach(async () => {
  world = memory()
  here = await world.connect({ name: 'here', clock, entropy })
  there = await world.connect({ name: 'there', clock, entropy })
  poolSays = silence
  asked.length = 0
  const runtime: EffectRuntime = {
    ...{ namespace: 'default', node: 'here', servers: [], subjects, bus: here.bus, clock, entropy },
    shared: (Class, name) => new Class(runtime, name),
    ask: (_protocol, key, event) => {
      asked.push(`${key} ${event.type}`)
      return poolSays()
    },
  }
  view = new PoolView(runtime, 'p')
})
afterEach(async () => {
  view.close()
  await here.close()
  await there.close()
})

test('pool-view/1: calls wait in their order for a slot, and go to the worker with most room', async () => {
  const [one, two] = [new Worker('one', 1), new Worker('two', 2)]
  one.beat(1)
  two.beat()
  await settle()
  for (const fn of ['a', 'b', 'c', 'd', 'e']) await call(fn)
  expect([namesOf(two), namesOf(one)]).toEqual([['a', 'b'], ['c']])
  await one.done(1)
  await two.done(1)
  expect([namesOf(two), namesOf(one)]).toEqual([
    ['a', 'b', 'e'],
    ['c', 'd'],
  ])
})

test('a worker is known from its hello; the result and what happened inside are told', async () => {
  const { result, evidence } = await call('f')
  await pass(200)
  const worker = new Worker('one')
  worker.say({ kind: 'hello', python: '3', lock: 'hash' })
  await settle()
  expect(worker.calls).toMatchObject([{ fn: 'f', deadlineMs: 9_800 }])
  await worker.answer({ ok: true, value: 5, spans: [{ id: 's', parent: null }], dropped: 1 })
  expect(await result).toBe(5)
  const spans = [{ id: 's', parent: null }]
  expect(evidence).toEqual([{ fn: 'f', worker: 'one', wallMs: 1, spans, dropped: 1, lock: 'hash' }])
})

test('pool-view/2: a busy worker is left alone for a while, the call is the next', async () => {
  const worker = new Worker('one')
  worker.beat()
  await settle()
  const first = await call('a', 'write')
  const second = await call('b', 'write')
  await worker.fail('Busy')
  expect(namesOf(worker)).toEqual(['a'])
  await pass(50)
  expect(namesOf(worker)).toEqual(['a', 'a'])
  await worker.fail('Busy')
  worker.beat(0)
  await settle()
  await worker.done(1)
  await worker.done(2)
  expect(await Promise.all([first.result, second.result])).toEqual([1, 2])
  expect(namesOf(worker)).toEqual(['a', 'a', 'a', 'b'])
})

test('pool-view/2: a write goes to another worker only when the first had not got it', async () => {
  const [one, two] = [new Worker('one'), new Worker('two')]
  one.beat()
  await settle()
  one.deaf()
  const { result } = await call('a', 'write')
  two.beat()
  await settle()
  expect(namesOf(two)).toEqual(['a'])
  two.goodbye('killed')
  await expect(result).rejects.toMatchObject({
    code: 'EffectOutcomeUnknown',
    message: expect.stringContaining('killed'),
  })
})

test('members/1: a worker without a beat for 3 s is gone, and its calls run elsewhere', async () => {
  const [one, two] = [new Worker('one'), new Worker('two')]
  one.beat()
  await settle()
  const { result } = await call('a')
  for (let at = 0; at < 3_500; at += 500) {
    two.beat(1)
    await pass(500)
  }
  expect(namesOf(two)).toEqual(['a'])
  expect(two.calls[0]?.id).toBe(one.calls[0]?.id)
  await two.done('there')
  expect(await result).toBe('there')
})

test('members/1: another nonce under the name of a worker is another worker', async () => {
  const worker = new Worker('one')
  worker.beat()
  await settle()
  const { result } = await call('a')
  const again = new Worker('one', 1, 'second')
  again.beat()
  worker.goodbye('late word of the first')
  await settle()
  await again.done(2)
  expect(await result).toBe(2)
})

test('pool-view/3: a call that kills two workers is not given to a third', async () => {
  const workers = ['one', 'two', 'three'].map((name) => new Worker(name))
  for (const worker of workers) worker.beat()
  await settle()
  const { result } = await call('a')
  for (const worker of workers.slice(0, 2)) {
    worker.goodbye('killed by SIGSEGV')
    await settle()
  }
  await expect(result).rejects.toMatchObject({ code: 'WorkerKiller', applied: 'unknown' })
  expect(workers[2]?.calls).toEqual([])
})

test('pool-view/4: a deadline in the queue means that nothing was started, one in a worker that nobody knows', async () => {
  const worker = new Worker('one')
  worker.beat()
  await settle()
  const running = await call('a', 'idempotent', 1_000)
  const waiting = await call('b', 'idempotent', 1_000)
  await pass(1_000)
  await expect(waiting.result).rejects.toMatchObject({ code: 'NoFreeWorker', applied: 'no' })
  await pass(300)
  await expect(running.result).rejects.toMatchObject({ code: 'Timeout', applied: 'unknown' })
  expect(worker.cancelled).toEqual([worker.calls[0]?.id])
  expect(running.evidence).toEqual([{ fn: 'a', worker: 'one', wallMs: 1_000 }])
})

test('a caller that leaves is told at once, and so is the worker', async () => {
  const worker = new Worker('one')
  worker.beat()
  await settle()
  const { result, leave } = await call('a')
  const waiting = await call('b')
  waiting.leave()
  await expect(waiting.result).rejects.toMatchObject({ code: 'Cancelled' })
  leave()
  await expect(result).rejects.toMatchObject({ code: 'Cancelled' })
  await settle()
  expect(worker.cancelled).toEqual([worker.calls[0]?.id])
  expect(namesOf(worker)).toEqual(['a'])
})

test('an answer to a cancel that was not ours means an id that is spent: the call is made under another', async () => {
  const worker = new Worker('one')
  worker.beat()
  await settle()
  const { result } = await call('a')
  await worker.fail('Cancelled')
  expect(worker.calls.map(({ id }) => id)).toEqual([`call-${calls}`, expect.stringMatching(/^call-\d+~/)])
  await worker.done('after all')
  expect(await result).toBe('after all')
})

test('pool-view/5: after a lost connection a call is repeated under its id', async () => {
  const worker = new Worker('one')
  worker.beat()
  await settle()
  const { result } = await call('a')
  here.cut()
  await worker.done('lost on the way')
  await pass(10)
  here.heal()
  await settle()
  expect(new Set(worker.calls.map(({ id }) => id)).size).toBe(1)
  expect(worker.calls).toHaveLength(2)
  await worker.done('kept')
  expect(await result).toBe('kept')
})

test('members/3: while this node is cut off no worker is lost; what nobody hears afterwards may have been done', async () => {
  const worker = new Worker('one')
  worker.beat()
  await settle()
  const kept = await call('a', 'write', 60_000)
  here.cut()
  await pass(10_000)
  here.heal()
  await settle()
  expect(worker.calls).toHaveLength(2)
  await worker.done(1)
  expect(await kept.result).toBe(1)
  const lost = await call('b', 'write', 60_000)
  here.cut()
  await pass(500)
  worker.say({ kind: 'hello', python: '3', lock: 'l' })
  here.heal()
  await settle()
  worker.deaf()
  worker.say({ kind: 'hello', python: '3', lock: 'l' })
  await settle()
  await expect(lost.result).rejects.toMatchObject({ code: 'EffectOutcomeUnknown' })
})

test('pool-view/1: workers with equal room take turns', async () => {
  const workers = [new Worker('one'), new Worker('two')]
  for (const worker of workers) worker.beat()
  await settle()
  for (const fn of ['a', 'b', 'c', 'd']) {
    const { result } = await call(fn)
    await workers.find(({ calls }) => calls.at(-1)?.fn === fn)?.done(fn)
    await pass(1)
    expect(await result).toBe(fn)
  }
  expect(workers.map(namesOf)).toEqual([
    ['a', 'c'],
    ['b', 'd'],
  ])
})

test('pool-view/6: without a worker the pool is asked; when none will come all who wait are told', async () => {
  poolSays = async () => ({ state: 'failed', size: 1, ready: 0, reason: 'exit code 1', output: ['ImportError'] })
  const [first, second] = [await call('a'), await call('b')]
  expect(asked).toEqual([])
  await pass(150)
  const told = { code: 'PoolUnavailable', details: { reason: 'exit code 1', output: ['ImportError'] } }
  await expect(first.result).rejects.toMatchObject(told)
  await expect(second.result).rejects.toMatchObject(told)
  expect(asked).toEqual(['main ensure'])
})

test('pool-view/6: a pool that is quarantined is told as such; one that nobody hosts now is asked again', async () => {
  poolSays = () => Promise.reject(new ActorQuarantined('too many failures'))
  const refused = await call('a')
  await pass(150)
  await expect(refused.result).rejects.toMatchObject({
    code: 'PoolUnavailable',
    message: expect.stringContaining('too many'),
  })
  poolSays = () => Promise.reject(new Timeout('nobody'))
  const waiting = await call('b')
  await pass(150)
  await pass(1_000)
  expect(asked).toHaveLength(3)
  const worker = new Worker('by hand')
  worker.beat()
  await settle()
  await worker.done(1)
  expect(await waiting.result).toBe(1)
})

test('pool-view/6: the pool is not asked while a worker lives, whoever started it', async () => {
  const worker = new Worker('by hand')
  const { result } = await call('a')
  await pass(100)
  worker.beat()
  await settle()
  await pass(100)
  await worker.done(1)
  expect(await result).toBe(1)
  expect(asked).toEqual([])
})

test('an answer that cannot be read ends its call, not the pool', async () => {
  const worker = new Worker('one')
  worker.beat()
  await settle()
  const { result } = await call('a')
  await worker.answer({ nonsense: true })
  await expect(result).rejects.toMatchObject({ code: 'ResultNotSerializable', applied: 'unknown' })
  const next = await call('b')
  await worker.done(1)
  expect(await next.result).toBe(1)
})

test('a stopped system ends all calls', async () => {
  const worker = new Worker('one')
  worker.beat()
  await settle()
  const [running, waiting] = [await call('a'), await call('b')]
  view.close()
  await expect(running.result).rejects.toMatchObject({ code: 'SystemStopped' })
  await expect(waiting.result).rejects.toMatchObject({ code: 'SystemStopped' })
})
