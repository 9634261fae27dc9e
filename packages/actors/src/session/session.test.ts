import { createSystem, effect, memory } from '@troupe/core'
import { describe, expect, test } from 'vitest'
import { float } from '../domain.ts'
import type { ObjectiveInput } from '../study/ports.ts'
import { randomSampler } from '../study/random-sampler.ts'
import { study } from '../study/study.ts'
import { variables, variablesSays } from '../variable/variables.ts'
import { KEPT_EXECUTIONS } from './executions.ts'
import { session } from './session.ts'

const double = effect('double', 'read', async ({ n }: { n: number }) => n * 2)
const broken = effect('broken', 'read', async (_: unknown): Promise<number> => {
  throw new TypeError('no such thing')
})

describe('a session', () => {
  test('runs a job and answers with its result; a failure is an answer too', async () => {
    const work = session({ jobs: { double, broken } })
    await using system = await createSystem({ actors: [work] })
    const ref = system.get(work, 's1')
    expect(await ref.ask({ type: 'run', job: 'double', input: { n: 4 } })).toEqual({ ok: true, output: 8 })
    expect(await ref.ask({ type: 'run', job: 'broken', input: null })).toEqual({
      ok: false,
      error: { code: 'ActorFailed', message: 'TypeError: no such thing' },
    })
    const status = await ref.ask({ type: 'status' })
    expect(status).toMatchObject({ id: 's1', state: 'idle', running: [], metrics: { ok: 1, failed: 1 } })
    expect(status.history).toMatchObject([
      { job: 'double', ok: true },
      { job: 'broken', ok: false },
    ])
    await expect(ref.ask({ type: 'run', job: 'unknown', input: null })).rejects.toMatchObject({ code: 'InvalidEvent' })
  })

  test('several jobs may run; each answers its own ask', async () => {
    const open = new Map<number, () => void>()
    const slow = effect('slow', 'read', (n: number) => {
      return new Promise<string>((resolve) => open.set(n, () => resolve(`job ${n}`)))
    })
    const work = session({ jobs: { slow } })
    await using system = await createSystem({ actors: [work] })
    const ref = system.get(work, 's1')
    const [one, two] = [1, 2].map((input) => ref.ask({ type: 'run', job: 'slow', input }))
    await expect.poll(() => open.size).toBe(2)
    expect(await ref.ask({ type: 'status' })).toMatchObject({
      state: 'busy',
      running: [{ job: 'slow' }, { job: 'slow' }],
    })
    open.get(2)?.()
    expect(await two).toEqual({ ok: true, output: 'job 2' })
    open.get(1)?.()
    expect(await one).toEqual({ ok: true, output: 'job 1' })
  })

  test('a result that comes after its asker gave up is not the answer to another ask', async () => {
    const open = new Map<number, () => void>()
    const slow = effect('slow', 'read', (n: number) => {
      return new Promise<string>((resolve) => open.set(n, () => resolve(`job ${n}`)))
    })
    const work = session({ jobs: { slow } })
    await using system = await createSystem({ actors: [work] })
    const ref = system.get(work, 's1')
    const one = ref.ask({ type: 'run', job: 'slow', input: 1 }, { timeoutMs: 50 })
    await expect(one).rejects.toMatchObject({ code: 'Timeout' })
    const two = ref.ask({ type: 'run', job: 'slow', input: 2 })
    await expect.poll(() => open.size).toBe(2)
    open.get(1)?.()
    await expect.poll(async () => (await ref.ask({ type: 'status' })).metrics.ok).toBe(1)
    open.get(2)?.()
    expect(await two).toEqual({ ok: true, output: 'job 2' })
  })

  test('keeps what is noted, and a bounded history', async () => {
    const work = session({ jobs: { double } })
    await using system = await createSystem({ actors: [work] })
    const ref = system.get(work, 's1')
    await ref.ask({ type: 'note', optimisation: { study: 'tune' }, workerAffinity: 'w1' })
    await ref.ask({ type: 'note', optimisation: { best: 3 } })
    const runs = Array.from({ length: KEPT_EXECUTIONS + 5 }, (_, n) =>
      ref.ask({ type: 'run', job: 'double', input: { n } }),
    )
    await Promise.all(runs)
    const status = await ref.ask({ type: 'status' })
    expect(status).toMatchObject({ optimisation: { study: 'tune', best: 3 }, workerAffinity: 'w1' })
    expect(status.metrics.ok).toBe(KEPT_EXECUTIONS + 5)
    expect(status.history).toHaveLength(KEPT_EXECUTIONS)
    await ref.ask({ type: 'note', workerAffinity: null })
    expect(await ref.ask({ type: 'status' })).not.toHaveProperty('workerAffinity')
  })

  test('optimises and promotes: session, study and variables, over a hand-over in the middle', async () => {
    const space = { x: float(-1, 1) }
    const open: (() => void)[] = []
    const objective = effect('score', 'idempotent', ({ trial }: ObjectiveInput<typeof space>) => {
      const { x } = trial.params
      return new Promise<{ value: number }>((resolve) => open.push(() => resolve({ value: -x * x })))
    })
    const tune = study('tune', { space, direction: 'maximize', sampler: randomSampler(), objective, seed: 3 })
    const work = session({
      jobs: { optimise: tune.says.ask('run', { timeoutMs: 60_000 }), promote: variablesSays.ask('set') },
    })
    const actors = [tune.actor, work, variables]
    const world = memory()
    const first = await createSystem({ actors, backend: world, shards: 8, node: 'one' })
    await using client = await createSystem({ backend: world })
    const ref = client.get(work, 'demo')
    const input = { key: 'main', trials: 4, parallel: 2 }
    const optimised = ref.ask({ type: 'run', job: 'optimise', input }, { timeoutMs: 15_000 })
    await expect.poll(() => open.length).toBe(2)
    open[0]?.()
    await expect.poll(() => open.length).toBe(3)
    await first.drain()
    await using second = await createSystem({ actors, backend: world, shards: 8, node: 'two' })
    await expect
      .poll(async () => {
        for (const go of open.splice(0)) go()
        return (await tune.in(client).status()).told
      })
      .toBe(4)
    expect(await optimised).toMatchObject({ ok: true, output: { told: 4, failed: 0 } })
    const best = await tune.in(client).best()
    const values = best?.params ?? {}
    const set = { key: 'tune', values, by: 'session/demo', note: { trial: best?.number } }
    expect(await ref.ask({ type: 'run', job: 'promote', input: set })).toEqual({
      ok: true,
      output: { ok: true, revision: 1 },
    })
    expect((await second.get(variables, 'tune').ask({ type: 'get' })).values).toMatchObject({
      x: { value: best?.params.x, by: 'session/demo' },
    })
    expect((await ref.ask({ type: 'status' })).history.map(({ job, ok }) => [job, ok])).toEqual([
      ['optimise', true],
      ['promote', true],
    ])
  })
})
