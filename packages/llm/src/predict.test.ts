import { createSystem, defineActor, effect, protocol } from '@troupe/core'
import { decodeRecord } from '@troupe/core/replay'
import { protect } from '@troupe/resilience'
import { signature } from '@troupe/signatures'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Model, ModelError } from './model.ts'
import { type DeepPartial, type PredictOptions, predict } from './predict.ts'
import { jsonIn } from './predict-prompt.ts'
import { type Line, type ScriptedModel, scriptedModel } from './scripted-model.ts'

const triage = signature(
  "docstring: str -> module: Literal['email', 'socket'], score: Annotated[float, Field(ge=0, le=1)]",
  {
    name: 'Triage',
    instructions: 'Name the module.',
    desc: { docstring: 'its text' },
  },
)
const usage = { promptTokens: 10, completionTokens: 5 }
interface Triage {
  readonly module: 'email' | 'socket'
  readonly score: number
}

const says = protocol('idle', { events: { nothing: z.object({}) } })
/** A node needs an actor to serve. */
const idle = defineActor(says, { logic: says.handlers({}, { nothing: (state) => ({ state }) }) })

/** Answers line by line, with the same usage each. */
function scripted(...lines: readonly Line[]): ScriptedModel {
  const used = (line: Line): Line => {
    if (typeof line === 'string') return { text: line, finishReason: 'stop', usage }
    return typeof line === 'object' && 'text' in line ? { ...line, usage } : line
  }
  return scriptedModel(lines.map(used), { name: 'script' })
}

async function ran(
  model: Model,
  input = { docstring: 'Read a message.' },
  options: Partial<PredictOptions<Triage>> = {},
) {
  await using system = await createSystem({ actors: [idle] })
  return await system.run(predict(triage, { model, ...options }), input)
}
const good = '{"module": "email", "score": 0.5}'

test('a model is asked by the spec, and its answer comes back with the types of the signature', async () => {
  const model = scripted(good)
  expect(await ran(model)).toEqual({ module: 'email', score: 0.5 })
  const [request] = model.asked
  expect(request?.format).toEqual({
    kind: 'json-schema',
    name: 'Triage',
    strict: true,
    schema: triage.output['~standard'].jsonSchema.output(),
  })
  const [system, user] = request?.messages ?? []
  expect(system?.content).toContain('Name the module.\n\nYou are given these fields:\n- docstring (str): its text\n')
  expect(system?.content).toContain(
    "- module (Literal['email', 'socket'])\n- score (Annotated[float, Field(ge=0, le=1)])",
  )
  expect(user).toEqual({ role: 'user', content: '{"docstring":"Read a message."}' })
})

test('predict/1: an answer that does not fit is told to the model, and the repaired one is given', async () => {
  const model = scripted('I think it is email.', '{"module": "mail", "score": 2}', good)
  expect(await ran(model)).toEqual({ module: 'email', score: 0.5 })
  const [, second, third] = model.asked.map(({ messages }) => messages.at(-1)?.content)
  expect(second).toContain('- it is no JSON\n')
  expect(third).toContain('- module must be one of "email", "socket"\n- score must be ≥ 0 and ≤ 1\n')
  expect(model.asked[2]?.messages).toHaveLength(6)
})

test('predict/1: after two repairs the answer is an error, never a value that does not fit', async () => {
  const cut = { text: '{"module": "em', finishReason: 'length' } as const
  const model = scripted('{}', cut, '{"module": "email"}')
  await expect(ran(model)).rejects.toMatchObject({
    code: 'ResultRefused',
    retryable: false,
    message: expect.stringContaining('in 3 tries: score is missing'),
  })
  expect(model.asked[2]?.messages.at(-1)?.content).toContain('the answer was cut off (length)')
})

const unknown = new ModelError('InvalidRequest', 'response_format is not supported', { status: 400 })

test('predict/2: a server that knows no JSON Schema is asked with a tool, in JSON mode, then in words', async () => {
  const model = scripted(unknown, unknown, unknown, good)
  expect(await ran(model)).toEqual({ module: 'email', score: 0.5 })
  expect(model.asked.map(({ format }) => format?.kind)).toEqual(['json-schema', undefined, 'json', undefined])
  expect(model.asked.map(({ toolChoice }) => toolChoice)).toEqual([undefined, { name: 'answer' }, undefined, undefined])
  expect(model.asked[1]?.tools).toMatchObject([{ name: 'answer', schema: { required: ['module', 'score'] } }])
  const none = scripted(unknown, unknown, unknown, unknown)
  await expect(ran(none)).rejects.toMatchObject({ code: 'InvalidRequest' })
  await expect(ran(scripted(new ModelError('RateLimited', 'slow down')))).rejects.toMatchObject({ code: 'RateLimited' })
})

test('predict/2: the next call begins with what the server took', async () => {
  const called = (input: unknown): Line => ({
    text: '',
    finishReason: 'tool_calls',
    toolCalls: [{ id: 't', name: 'answer', input }],
  })
  const model = scripted(unknown, called({ module: 'mail' }), called(JSON.parse(good)), called(JSON.parse(good)))
  const asking = predict(triage, { model })
  await using system = await createSystem({ actors: [idle] })
  for (let n = 0; n < 2; n++) expect(await system.run(asking, { docstring: 'x' })).toMatchObject({ module: 'email' })
  expect(model.asked.map(({ tools }) => tools?.length)).toEqual([undefined, 1, 1, 1])
  expect(model.asked[2]?.messages.at(-2)).toEqual({ role: 'assistant', content: '{"module":"mail"}' })
})

test('predict/3: every call is in the record of the effect', async () => {
  const model = scripted({ text: '{}', finishReason: 'stop', costUsd: 0.5 }, good)
  await using system = await createSystem({ actors: [idle] })
  await system.run(predict(triage, { model }), { docstring: 'x' })
  const evidence = []
  for await (const { bytes } of system.connection.journal.read(system.runtime.subjects.journals())) {
    evidence.push(...decodeRecord(bytes).steps.flatMap(({ effect }) => effect?.evidence ?? []))
  }
  expect(evidence).toMatchObject([
    {
      'predict.Triage@script': {
        signature: triage.hash,
        tries: [
          {
            ...{ format: 'json-schema', usage, costUsd: 0.5, faults: ['module is missing', 'score is missing'] },
            ...{ startMs: expect.any(Number), endMs: expect.any(Number) },
          },
          { format: 'json-schema', usage },
        ],
      },
    },
  ])
})

test('tries/2: all uses within one effect are in its record, at once or one after the other', async () => {
  const model = scripted(...Array.from({ length: 28 }, () => good))
  await using system = await createSystem({ actors: [idle] })
  const asked = (name: string) => predict(triage, { model, onPartial: () => name }).effect
  const many = effect('many', 'idempotent', async (times: number, context) => {
    await Promise.all([asked('a'), asked('b')].map((one) => one.run({ docstring: 'x' }, context)))
    for (let n = 2; n < times; n++) await asked('c').run({ docstring: 'x' }, context)
    return times
  })
  await system.run(many, 3)
  await system.run(many, 25)
  const evidence: unknown[] = []
  for await (const { bytes } of system.connection.journal.read(system.runtime.subjects.journals())) {
    evidence.push(...decodeRecord(bytes).steps.flatMap(({ effect: made }) => made?.evidence ?? []))
  }
  const use = { provider: model.provider, signature: triage.hash, tries: [{ usage }] }
  expect(evidence).toMatchObject([
    { 'predict.Triage@script': { ...use, earlier: [use, use] } },
    { 'predict.Triage@script': { ...use, earlier: Array.from({ length: 20 }, () => use), dropped: 4 } },
  ])
})

test('predict/4: after an abort the model is not asked again', async () => {
  const controller = new AbortController()
  const model = scripted('{}', good)
  const aborting: Model = {
    ...model,
    complete: async (request, options) => {
      controller.abort(new ModelError('Cancelled', 'nobody waits'))
      return model.complete(request, options)
    },
  }
  const context = { effectId: 'e', attempt: 1, cause: { correlation: 'c', causation: 'c' }, runtime: undefined }
  const { run } = predict(triage, { model: aborting }).effect
  const answer = run({ docstring: 'x' }, { ...context, evidence: () => {}, signal: controller.signal })
  await expect(answer).rejects.toMatchObject({ code: 'Cancelled' })
  expect(model.asked).toHaveLength(1)
})

describe('predict/5: while the answer comes', () => {
  const pieces = ['```json\n{"mod', 'ule": "em', 'ail", "score": 0.', '5', '}\n```']
  const grown = [{}, { module: 'em' }, { module: 'email' }, { module: 'email', score: 0.5 }]

  test('the outputs are heard as they grow', async () => {
    const heard: unknown[] = []
    const onPartial = (value: DeepPartial<Triage>) => heard.push(structuredClone(value))
    expect(await ran(scripted({ stream: pieces }), undefined, { onPartial })).toEqual({ module: 'email', score: 0.5 })
    expect(heard).toEqual(grown)
  })

  test('a repair begins again, and an answer with other fields is not heard', async () => {
    const heard: unknown[] = []
    const onPartial = (value: DeepPartial<Triage>) => heard.push(structuredClone(value))
    await ran(scripted({ stream: ['{"thought": "hm', '"}'] }, { stream: pieces }), undefined, { onPartial })
    expect(heard).toEqual(grown)
  })

  test('no retry around it begins again once something was heard', async () => {
    const broken = new ModelError('Unreachable', 'broke off')
    const heard: unknown[] = []
    const calls = async (lines: readonly Line[]) => {
      const model = scripted(...lines)
      const asking = predict(triage, { model, onPartial: (value: DeepPartial<Triage>) => heard.push(value) })
      await using system = await createSystem({ actors: [idle] })
      const again = protect(asking, { retry: { firstMs: 1 } })
      const answer = await system.run(again, { docstring: 'x' }).catch((error: unknown) => error)
      return { answer, asked: model.asked.length }
    }
    expect(await calls([broken, { stream: pieces }])).toEqual({ answer: { module: 'email', score: 0.5 }, asked: 2 })
    expect(await calls([{ stream: ['{"module": "'], end: broken }, good])).toEqual({
      answer: expect.objectContaining({ code: 'Unreachable' }),
      asked: 1,
    })
  })

  test('predict/1: a retry around it does not multiply the repairs', async () => {
    const model = scripted('{}', '{}', '{}', good)
    await using system = await createSystem({ actors: [idle] })
    const again = protect(predict(triage, { model }), { retry: { firstMs: 1 } })
    await expect(system.run(again, { docstring: 'x' })).rejects.toMatchObject({ code: 'ResultRefused' })
    expect(model.asked).toHaveLength(3)
  })
})

test('our own refusal and a withheld answer are not asked about again', async () => {
  const own = scripted(new ModelError('InvalidRequest', 'above the cap'), good)
  await expect(ran(own)).rejects.toMatchObject({ code: 'InvalidRequest' })
  const withheld = scripted({ text: '', finishReason: 'content_filter' }, good)
  await expect(ran(withheld)).rejects.toMatchObject({ message: expect.stringContaining('content_filter') })
  expect([own.asked.length, withheld.asked.length]).toEqual([1, 1])
})

test('repairs are a whole number', () => {
  for (const maxRepairs of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => predict(triage, { model: scripted(), maxRepairs })).toThrow('give a whole number from 0')
  }
})

test('many faults are told in a few lines, and the answer in part', async () => {
  const many = JSON.stringify(
    Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`field${n}`, 'x'.repeat(50)])),
  )
  const model = scripted(many, good)
  expect(await ran(model)).toEqual({ module: 'email', score: 0.5 })
  const [answer, repair] = model.asked[1]?.messages.slice(-2) ?? []
  expect(answer?.content.length).toBe(20_000)
  expect(repair?.content).toContain('- and 4992 more\n')
})

test('hostile answers are read in time, and none has a prototype for a key', () => {
  const begun = performance.now()
  for (const text of [`\`\`\`${'\n'.repeat(1_000_000)}`, '{'.repeat(1_000_000), '```'.repeat(300_000)]) jsonIn(text)
  expect(performance.now() - begun).toBeLessThan(2_000)
  expect(jsonIn('{"a": {"__proto__": {"admin": true}}}')).toBeUndefined()
})

test('an input that does not fit is refused before any call', async () => {
  const model = scripted(good)
  await expect(ran(model, { docstring: 5 } as never)).rejects.toMatchObject({ code: 'InvalidEvent' })
  expect(model.asked).toEqual([])
})

test.each([
  [' {"a": 1} ', { a: 1 }],
  ['Here you are:\n```json\n{"a": 1}\n```\nGood luck.', { a: 1 }],
  ['The answer is {"a": {"b": 2}}.', { a: { b: 2 } }],
  ['```json\n{"example": 1}\n```\nso:\n```\n{"a": 1}\n```', { a: 1 }],
  ['no object here', undefined],
  ['', undefined],
])('the JSON of %j', (answer, json) => {
  expect(jsonIn(answer)).toEqual(json)
})
