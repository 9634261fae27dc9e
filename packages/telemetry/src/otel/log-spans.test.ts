import { createSystem, defineActor, effect, type JournalEntry, memory, protocol, type System } from '@troupe/core'
import { eventually } from '@troupe/core/testing'
import { beforeAll, describe, expect, test } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import type { LogSpan } from './log-span.ts'
import { LogSpans } from './log-spans.ts'

const workSays = protocol('work', {
  events: { begin: z.object({ n: z.number() }), leave: z.object({}), note: z.object({}), nap: z.object({}) },
  replies: { begin: z.number() },
})
const compute = effect('compute', 'idempotent', async ({ n }: { n: number }, { evidence, signal }) => {
  if (n < 0) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  evidence({
    ...{ worker: 'w1', fn: 'twice', wallMs: 1 },
    spans: [
      { id: 'm', parent: null, kind: 'module', name: 'Twice', startMs: 0, endMs: 1 },
      {
        id: 'l',
        parent: 'm',
        kind: 'lm',
        name: 'LM',
        startMs: 0.2,
        endMs: 0.8,
        data: { model: 'm1', promptTokens: 7 },
      },
      { id: 't', parent: 'gone', kind: 'tool', name: 'look', startMs: 0, endMs: 0.1 },
    ],
    'predict.Label@m2': {
      provider: 'acme',
      earlier: [{ provider: 'acme', tries: [{ error: 'Busy', startMs: 0, endMs: 0 }] }],
      tries: [
        { format: 'json_schema', error: 'TypeError: secret text', startMs: 0, endMs: 1 },
        { format: 'text', usage: { promptTokens: 3, completionTokens: 4 }, faults: ['it is no JSON'] },
      ],
    },
  })
  if (n === 0) throw new RangeError('nothing to do')
  return n * 2
})
const work = defineActor(workSays, {
  logic: setup({ types: workSays.types<Record<string, never>>(), actors: { compute } }).createMachine({
    context: {},
    initial: 'idle',
    states: {
      idle: { on: { begin: 'busy', note: {}, nap: 'napping' } },
      busy: {
        on: { leave: 'idle' },
        invoke: {
          src: 'compute',
          input: ({ event }) => ({ n: event.type === 'begin' ? event.n : 0 }),
          onDone: { target: 'idle', actions: workSays.reply('begin', ({ event }) => event.output) },
          onError: { target: 'idle', actions: workSays.reply('begin', () => -1) },
        },
      },
      napping: { after: { 1: 'idle' } },
    },
  }),
})
const bossSays = protocol('boss', { events: { order: z.object({ n: z.number() }) }, replies: { order: z.number() } })
const hire = workSays.ask('begin')
const boss = defineActor(bossSays, {
  logic: setup({ types: bossSays.types<Record<string, never>>(), actors: { hire, compute } }).createMachine({
    context: {},
    initial: 'idle',
    states: {
      idle: { on: { order: 'hiring' } },
      hiring: {
        invoke: {
          src: 'hire',
          input: ({ event }) => ({ key: 'w', n: event.type === 'order' ? event.n : 1 }),
          onDone: 'checking',
        },
      },
      checking: {
        entry: workSays.sendTo('w', { type: 'note' }),
        invoke: {
          src: 'compute',
          input: { n: 5 },
          onDone: { target: 'idle', actions: bossSays.reply('order', ({ event }) => event.output) },
        },
      },
    },
  }),
})

const flaky = effect('flaky', 'idempotent', async ({ fails }: { fails: number }, { evidence }) => {
  evidence({ worker: 'w1', fn: 'flaky', wallMs: 1, spans: [] })
  if (tries++ < fails) throw new Error('not yet')
  return tries
})
const flakySays = protocol('flaky', { events: { go: z.object({}) }, replies: { go: z.number() } })
const flakyActor = defineActor(flakySays, {
  supervision: { backoffMs: [1, 1] },
  logic: setup({ types: flakySays.types<Record<string, never>>(), actors: { flaky } }).createMachine({
    context: {},
    initial: 'idle',
    states: {
      idle: { on: { go: 'going' } },
      going: {
        invoke: {
          src: 'flaky',
          input: { fails: 2 },
          onDone: { target: 'idle', actions: flakySays.reply('go', ({ event }) => event.output) },
        },
      },
    },
  }),
})
let tries = 0

async function entriesOf({ connection, runtime }: System): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = []
  for await (const entry of connection.journal.read(runtime.subjects.journals())) entries.push(entry)
  return entries
}

let entries: JournalEntry[]
beforeAll(async () => {
  await using system = await createSystem({ actors: [work, boss, flakyActor], backend: memory(), node: 'here' })
  expect(await system.get(boss, 'b').ask({ type: 'order', n: 3 })).toBe(10)
  expect(await system.get(flakyActor, 'f').ask({ type: 'go' })).toBe(3)
  expect(await system.get(work, 'fails').ask({ type: 'begin', n: 0 })).toBe(-1)
  const slow = system.get(work, 'leaves')
  slow.ask({ type: 'begin', n: -1 }).catch(() => {})
  const isBusy = async () => (await slow.snapshot()).matches('busy')
  await eventually(isBusy, { withinMs: 5_000 })
  await slow.ask({ type: 'leave' })
  await expect(slow.ask({ type: 'leave' })).rejects.toMatchObject({ code: 'EventNotAccepted' })
  await system.get(work, 'mail').deliver({ type: 'nap' })
  const open = system.get(work, 'open')
  open.ask({ type: 'begin', n: -1 }).catch(() => {})
  await eventually(async () => (await open.snapshot()).matches('busy'), { withinMs: 5_000 })
  const noted = async () => JSON.stringify((await entriesOf(system)).map(({ bytes }) => Buffer.from(bytes).toString()))
  await eventually(async () => /"type\\*":\\*"note/.test(await noted()) && /"kind\\*":\\*"timer/.test(await noted()), {
    withinMs: 5_000,
  })
  entries = await entriesOf(system)
})

const END_MS = 9e12

function spansOf(some: readonly JournalEntry[]): {
  readonly ended: LogSpan[]
  readonly rest: LogSpan[]
  state: string
} {
  const spans = new LogSpans('log')
  const ended = some.flatMap((entry) => spans.take(entry))
  return { ended, rest: spans.rest(END_MS), state: JSON.stringify(spans.state()) }
}

const all = (): LogSpan[] => {
  const { ended, rest } = spansOf(entries)
  return [...ended, ...rest]
}
const named = (name: string): LogSpan[] => all().filter((span) => span.name === name)
const one = (name: string, actor: string): LogSpan => {
  const found = named(name).filter(({ attributes }) => JSON.stringify(attributes).includes(actor))
  expect(found.map(({ name }) => name)).toEqual([name])
  return found[0] as LogSpan
}

test('log-spans/2: every parent is there, no id comes twice, no span ends before it begins', () => {
  const spans = all()
  const ids = spans.map(({ traceId, spanId }) => `${traceId} ${spanId}`)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { traceId, parentId, name, startMs, endMs } of spans) {
    if (parentId !== undefined) expect(ids, name).toContain(`${traceId} ${parentId}`)
    expect(endMs).toBeGreaterThanOrEqual(startMs)
  }
  for (const { traceId, spanId } of spans) expect(`${traceId} ${spanId}`).toMatch(/^[0-9a-f]{32} [0-9a-f]{16}$/)
  // One root per trace: the ask or what stands at its beginning.
  const roots = spans.filter(({ parentId }) => parentId === undefined)
  const traces = new Set(spans.map(({ traceId }) => traceId))
  expect(roots.filter(({ name }) => name.startsWith('send ')).length).toBeGreaterThan(4)
  expect(roots.length).toBeLessThanOrEqual(traces.size + 1) // a letter's receiver is made before it is taken
})

test('an ask spans what it led to, also at another actor; what goes on by itself stands under it and names its step', () => {
  const ask = one('send boss order', 'boss/b')
  const hired = one('ask work.begin', 'boss/b')
  const inner = one('send work begin', 'work/w"')
  expect(one('process boss order', 'boss/b').parentId).toBe(ask.spanId)
  expect(hired.parentId).toBe(one('process boss order', 'boss/b').spanId)
  expect(inner.parentId).toBe(hired.spanId)
  const checked = named('compute').filter(({ attributes }) => attributes['troupe.actor'] === 'boss/b')
  expect(checked.map(({ parentId }) => parentId)).toEqual([ask.spanId])
  expect(checked[0]?.links).toHaveLength(1)
  expect(one('process work note', 'work/w"').parentId).toBe(checked[0]?.links?.[0]?.spanId)
  expect(one('boss boss', 'boss/b').parentId).toBe(ask.spanId)
})

describe('how things ended', () => {
  test('a failure carries its code and never its message', () => {
    const failed = named('compute').filter(({ error }) => error !== undefined)
    expect(failed.map(({ error }) => error)).toEqual(['RangeError'])
    expect(JSON.stringify(all())).not.toMatch(/nothing to do|secret text|it is no JSON/)
  })

  test('an effect that supervision begins again is one span, with the Python call of each try', () => {
    const [span, ...others] = named('flaky')
    expect(others).toEqual([])
    expect(span).toMatchObject({ attributes: { 'troupe.effect.failures': 2 } })
    expect(span?.error).toBeUndefined()
    const calls = named('python flaky')
    expect(calls.map(({ parentId, error }) => [parentId, error])).toEqual(
      ['PythonError', 'PythonError', undefined].map((error) => [span?.spanId, error]),
    )
  })

  test('a refused ask has the code of its refusal; a stopped effect says so', () => {
    expect(named('send work leave').map(({ error }) => error)).toEqual([undefined, 'EventNotAccepted'])
    const stopped = all().filter(({ attributes }) => attributes['troupe.effect.stopped'] === true)
    expect(stopped.map(({ name, attributes }) => [name, attributes['troupe.actor']])).toEqual([
      ['compute', 'work/leaves'],
    ])
  })

  test('log-spans/3: what is open is in the rest, until now', () => {
    const { rest } = spansOf(entries)
    const open = rest.filter(({ attributes }) => attributes['troupe.open'] === true)
    expect(open.map(({ name }) => name).sort()).toEqual(['compute', 'send work begin', 'send work begin'])
    for (const { endMs } of open) expect(endMs).toBe(END_MS)
  })
})

test('inside an effect: Python calls, model calls and tries, with the attributes of GenAI', () => {
  const effectSpan = named('compute').find(({ attributes }) => attributes['troupe.actor'] === 'work/w') as LogSpan
  const mine = all().filter(({ traceId }) => traceId === effectSpan.traceId)
  const children = (id: string) => mine.filter(({ parentId }) => parentId === id)
  const python = children(effectSpan.spanId).find(({ name }) => name === 'python twice') as LogSpan
  const [module] = children(python.spanId).filter(({ name }) => name === 'module Twice')
  expect(
    children(python.spanId)
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['execute_tool look', 'module Twice'])
  expect(children(module?.spanId ?? '')).toMatchObject([
    {
      name: 'chat m1',
      kind: 'client',
      attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.usage.input_tokens': 7 },
    },
  ])
  const chats = children(effectSpan.spanId).filter(({ name }) => name === 'chat m2')
  expect(new Set(chats.map(({ spanId }) => spanId)).size).toBe(3)
  expect(chats).toMatchObject([
    { error: 'Busy', attributes: { 'troupe.predict.try': 1 } },
    { error: 'TypeError', startMs: effectSpan.startMs, endMs: effectSpan.startMs + 1 },
    {
      error: 'MalformedAnswer',
      endMs: effectSpan.endMs,
      attributes: { 'gen_ai.provider.name': 'acme', 'gen_ai.usage.output_tokens': 4, 'troupe.predict.faults': 1 },
    },
  ])
})

test('log-spans/5: from the state at any place of the log on, the same spans come, with their nodes', () => {
  const whole = spansOf(entries).ended
  for (let cut = 0; cut <= entries.length; cut++) {
    const before = spansOf(entries.slice(0, cut))
    const later = new LogSpans('log', JSON.parse(before.state))
    const after = entries.slice(cut).flatMap((entry) => later.take(entry))
    expect([...before.ended, ...after]).toEqual(whole)
  }
})

test('log-spans/4: an ask that nobody answers ends when its asker gave up, once the log is a minute past it', () => {
  const spans = new LogSpans('log')
  for (const entry of entries) spans.take(entry)
  const recordOf = ({ bytes }: JournalEntry) => JSON.parse(Buffer.from(bytes).toString('utf8'))
  const [newest] = entries.slice(-1)
  if (newest === undefined) throw new Error('the log is empty')
  const record = recordOf(newest)
  const [step] = record.steps
  const later = (at: number) => {
    const steps = [{ ...step, seq: 99, at, input: { kind: 'settled' }, made: undefined, answers: undefined }]
    return spans.take({ ...newest, bytes: Buffer.from(JSON.stringify({ ...record, steps })) })
  }
  expect(later(step.at + 5_000)).toEqual([])
  const given = later(step.at + 70_000)
  expect(given.map(({ name, error }) => [name, error])).toEqual(Array(2).fill(['send work begin', 'Timeout']))
  for (const { startMs, endMs } of given) expect(endMs - startMs).toBeLessThanOrEqual(5_100)
  expect(later(step.at + 80_000)).toEqual([])
})

test('bytes that are no record of ours are counted and hurt nothing', () => {
  const spans = new LogSpans('log')
  const strange = { subject: 's', position: 1, bytes: Buffer.from('{}'), storedAt: 0 }
  expect(spans.take(strange)).toEqual([])
  expect(spans.unreadable).toBe(1)
})
