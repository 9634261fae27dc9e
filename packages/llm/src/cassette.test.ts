/** Cassettes, and by the ones in `test/golden` what each client makes of its provider's answers. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createSystem,
  defineActor,
  memory,
  packWire,
  protocol,
  realClock,
  seededEntropy,
  unpackWire,
} from '@troupe/core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { anthropic } from './anthropic.ts'
import { readCassette, recorder, replayer, writeCassette } from './cassette.ts'
import { answered, capital, country, hello, tooled, tooMuch } from './golden-requests.ts'
import type { Model, ModelAnswer, ModelRequest } from './model.ts'
import { openAiCompatible } from './openai-compatible.ts'
import { predict } from './predict.ts'
import { serveModels } from './service.ts'

const golden = (name: string) => new URL(`../../../test/golden/${name}.cassette.json`, import.meta.url)
const never = new AbortController().signal
const KEY = 'sk-secret-0123456789'

const formats = [
  {
    format: 'openai-chat',
    make: (fetched: typeof fetch): Model =>
      openAiCompatible({ baseUrl: 'https://api.openai.com/v1', model: 'gpt-4.1-mini', apiKey: KEY, fetch: fetched }),
    callId: 'call_Zk2Q8nT1xVb0aLr7',
    saidBeforeCall: '',
    usage: { hello: [25, 8, 0], streamed: [25, 8, 0], tooled: [59, 15, 0], after: [82, 10, 64] },
    retryAfterMs: 20_000,
    requestId: 'req_8f1c2b7d9e4a4c0fb1d6a5e3c2b1a090',
  },
  {
    format: 'anthropic-messages',
    make: (fetched: typeof fetch): Model =>
      anthropic({ baseUrl: 'https://api.anthropic.com', model: 'claude-sonnet-4-5', apiKey: KEY, fetch: fetched }),
    callId: 'toolu_01A09q90qw90lq917835lq9',
    saidBeforeCall: "I'll look at the weather in Paris.",
    usage: { hello: [21, 10, 0], streamed: [21, 10, 0], tooled: [398, 66, 0], after: [480, 13, 400] },
    retryAfterMs: 17_000,
    requestId: 'req_011CSHoEeqs5C35K2UUqR7Fy',
  },
]

const usageOf = ([promptTokens, completionTokens, cachedTokens]: readonly number[]) => ({
  promptTokens,
  completionTokens,
  cachedTokens,
})

async function streamed(model: Model, request: ModelRequest): Promise<{ answer: ModelAnswer; deltas: string[] }> {
  const deltas: string[] = []
  const answer = await model.complete(request, { signal: never, onText: (delta) => deltas.push(delta) })
  return { answer, deltas }
}

describe.each(formats)('the cassette of $format', ({ format, make, callId, saidBeforeCall, usage, ...told }) => {
  const open = async () => make(replayer(await readCassette(golden(format))))

  test('holds a whole answer, and the same one as a stream', async () => {
    const model = await open()
    const text = 'The capital of France is Paris.'
    const whole = await model.complete(hello, { signal: never })
    expect(whole).toEqual({ text, finishReason: 'stop', usage: usageOf(usage.hello) })
    const { answer, deltas } = await streamed(model, hello)
    expect(answer).toEqual({ text, finishReason: 'stop', usage: usageOf(usage.streamed) })
    expect(deltas.length).toBeGreaterThan(2)
    expect(deltas.join('')).toBe(text)
  })

  test('holds a tool call, whole and as a stream, and what follows its result', async () => {
    const model = await open()
    const calling = {
      text: saidBeforeCall,
      finishReason: 'tool_calls',
      toolCalls: [{ id: callId, name: 'get_weather', input: { location: 'Paris' } }],
      usage: usageOf(usage.tooled),
    }
    expect(await model.complete(tooled, { signal: never })).toEqual(calling)
    const { answer, deltas } = await streamed(model, tooled)
    expect([answer, deltas.join('')]).toEqual([calling, saidBeforeCall])
    expect(await model.complete(answered(callId), { signal: never })).toEqual({
      text: 'It is 21 degrees in Paris.',
      finishReason: 'stop',
      usage: usageOf(usage.after),
    })
  })

  test('holds a refusal for the rate, and a stream that ends with an error', async () => {
    const model = await open()
    const { retryAfterMs, requestId } = told
    await expect(model.complete(tooMuch, { signal: never })).rejects.toMatchObject({
      code: 'RateLimited',
      fields: { status: 429, retryAfterMs, requestId },
    })
    await expect(streamed(model, tooMuch)).rejects.toMatchObject({
      code: 'ServerFailed',
      applied: 'unknown',
      fields: { status: 200, streamedChars: 4, requestId },
    })
  })

  test('answers a signature', async () => {
    const says = protocol('idle', { events: { nothing: z.object({}) } })
    const idle = defineActor(says, { logic: says.handlers({}, { nothing: (state) => ({ state }) }) })
    await using system = await createSystem({ actors: [idle] })
    const answer = await system.run(predict(capital, { model: await open() }), country)
    expect(answer).toEqual({ city: 'Paris', inhabitants: 2_100_000 })
  })

  test('answers a worker over the bus, as a stream', async () => {
    const world = memory({ namespace: 'ns' })
    const clock = realClock()
    const [node, worker] = await Promise.all(
      [1, 2].map((seed) => world.connect({ name: `n${seed}`, clock, entropy: seededEntropy(seed) })),
    )
    if (node === undefined || worker === undefined) throw new Error('no connection')
    const service = serveModels({ bus: node.bus, namespace: 'ns', model: await open(), clock })
    const { messages, ...config } = { messages: hello.messages.slice(1), max_tokens: hello.maxTokens }
    const req = {
      ...{ model: 'm', system: 'Be brief.', config },
      messages: messages.map(({ role, content }) => ({ role, parts: [content] })),
    }
    const events: unknown[] = []
    const last = await new Promise((resolve, reject) => {
      const { subject } = worker.bus.openReply((answer) => {
        if (answer === 'no-responders') return reject(new Error(answer))
        const frame = z.looseObject({ t: z.string(), e: z.unknown().optional() }).parse(unpackWire(answer.data))
        if (frame.t === 'ev') events.push(frame.e)
        else if (frame.t !== 'hb') resolve(frame)
      })
      const call = { v: 1, id: 'a-1', job: 'a', parent: null, stream: true, deadlineMs: 5000, req }
      worker.bus.publish('tr.ns.llm.complete', packWire(call), { reply: subject })
    })
    expect(last).toMatchObject({ t: 'ok', res: { finish_reason: 'stop' } })
    expect(events.at(0)).toMatchObject({ type: 'start' })
    expect(events.at(-1)).toMatchObject({ type: 'end' })
    await service.stop()
    await Promise.all([node.close(), worker.close()])
  })
})

describe('recording', () => {
  const request: ModelRequest = { messages: [{ role: 'user', content: `My key is ${KEY}.` }] }
  const provider: typeof fetch = async (_, init) => {
    const isStream = String(init?.body).includes('"stream":true')
    const said = { choices: [{ message: { content: `Not ${KEY}?` }, finish_reason: 'stop' }] }
    const chunk = { choices: [{ delta: { content: 'é' }, finish_reason: 'stop' }] }
    const body = new TextEncoder().encode(
      isStream ? `data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n` : JSON.stringify(said),
    )
    const type = isStream ? 'text/event-stream' : 'application/json'
    const cut = body.indexOf(0xc3) + 1
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (const piece of [body.subarray(0, cut), body.subarray(cut)]) controller.enqueue(piece)
        // Whoever has read the last event of a stream waits for no end of it.
        if (!isStream) controller.close()
      },
    })
    return new Response(stream, { headers: { 'content-type': type, 'set-cookie': 'session=1', 'x-request-id': KEY } })
  }
  const client = (fetched: typeof fetch) =>
    openAiCompatible({ baseUrl: 'https://h/v1?token=1', model: 'm', apiKey: KEY, fetch: fetched })

  test('cassette/1: what it writes holds no key and no header that is not on the list; it replays', async () => {
    const tape = recorder(provider)
    const live = client(tape.fetch)
    const whole = await live.complete(request, { signal: never })
    const stream = await streamed(live, request)
    const folder = await mkdtemp(join(tmpdir(), 'cassette-'))
    try {
      const path = join(folder, 'tape.json')
      await writeCassette(path, tape.cassette())
      const written = await readFile(path, 'utf8')
      for (const secret of [KEY, 'authorization', 'session', 'token']) expect(written).not.toContain(secret)
      const replayed = client(replayer(await readCassette(path)))
      const asked = { messages: [{ role: 'user', content: 'My key is ***.' }] } as const
      expect(await replayed.complete(asked, { signal: never })).toEqual({ ...whole, text: 'Not ***?' })
      expect(await streamed(replayed, asked)).toEqual(stream)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('cassette/1: a key that is cut between two pieces is found', async () => {
    const text = `data: ${JSON.stringify({ choices: [{ delta: { content: KEY }, finish_reason: 'stop' }] })}\n\n`
    const bytes = new TextEncoder().encode(text)
    const cut = text.indexOf(KEY) + 9
    const tape = recorder(async () => {
      const pieces = ReadableStream.from([bytes.subarray(0, cut), bytes.subarray(cut)])
      return new Response(pieces, { headers: { 'content-type': 'text/event-stream' } })
    })
    await streamed(client(tape.fetch), request)
    const [exchange] = tape.cassette().exchanges
    expect(exchange?.response.chunks?.join('')).toBe(text.replace(KEY, '***'))
  })

  const odd = 'sk-"a\\b/c<d'
  test.each([
    ['authorization', `Bearer ${odd}`],
    ['x-api-key', odd],
    ['api-key', odd],
    ['x-goog-api-key', odd],
  ])('cassette/1: a key in %s is taken out in every form of JSON', async (name, value) => {
    const twice = JSON.stringify({ input: odd })
    const escaped = JSON.stringify({ twice, odd }).replaceAll('<', '\\u003C').replaceAll('/', '\\/')
    for (const type of ['application/json', 'text/event-stream', 'text/plain']) {
      const text = type === 'application/json' ? escaped : `data: ${odd} ${twice} ${escaped}\n\n`
      const tape = recorder(async () => new Response(text, { headers: { 'content-type': type } }))
      const body = JSON.stringify({ [odd]: [odd, twice], n: 1 })
      await (await tape.fetch('https://h/v1', { method: 'POST', headers: { [name]: value }, body })).text()
      const [exchange] = tape.cassette().exchanges
      expect(exchange?.request.body).toEqual({ '***': ['***', '{"input":"***"}'], n: 1 })
      const { body: whole, chunks } = exchange?.response ?? {}
      const hidden = '{"twice":"{\\"input\\":\\"***\\"}","odd":"***"}'
      if (type === 'application/json') expect(whole).toEqual(JSON.parse(hidden))
      else expect(chunks?.join('') ?? whole).toBe(`data: *** {"input":"***"} ${hidden}\n\n`)
    }
  })

  test('cassette/2: the same request gets its answers in order, and then the last one again', async () => {
    const exchange = (text: string) => ({
      request: { path: '/v1/chat/completions', body: { messages: [...hello.messages], max_tokens: 64, model: 'm' } },
      response: { status: 200, headers: {}, body: { choices: [{ message: { content: text } }] } },
    })
    const model = openAiCompatible({
      ...{ baseUrl: 'https://h/v1', model: 'm' },
      fetch: replayer({ v: 1, exchanges: [exchange('a'), exchange('b')] }),
    })
    const texts = []
    for (let n = 0; n < 3; n++) texts.push((await model.complete(hello, { signal: never })).text)
    expect(texts).toEqual(['a', 'b', 'b'])
  })

  test('cassette/3: a request that is not there says what is', async () => {
    const model = client(replayer(await readCassette(golden('openai-chat'))))
    await expect(model.complete(hello, { signal: never })).rejects.toMatchObject({
      code: 'InvalidRequest',
      retryable: false,
      message: expect.stringMatching(/no answer to POST \/v1.*"model":"m".*it has:.*gpt-4\.1-mini/s),
    })
    await expect(readCassette(new URL('./cassette.ts', import.meta.url))).rejects.toMatchObject({
      code: 'InvalidRequest',
    })
  })
})
