import {
  type AnyActorDef,
  createSystem,
  defineActor,
  type EffectRuntime,
  effect,
  memory,
  protocol,
  Subjects,
  type System,
  Timeout,
} from '@troupe/core'
import { decodeRecord, replayAll } from '@troupe/core/replay'
import { streaming } from '@troupe/resilience'
import { signature } from '@troupe/signatures'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ModelError, type ModelRequest } from './model.ts'
import { routed } from './routed.ts'
import type { Route } from './routes.ts'
import { routings } from './routing.ts'
import { type Line, scriptedModel } from './scripted-model.ts'

const triage = signature("docstring: str -> module: Literal['email', 'socket'], score: float", { name: 'Triage' })
type In = { docstring: string }
type Out = { module: 'email' | 'socket'; score: number }
const input = { docstring: 'Read a message.' }
const good = '{"module": "email", "score": 0.5}'
const down = new ModelError('ServerFailed', 'down')
const cents = (inPerMillion: number) => ({ inPerMillion, outPerMillion: inPerMillion })

function route(name: string, lines: readonly Line[], price = 1) {
  const model = scriptedModel(lines, { name })
  return { name, model, price: cents(price), asked: model.asked } satisfies Route<In, Out> & { asked: unknown }
}
const says = protocol('idle', { events: { nothing: z.object({}) } })
const idle = defineActor(says, { logic: says.handlers({}, { nothing: (state) => ({ state }) }) })
const systemOf = (...defs: readonly AnyActorDef[]) => createSystem({ actors: [...defs, idle], backend: memory() })

/** What the effects' records say, in order. */
async function records(system: System): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const { bytes } of system.connection.journal.read(`tr.${system.connection.namespace}.j.>`)) {
    for (const { effect: ended } of decodeRecord(bytes).steps) if (ended?.evidence) found.push(ended.evidence)
  }
  return found
}
const evidenceOf = (system: System) => system.get(routings, triage.hash).ask({ type: 'evidence' })

test('routed/1: the better route is found by evidence, and what came of each choice is told', async () => {
  await using system = await systemOf(routings)
  const cheap = route('cheap', Array(20).fill('no JSON'), 0.1)
  const strong = route('strong', Array(20).fill(good), 1)
  const ask = routed(triage, { routes: [cheap, strong], maxRepairs: 0 })
  for (let n = 0; n < 8; n++) expect(await system.run(ask, input)).toEqual({ module: 'email', score: 0.5 })
  const { routes } = await evidenceOf(system)
  expect(routes['strong']).toMatchObject({ outcomes: 8, wrong: 0 })
  expect(cheap.asked.length).toBeLessThan(4)
  expect(routes['cheap']?.right).toBe(0)
})

test('escalate asks the cheapest first, and the next one when its answer is not accepted', async () => {
  await using system = await systemOf(routings)
  const cheap = route('cheap', [good], 0.1)
  const strong = route('strong', ['{"module": "socket", "score": 0.99}'], 1)
  const accept = ({ score }: Out) => score > 0.9
  const ask = routed(triage, { routes: [strong, cheap], policy: { order: 'escalate' }, accept })
  expect(await system.run(ask, input)).toEqual({ module: 'socket', score: 0.99 })
  expect([cheap.asked.length, strong.asked.length]).toEqual([1, 1])
  const never = routed(triage, { routes: [route('only', [good])], accept: () => false })
  await expect(system.run(never, input)).rejects.toMatchObject({ code: 'ResultRefused' })
})

test('routed/2: a route that fails is followed by the next; one that refuses rests for as long as it says', async () => {
  await using system = await systemOf(routings)
  const busy = new ModelError('RateLimited', 'slow down', { retryAfterMs: 60_000 })
  const first = route('first', [busy], 0.1)
  const second = route('second', [down, good, good], 0.2)
  const third = route('third', [good], 0.3)
  const ask = routed(triage, { routes: [first, second, third], policy: { order: 'escalate' } })
  expect(await system.run(ask, input)).toMatchObject({ module: 'email' })
  expect([first, second, third].map(({ asked }) => asked.length)).toEqual([1, 1, 1])
  await system.run(ask, input)
  expect([first, second, third].map(({ asked }) => asked.length)).toEqual([1, 2, 1])
  const alone = routed(triage, { routes: [first] })
  await expect(system.run(alone, input)).rejects.toMatchObject({
    code: 'Busy',
    details: { retryAfterMs: expect.any(Number) },
  })
})

test('a refusal of one input is no rest of the route, and no mark against it; a wrong key is', async () => {
  await using system = await systemOf(routings)
  for (const code of ['ContextTooLong', 'InvalidRequest', 'Unsupported', 'Unauthorized', 'UnknownModel'] as const) {
    // After `Unsupported` the other formats are tried.
    const more =
      code === 'Unsupported' ? [new ModelError(code, 'no'), new ModelError(code, 'no'), new ModelError(code, 'no')] : []
    const model = scriptedModel([new ModelError(code, 'no'), ...more, good])
    const ask = routed(triage, { routes: [{ name: 'm', model }], routing: code })
    await expect(system.run(ask, input)).rejects.toThrow()
    expect(await system.run(ask, input)).toMatchObject({ module: 'email' })
    const { routes } = await system.get(routings, code).ask({ type: 'evidence' })
    const failed = code === 'Unauthorized' || code === 'UnknownModel' ? 1 : 0
    expect([code, routes['m']?.outcomes]).toEqual([code, 1 + failed])
  }
})

test('routed/2: nobody else is asked after a first streamed byte, or for an input that fits no schema', async () => {
  await using system = await systemOf(routings)
  const broken = effect('streams', 'idempotent', async (_: In, context): Promise<Out> => {
    streaming(context)
    throw new Error('cut')
  })
  const other = route('other', [good, good])
  const ask = routed(triage, { routes: [{ name: 'streams', effect: broken }, other], pin: 'streams' })
  await expect(system.run(ask, input)).rejects.toThrow('cut')
  const both = routed(triage, {
    routes: [{ name: 'streams', effect: broken, price: cents(0) }, other],
    policy: { order: 'escalate' },
  })
  await expect(system.run(both, input)).rejects.toThrow('cut')
  const wrong: In = JSON.parse('{"docstring": 7}')
  await expect(system.run(routed(triage, { routes: [other] }), wrong)).rejects.toMatchObject({ code: 'InvalidEvent' })
  expect(other.asked.length).toBe(0)
})

test('a pin of an operator holds for all, before that of the caller, until it is taken away', async () => {
  await using system = await systemOf(routings)
  const routes = [route('a', Array(9).fill(good), 1), route('b', Array(9).fill(good), 2)]
  const ask = routed(triage, { routes, pin: 'a' })
  await system.get(routings, triage.hash).ask({ type: 'pin', route: 'b' })
  await system.run(ask, input)
  await system.get(routings, triage.hash).ask({ type: 'pin', route: null })
  await system.run(ask, input)
  expect(routes.map(({ asked }) => asked.length)).toEqual([1, 1])
})

test('routed/3: a routing that cannot be asked costs its evidence, and a second once in a while', async () => {
  await using system = await systemOf()
  const ask = routed(triage, { routes: [route('only', Array(9).fill(good))] })
  const beganMs = performance.now()
  for (let n = 0; n < 5; n++) expect(await system.run(ask, input)).toMatchObject({ module: 'email' })
  expect(performance.now() - beganMs).toBeLessThan(3_000)
  const [record] = await records(system)
  expect(record).toMatchObject({
    'routed.Triage': { unasked: expect.any(String), asked: [{ route: 'only', ended: 'accepted' }] },
  })
})

test('routed/1: nobody waits for what is told, and what comes of it hurts nobody', async () => {
  await using system = await systemOf(routings)
  const { runtime } = system
  for (const come of [() => new Promise<never>(() => {}), () => Promise.reject(new Timeout('no answer'))]) {
    const told: unknown[] = []
    const around: EffectRuntime = {
      ...{
        namespace: runtime.namespace,
        node: runtime.node,
        servers: [],
        subjects: runtime.subjects,
        bus: runtime.bus,
      },
      ...{ clock: runtime.clock, entropy: runtime.entropy },
      shared: (Class, name) => runtime.shared(Class, name),
      ask: (...args) => {
        if (args[2].type !== 'tell') return runtime.ask(...args)
        told.push(args[2])
        return come()
      },
    }
    const cause = { correlation: 'c', causation: 'c' }
    const { signal } = new AbortController()
    const context = { effectId: 'e', attempt: 1, cause, signal, evidence: () => {}, runtime: around }
    const ask = routed(triage, { routes: [route('a', [good])] })
    expect(await ask.effect.run(input, context)).toMatchObject({ module: 'email' })
    expect(told).toMatchObject([{ outcomes: [{ route: 'a', outcome: { kind: 'answered' } }] }])
  }
})

test('what a route has learned of its server stays, and a repair lowers its quality where a refused format does not', async () => {
  await using system = await systemOf(routings)
  const old = (bad: string) => {
    let answers = 0
    return (request: ModelRequest) => {
      if (request.format?.kind === 'json-schema' || request.tools) {
        throw new ModelError('InvalidRequest', 'no such format', { status: 400 })
      }
      answers += 1
      return answers % 2 === 1 ? bad : good
    }
  }
  const rightOf = async (bad: string) => {
    const routing = `old ${bad}`
    const model = scriptedModel(Array(20).fill(old(bad)))
    const ask = routed(triage, { routes: [{ name: 'old', model }], routing })
    for (let n = 0; n < 4; n++) await system.run(ask, input)
    const { routes } = await system.get(routings, routing).ask({ type: 'evidence' })
    return { calls: model.asked.length, ...routes['old'] }
  }
  expect(await rightOf(good)).toMatchObject({ calls: 2 + 4, outcomes: 4, wrong: 0 })
  const repaired = await rightOf('no JSON')
  expect(repaired).toMatchObject({ calls: 2 + 8, outcomes: 4 })
  expect(repaired.right).toBeCloseTo(repaired.wrong ?? 0)
})

test('routed/6: what a function of the caller throws ends the effect, and no other route is asked', async () => {
  await using system = await systemOf(routings)
  const thrown = () => {
    throw new RangeError('a bug')
  }
  for (const more of [{ accept: thrown }, { quality: thrown }, { needs: thrown }]) {
    const routes = [route('a', [good]), route('b', [good])]
    await expect(system.run(routed(triage, { routes, ...more }), input)).rejects.toThrow('a bug')
    expect(routes.map(({ asked }) => asked.length)).toEqual(['needs' in more ? 0 : 1, 0])
  }
  const routes = [route('a', [{ stream: [good] }]), route('b', [good])]
  await expect(system.run(routed(triage, { routes, onPartial: thrown }), input)).rejects.toThrow('a bug')
  expect(routes.map(({ asked }) => asked.length)).toEqual([1, 0])
  const none = routed(triage, { routes: [route('a', [good])], quality: () => Number.NaN })
  await expect(system.run(none, input)).rejects.toThrow(/quality of an answer is NaN/)
  expect((await evidenceOf(system)).routes).toEqual({})
  const high = routed(triage, { routes: [route('a', [good])], quality: () => 7 })
  expect(await system.run(high, input)).toMatchObject({ module: 'email' })
  await expect.poll(async () => (await evidenceOf(system)).routes['a']?.right).toBe(1)
})

test('routed/2: an answer that was heard and is not accepted is not followed by another', async () => {
  await using system = await systemOf(routings)
  const routes = [route('a', [{ stream: [good.slice(0, 20), good.slice(20)] }]), route('b', [good])]
  const ask = routed(triage, { routes, accept: () => false, onPartial: () => {} })
  await expect(system.run(ask, input)).rejects.toMatchObject({ code: 'ResultRefused' })
  expect(routes.map(({ asked }) => asked.length)).toEqual([1, 0])
})

test('numbers without an end are no limits, and what is no number is refused by its name', async () => {
  await using system = await systemOf(routings)
  const endless = { ...route('a', [good]), contextTokens: Number.POSITIVE_INFINITY }
  const needs = () => ({ withinMs: Number.POSITIVE_INFINITY, maxUsd: Number.POSITIVE_INFINITY })
  await system.run(routed(triage, { routes: [endless], needs }), input)
  await expect.poll(async () => (await evidenceOf(system)).routes['a']?.outcomes).toBe(1)
  const wrong = routed(triage, { routes: [route('a', [])], needs: () => ({ maxUsd: Number.NaN }) })
  await expect(system.run(wrong, input)).rejects.toMatchObject({ code: 'InvalidEvent' })
  expect(() => routed(triage, { routes: [{ ...route('a', []), contextTokens: Number.NaN }] })).toThrow(/route 'a'/)
  expect(() => routed(triage, { routes: [route('a', [])], policy: { costWeight: Number.NaN } })).toThrow(/its policy/)
})

test('an operator who pins what is no route stops nobody, and the choice says so', async () => {
  await using system = await systemOf(routings)
  const routes = [route('a', [good, good]), route('b', [good, good])]
  await system.get(routings, triage.hash).ask({ type: 'pin', route: 'typo' })
  await system.run(routed(triage, { routes }), input)
  await system.run(routed(triage, { routes, pin: 'b' }), input)
  expect(routes.map(({ asked }) => asked.length)).toEqual([1, 1])
  expect(await records(system)).toMatchObject([
    { 'routed.Triage': { selection: { pinned: null, unknownPin: 'typo' } } },
    { 'routed.Triage': { selection: { pinned: 'b', unknownPin: 'typo' } } },
  ])
})

test('routed/4: one plain string is asked for in words', async () => {
  await using system = await systemOf(routings)
  const summary = signature('text: str -> summary: str', { desc: { summary: 'one line' } })
  const model = scriptedModel(['  It is short.\n'])
  expect(await system.run(routed(summary, { routes: [{ name: 'm', model }] }), { text: 'long' })).toEqual({
    summary: 'It is short.',
  })
  expect(model.asked[0]?.format).toBeUndefined()
  expect(model.asked[0]?.messages[0]?.content).toContain('Answer with summary, one line, as plain text')
})

test('one plain string is heard as it grows, its input is checked, and it is never repaired', async () => {
  await using system = await systemOf(routings)
  const summary = signature('text: str -> summary: str')
  const model = scriptedModel([{ stream: ['It is', ' short.'] }])
  const heard: unknown[] = []
  const onPartial = (value: object) => heard.push({ ...value })
  const ask = routed(summary, { routes: [{ name: 'm', model }], onPartial })
  expect(await system.run(ask, { text: 'long' })).toEqual({ summary: 'It is short.' })
  expect(heard.length).toBeGreaterThan(1)
  expect(heard.at(-1)).toEqual({ summary: 'It is short.' })
  const wrong: { text: string } = JSON.parse('{"text": 7}')
  await expect(system.run(ask, wrong)).rejects.toMatchObject({ code: 'InvalidEvent' })
  expect(() => routed(summary, { routes: [{ name: 'm', model }], maxRepairs: 1 })).toThrow(/maxRepairs/)
})

test('routing/1: choices are in the log with their evidence, and the log replays to the same', async () => {
  await using system = await systemOf(routings)
  const routes = [route('a', Array(9).fill(good)), route('b', Array(9).fill(good))]
  const ask = routed(triage, { routes, policy: { explore: 'thompson' } })
  for (let n = 0; n < 5; n++) await system.run(ask, input)
  const chosen = (await records(system)).map((record) =>
    z
      .looseObject({
        'routed.Triage': z.looseObject({ selection: z.looseObject({ seed: z.string(), order: z.array(z.string()) }) }),
      })
      .parse(record),
  )
  expect(new Set(chosen.map((one) => one['routed.Triage'].selection.seed)).size).toBe(5)
  const { journal, namespace } = system.connection
  expect(await replayAll(journal, new Subjects(namespace), [routings, idle])).toMatchObject({ mismatches: 0 })
})

test('routes without names of their own are refused when they are declared', () => {
  expect(() => routed(triage, { routes: [] })).toThrow(/has no routes/)
  expect(() => routed(triage, { routes: [route('a', []), route('a', [])] })).toThrow(/same name/)
  expect(() => routed(triage, { routes: [route('a', [])], pin: 'b' })).toThrow(/'b' is pinned/)
  expect(() => routed(triage, { routes: [route('__proto__', [])] })).toThrow(/cannot have the name '__proto__'/)
  expect(() => routed(triage, { routes: [route('', [])] })).toThrow(/route ''/)
  expect(() => routed(triage, { routes: [route('a', [])], routing: 'x'.repeat(200) })).toThrow(/128/)
})
