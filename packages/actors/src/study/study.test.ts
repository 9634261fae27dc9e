import { type Backend, createSystem, effect, memory, type System } from '@troupe/core'
import { replayAll } from '@troupe/core/replay'
import { describe, expect, test } from 'vitest'
import { choice, float, int } from '../domain.ts'
import type { ObjectiveInput, SamplerAnswer, SamplerQuestion } from './ports.ts'
import { randomSampler } from './random-sampler.ts'
import { study } from './study.ts'

const space = { x: float(-5, 5), n: int(1, 8), kind: choice(['a', 'b']) }
type Input = ObjectiveInput<typeof space>

const score = ({ x, n, kind }: Input['trial']['params']) => -(x * x) + n / 10 + (kind === 'b' ? 1 : 0)
const instant = effect('score', 'read', async ({ trial }: Input) => ({ value: score(trial.params) }))

/** An objective whose evaluations end when the test says so. */
function gate() {
  const waiting: { readonly number: number; open(): void }[] = []
  const objective = effect('gated', 'idempotent', ({ trial }: Input) => {
    return new Promise<{ value: number }>((resolve) => {
      waiting.push({ number: trial.number, open: () => resolve({ value: score(trial.params) }) })
    })
  })
  return { waiting, objective }
}

/** A sampler that remembers what it was asked. */
function curious() {
  const questions: SamplerQuestion[] = []
  const sampler = {
    name: 'curious',
    ask: effect('curious', 'read', async (question: SamplerQuestion): Promise<SamplerAnswer> => {
      questions.push(question)
      const { length } = question.trials
      return { params: { x: length / 10, n: 1 + (length % 8), kind: 'a' } }
    }),
  }
  return { questions, sampler }
}

const node = (backend: Backend, actors: Parameters<typeof createSystem>[0], name: string) =>
  createSystem({ ...actors, backend, node: name, shards: 8, leaseMs: 3_000 })

describe('a study', () => {
  const spec = { space, direction: 'maximize', sampler: randomSampler(), objective: instant, seed: 7 } as const

  test('tells all trials, numbered from 0 without a gap, and answers with the best', async () => {
    const tune = study('tune', spec)
    await using system = await createSystem({ actors: [tune.actor] })
    const run = await tune.in(system).run({ trials: 12, parallel: 3 })
    expect(run).toMatchObject({ state: 'idle', target: 12, asked: 12, told: 12, failed: 0, running: [] })
    const { trials } = await tune.in(system).status()
    expect(trials.map(({ number }) => number)).toEqual(Array.from({ length: 12 }, (_, n) => n))
    const values = trials.map(({ value }) => value ?? Number.NaN)
    expect(run.best?.value).toBe(Math.max(...values))
    expect(await tune.in(system).best()).toEqual(run.best)
  })

  test('evaluates up to `parallel` trials at a time, and only one waits for its parameters', async () => {
    const { waiting, objective } = gate()
    const { questions, sampler } = curious()
    const tune = study('tune', { ...spec, objective, sampler })
    await using system = await createSystem({ actors: [tune.actor] })
    const running = tune.in(system).run({ trials: 5, parallel: 3 })
    await expect.poll(() => waiting.length).toBe(3)
    expect(await tune.in(system).status()).toMatchObject({ state: 'running', asked: 3, told: 0, running: [0, 1, 2] })
    // The third question knows the parameters of the two that run.
    expect(questions.map(({ trials }) => trials.map(({ state }) => state))).toEqual([
      [],
      ['running'],
      ['running', 'running'],
    ])
    waiting[1]?.open()
    await expect.poll(() => waiting.length).toBe(4)
    expect(questions[3]).toMatchObject({
      study: 'tune',
      seed: 7,
      direction: 'maximize',
      op: 'tune/main:3',
      trials: [{ number: 0 }, { number: 1, state: 'complete', params: { x: 0.1, n: 2, kind: 'a' } }, { number: 2 }],
    })
    for (const { open } of waiting) open()
    await expect.poll(() => waiting.length).toBe(5)
    for (const { open } of waiting) open()
    expect((await running).told).toBe(5)
  })

  test('a larger run continues where the last one ended; the same run again asks for nothing', async () => {
    const tune = study('tune', spec)
    await using system = await createSystem({ actors: [tune.actor] })
    const handle = tune.in(system, 'k')
    await handle.run({ trials: 3 })
    const before = (await handle.status()).trials
    expect((await handle.run({ trials: 3 })).told).toBe(3)
    expect((await handle.run({ trials: 5, parallel: 2 })).told).toBe(5)
    expect((await handle.status()).trials.slice(0, 3)).toEqual(before)
  })

  test('a caller that gave up waits again under the same key and gets the answer of the same run', async () => {
    const { waiting, objective } = gate()
    const tune = study('tune', { ...spec, objective })
    await using system = await createSystem({ actors: [tune.actor] })
    const handle = tune.in(system)
    const first = handle.run({ trials: 2, idempotencyKey: 'once', timeoutMs: 100 })
    await expect(first).rejects.toMatchObject({ code: 'Timeout' })
    const second = handle.run({ trials: 2, idempotencyKey: 'once', timeoutMs: 5_000 })
    await expect.poll(() => waiting.length).toBe(1)
    waiting[0]?.open()
    await expect.poll(() => waiting.length).toBe(2)
    waiting[1]?.open()
    expect((await second).told).toBe(2)
  })

  test('announces each trial as it begins and ends, and each new best', async () => {
    const tune = study('tune', spec)
    await using system = await createSystem({ actors: [tune.actor] })
    const seen: string[] = []
    const ref = system.get(tune.actor, 'main')
    ref.on('trial', ({ number, state }) => seen.push(`${number} ${state}`))
    ref.on('best', ({ number }) => seen.push(`${number} best`))
    await tune.in(system).run({ trials: 2 })
    await expect.poll(() => seen.length).toBeGreaterThanOrEqual(5)
    expect(seen.filter((text) => text.startsWith('0'))).toEqual(['0 running', '0 best', '0 complete'])
  })

  test('a study in other words: minimise, another key, another seed', async () => {
    const tune = study('tune', { ...spec, direction: 'minimize' })
    await using system = await createSystem({ actors: [tune.actor] })
    const [a, b] = [tune.in(system, 'a'), tune.in(system, 'b')]
    const [{ best }] = [await a.run({ trials: 4 }), await b.run({ trials: 4 })]
    const { trials } = await a.status()
    expect(best?.value).toBe(Math.min(...trials.map(({ value }) => value ?? Number.NaN)))
    expect((await b.status()).trials).not.toEqual(trials)
  })

  test('study/4: a study that was begun with another space is not run on, and says what to do', async () => {
    const world = memory()
    const tune = study('tune', spec)
    const first = await node(world, { actors: [tune.actor] }, 'one')
    await tune.in(first).run({ trials: 2 })
    await first.drain()
    const wider = { ...space, x: float(-50, 50) }
    const objective = effect('other', 'read', async (_: ObjectiveInput<typeof wider>) => ({ value: 0 }))
    const other = study('tune', { ...spec, space: wider, objective })
    await using second = await node(world, { actors: [other.actor] }, 'two')
    await expect(other.in(second).run({ trials: 3 })).rejects.toMatchObject({
      code: 'LogicRefused',
      message: expect.stringMatching(/'tune\/main' was begun with another space.*another key/),
    })
    expect((await other.in(second, 'fresh').run({ trials: 3 })).told).toBe(3)
  })

  test('refuses a sampler that cannot be asked twice, and a space that is empty or cannot be searched', () => {
    const ask = effect('once', 'write', async (_: SamplerQuestion): Promise<SamplerAnswer> => ({ params: {} }))
    expect(() => study('tune', { ...spec, sampler: { name: 'once', ask } })).toThrow(/safe to ask twice/)
    const objective = effect('none', 'read', async (_: ObjectiveInput<{}>) => ({ value: 0 }))
    expect(() => study('tune', { ...spec, space: {}, objective })).toThrow(/space is empty/)
    const plain = JSON.parse('{ "x": { "low": 0, "high": 1 } }')
    expect(() => study('tune', { ...spec, space: plain })).toThrow(
      /a space is made of float\(\), int\(\) and choice\(\)/,
    )
  })
})

describe('failures', () => {
  const spec = { space, direction: 'maximize', sampler: randomSampler(), seed: 7, pauseMs: 1 } as const

  test('an objective that fails is tried again, then told as failed with its reason; the study goes on', async () => {
    const tries = new Map<number, number>()
    const objective = effect('flaky', 'idempotent', async ({ trial }: Input) => {
      const n = (tries.get(trial.number) ?? 0) + 1
      tries.set(trial.number, n)
      if (trial.number === 1 || n === 1) throw new Error(`broken ${trial.number}`)
      return { value: trial.number }
    })
    const tune = study('tune', { ...spec, objective, attempts: 2 })
    await using system = await createSystem({ actors: [tune.actor] })
    expect(await tune.in(system).run({ trials: 3, parallel: 2 })).toMatchObject({
      told: 3,
      failed: 1,
      best: { number: 2 },
    })
    expect([...tries].sort()).toEqual([
      [0, 2],
      [1, 2],
      [2, 2],
    ])
    const { trials } = await tune.in(system).status()
    expect(trials[1]).toMatchObject({ state: 'failed', reason: 'broken 1' })
    expect(trials[1]).not.toHaveProperty('value')
  })

  test('a value that is no finite number is a failure', async () => {
    const objective = effect('nan', 'read', async (_: Input) => ({ value: Number.NaN }))
    const tune = study('tune', { ...spec, objective })
    await using system = await createSystem({ actors: [tune.actor] })
    expect(await tune.in(system).run({ trials: 2 })).toMatchObject({ told: 2, failed: 2 })
  })

  test('parameters outside of the space are refused before anything is evaluated', async () => {
    const ask = effect(
      'wild',
      'read',
      async (_: SamplerQuestion): Promise<SamplerAnswer> => ({ params: { x: 99, n: 1, kind: 'a' } }),
    )
    const tune = study('tune', { ...spec, objective: instant, sampler: { name: 'wild', ask } })
    await using system = await createSystem({ actors: [tune.actor] })
    expect(await tune.in(system).run({ trials: 2 })).toMatchObject({ told: 2, failed: 2 })
    const { trials } = await tune.in(system).status()
    expect(trials[0]).toMatchObject({
      number: 0,
      params: {},
      reason: expect.stringMatching(/'x': expected a number from -5 to 5/),
    })
  })

  test('a write whose outcome nobody knows is told as failed, never tried again', async () => {
    const world = memory()
    let runs = 0
    const objective = effect('pay', 'write', async (_: Input) => {
      runs += 1
      return new Promise<{ value: number }>(() => {})
    })
    const tune = study('tune', { ...spec, objective })
    const first = await node(world, { actors: [tune.actor] }, 'one')
    await using client = await createSystem({ backend: world })
    const running = tune.in(client).run({ trials: 1 })
    await expect.poll(() => runs).toBe(1)
    await first.drain()
    await using _second = await node(world, { actors: [tune.actor] }, 'two')
    expect(await running).toMatchObject({ told: 1, failed: 1 })
    expect(runs).toBe(1)
  })
})

describe('a node dies in the middle of a run', () => {
  const spec = { space, direction: 'maximize', sampler: randomSampler(), seed: 7 } as const

  /** Runs on a first node until `crashAt` evaluations have begun, ends it without a word, and finishes on a second one. */
  async function run(trials: number, parallel: number, crashAt: number | undefined) {
    const world = memory()
    const begun: number[] = []
    let node1: System | undefined
    let crashed = false
    const objective = effect('slow', 'idempotent', async ({ trial }: Input) => {
      begun.push(trial.number)
      if (begun.length === crashAt && !crashed) {
        crashed = true
        void node1?.stop()
        return new Promise<{ value: number }>(() => {})
      }
      return { value: score(trial.params) }
    })
    const tune = study('tune', { ...spec, objective })
    node1 = await node(world, { actors: [tune.actor] }, 'one')
    await using client = await createSystem({ backend: world })
    const ended = tune.in(client).run({ trials, parallel, timeoutMs: 15_000 })
    if (crashAt === undefined) await ended
    else await expect.poll(() => crashed).toBe(true)
    await using _second = crashAt === undefined ? undefined : await node(world, { actors: [tune.actor] }, 'two')
    const summary = await ended
    const status = await tune.in(client).status()
    const { journal } = client.connection
    const replay = await replayAll(journal, client.runtime.subjects, [tune.actor])
    await node1.stop()
    return { summary, status, begun, replay }
  }

  test.concurrent('the open run is answered by the next node; every trial is told once', async ({ expect }) => {
    const { summary, status, begun, replay } = await run(9, 3, 5)
    expect(summary).toMatchObject({ state: 'idle', told: 9, failed: 0, asked: 9 })
    expect(status.trials.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(status.trials.every(({ state }) => state === 'complete')).toBe(true)
    expect(begun.length).toBeGreaterThan(9) // what had not been told was evaluated again
    expect(replay).toMatchObject({ mismatches: 0, skipped: [] })
  })

  test.concurrent('a study whose state no longer fits into each record is folded from its tail', async ({ expect }) => {
    const { summary, status, replay } = await run(150, 4, 90)
    expect(summary).toMatchObject({ told: 150, failed: 0 })
    expect(new Set(status.trials.map(({ number }) => number)).size).toBe(150)
    expect(replay).toMatchObject({ mismatches: 0, skipped: [] })
  })

  test.concurrent('one trial at a time: the crash is not visible in the result', async ({ expect }) => {
    const [calm, broken] = await Promise.all([run(6, 1, undefined), run(6, 1, 4)])
    expect(broken.begun).toEqual([0, 1, 2, 3, 3, 4, 5])
    expect(broken.status).toEqual(calm.status)
    expect(broken.summary).toEqual(calm.summary)
  })
})
