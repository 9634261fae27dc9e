/** Every trick of a provider by every way to call it: a typed error or a right answer in time, and nothing left behind. */
import { getEventListeners } from 'node:events'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { type EffectContext, memory, packWire, realClock, seededEntropy, unpackWire } from '@troupe/core'
import { signature } from '@troupe/signatures'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { aiSdkModel } from './ai-sdk.ts'
import { anthropic } from './anthropic.ts'
import { type HostileProvider, hostileProvider, TRICKS, type Trick } from './hostile-provider.ts'
import { lm15Codes } from './lm15.ts'
import { type Model, ModelError, type ModelErrorCode } from './model.ts'
import { openAiCompatible } from './openai-compatible.ts'
import { predict } from './predict.ts'
import { serveModels } from './service.ts'

const TEXT = '{"word": "hi", "length": 2}'
const DEADLINE_MS = 400
/** Endless answers end by their size, which takes longer than a deadline of those that hang. */
const LONG_MS = 15_000

let provider: HostileProvider
beforeAll(async () => {
  provider = await hostileProvider(TEXT)
})
afterAll(async () => {
  await until(() => provider.connections() === 0)
  const left = provider.connections()
  await provider.close()
  expect(left).toBe(0)
})

type End = ModelErrorCode | 'answer'
/** One end for all ways, or for an answer that comes whole and for one that streams. */
const ends: { readonly [trick in Trick]: End | readonly [whole: End, stream: End] } = {
  none: 'answer',
  '429 without headers': 'RateLimited',
  '429 as OpenAI says it': 'RateLimited',
  '429 as Anthropic says it': 'RateLimited',
  '500': 'ServerFailed',
  '529': 'ServerFailed',
  redirect: 'InvalidRequest',
  'hangs before headers': 'Timeout',
  'hangs in the body': 'Timeout',
  'drips slowly': 'Timeout',
  'cuts the body': 'Unreachable',
  'ends early': ['MalformedAnswer', 'Unreachable'],
  'resets the connection': 'Unreachable',
  'malformed JSON': 'MalformedAnswer',
  'another schema': 'MalformedAnswer',
  'another content type': 'answer',
  'a web page': 'MalformedAnswer',
  'too large': 'AnswerTooLarge',
  'never ends': 'AnswerTooLarge',
  'invalid UTF-8': 'answer',
  'an error with status 200': ['MalformedAnswer', 'ServerFailed'],
  'an error in the middle': ['MalformedAnswer', 'ServerFailed'],
  'an empty body': 'MalformedAnswer',
}
/** The SDK reads a large answer, one without end for as long as it may, and calls a stream that ends early malformed. */
const otherEnds: { readonly [name: string]: { readonly [trick in Trick]?: End } } = {
  'the AI SDK whole': { 'too large': 'MalformedAnswer', 'never ends': 'Timeout' },
  'the AI SDK stream': { 'ends early': 'MalformedAnswer', 'too large': 'MalformedAnswer', 'never ends': 'Timeout' },
}
const limitOf = (trick: Trick): number => (trick === 'never ends' || trick === 'too large' ? LONG_MS : DEADLINE_MS)

const openAi = (trick: Trick): Model => openAiCompatible({ baseUrl: `${provider.urlOf(trick)}/v1`, model: 'm' })
const models: readonly (readonly [name: string, make: (trick: Trick) => Model])[] = [
  ['OpenAI', openAi],
  ['Anthropic', (trick) => anthropic({ baseUrl: provider.urlOf(trick), model: 'm' })],
  [
    'the AI SDK',
    (trick) =>
      aiSdkModel(
        createOpenAICompatible({ name: 'x', baseURL: `${provider.urlOf(trick)}/v1`, includeUsage: true })('m'),
      ),
  ],
]

/** Without a timer, which would count as one that is left. */
async function until(condition: () => boolean): Promise<void> {
  const giveUp = performance.now() + 8_000
  while (!condition() && performance.now() < giveUp) await new Promise(setImmediate)
}

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

/** Runs with a deadline; gives how it ended once nothing is left of it. */
async function ended(trick: Trick, run: (signal: AbortSignal) => Promise<unknown>, withinMs = limitOf(trick)) {
  const before = timers()
  const controller = new AbortController()
  const late = new ModelError('Timeout', 'the deadline of the test')
  const deadline = setTimeout(() => controller.abort(late), withinMs)
  const begun = performance.now()
  let end: unknown
  try {
    end = await run(controller.signal)
  } catch (error) {
    end = error
  } finally {
    clearTimeout(deadline)
  }
  expect(performance.now() - begun).toBeLessThan(withinMs + 1_000)
  expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  await until(() => provider.waiting() === 0 && timers() <= before)
  expect([provider.waiting(), timers() <= before]).toEqual([0, true])
  return end
}

const codeOf = (error: unknown): unknown => (error instanceof ModelError ? error.code : error)
const endOf = (trick: Trick, how: 'whole' | 'stream', name = ''): End => {
  const end = otherEnds[`${name} ${how}`]?.[trick] ?? ends[trick]
  return typeof end === 'string' ? end : end[how === 'whole' ? 0 : 1]
}

describe.each(models)('%s', (name, make) => {
  describe.each(['whole', 'stream'] as const)('%s', (how) => {
    test.each(TRICKS)('%s', async (trick) => {
      let heard = ''
      const onText = (delta: string): void => {
        heard += delta
      }
      const request = { messages: [{ role: 'user', content: 'hello' }] } as const
      const wanted = endOf(trick, how, name)
      const end = await ended(
        trick,
        (signal) => make(trick).complete(request, { signal, ...(how === 'stream' && { onText }) }),
        wanted === 'Timeout' ? DEADLINE_MS : undefined,
      )
      if (wanted !== 'answer') {
        expect(codeOf(end)).toBe(wanted)
        return
      }
      const text = trick === 'invalid UTF-8' ? TEXT.replace('hi', '\uFFFD\uFFFD') : TEXT
      expect(end).toMatchObject({ text, finishReason: 'stop', usage: { promptTokens: 7, completionTokens: 2 } })
      if (how === 'stream') expect(heard).toBe(text)
    })
  })
})

test.each([
  ['429 without headers', undefined],
  ['429 as OpenAI says it', 1500],
  ['429 as Anthropic says it', 2000],
] as const)('%s asks to wait for %s ms', async (trick, retryAfterMs) => {
  for (const [, make] of models) {
    const end = await ended(trick, (signal) => make(trick).complete({ messages: [] }, { signal }))
    expect(end instanceof ModelError && end.fields.retryAfterMs).toBe(retryAfterMs)
  }
})

describe('predict', () => {
  const measure = signature('text: str -> word: str, length: int', { name: 'Measure' })
  test.each(TRICKS)('%s', async (trick) => {
    const tries: unknown[] = []
    const contextOf = (signal: AbortSignal): EffectContext => ({
      ...{ effectId: 'e', signal, attempt: 1, cause: { correlation: 'c', causation: 'c' }, runtime: undefined },
      evidence: (data) => {
        tries.splice(0, tries.length, data)
      },
    })
    const asking = predict(measure, { model: openAi(trick), onPartial: () => {} })
    const end = await ended(trick, (signal) => asking.effect.run({ text: 'hi' }, contextOf(signal)))
    const wanted = endOf(trick, 'stream')
    if (wanted !== 'answer') expect(codeOf(end)).toBe(wanted)
    else expect(end).toEqual({ word: trick === 'invalid UTF-8' ? '\uFFFD\uFFFD' : 'hi', length: 2 })
    expect(tries).toHaveLength(1)
  })
})

describe('the service over a bus', () => {
  const Frame = z.looseObject({ t: z.string(), code: z.string().optional() })

  test.each(TRICKS)('%s', async (trick) => {
    const world = memory({ namespace: 'ns' })
    const clock = realClock()
    const [node, worker] = await Promise.all(
      [1, 2].map((seed) => world.connect({ name: `n${seed}`, clock, entropy: seededEntropy(seed) })),
    )
    if (node === undefined || worker === undefined) throw new Error('no connection')
    const service = serveModels({ bus: node.bus, namespace: 'ns', model: openAi(trick), clock })
    const end = await ended(trick, async () => {
      const last = await new Promise<z.infer<typeof Frame>>((resolve) => {
        const { subject } = worker.bus.openReply((answer) => {
          if (answer === 'no-responders') return
          const frame = Frame.parse(unpackWire(answer.data))
          if (frame.t === 'ok' || frame.t === 'err') resolve(frame)
        })
        const req = { model: 'm', messages: [{ role: 'user', parts: ['hello'] }] }
        const deadlineMs = limitOf(trick)
        const call = { v: 1, id: 'a-1', job: 'a', parent: null, stream: true, deadlineMs, req }
        worker.bus.publish('tr.ns.llm.complete', packWire(call), { reply: subject })
      })
      await service.stop()
      await Promise.all([node.close(), worker.close()])
      return last
    })
    const wanted = endOf(trick, 'stream')
    expect(end).toMatchObject(wanted === 'answer' ? { t: 'ok' } : { t: 'err', code: lm15Codes[wanted] })
    expect(service.stats()).toMatchObject({ running: 0, lost: 0 })
  })
})
