import { createServer, type RequestListener, type Server } from 'node:http'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { type Model, ModelError, type ModelRequest } from './model.ts'
import { openAiCompatible } from './openai-compatible.ts'

const KEY = 'sk-very-secret-0123456789'
const hello: ModelRequest = { messages: [{ role: 'user', content: 'hello' }] }
const never = new AbortController().signal
const good = {
  choices: [{ message: { content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 7, completion_tokens: 2 },
}

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not a TCP server')
  return `http://127.0.0.1:${address.port}/v1`
}

async function answering(status: number, body: unknown, headers: Record<string, string> = {}): Promise<Model> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const baseUrl = await listen((_, response) => response.writeHead(status, headers).end(text))
  return openAiCompatible({ baseUrl, apiKey: KEY, model: 'm' })
}

async function failure(model: Model, signal = never): Promise<ModelError> {
  const error: unknown = await model.complete(hello, { signal }).catch((caught: unknown) => caught)
  if (!(error instanceof ModelError)) throw new Error(`not a ModelError: ${inspect(error)}`)
  return error
}

test.each([200, 429])('the headers of an answer with status %i are told', async (status) => {
  const model = await answering(status, good, { 'x-ratelimit-remaining-requests': '7' })
  const told: (string | null)[] = []
  const onHeaders = (headers: { get(name: string): string | null }) =>
    told.push(headers.get('x-ratelimit-remaining-requests'))
  await model.complete(hello, { signal: never, onHeaders }).catch(() => {})
  expect(told).toEqual(['7'])
})

describe('a request', () => {
  test('is what the format says', async () => {
    const seen: unknown[] = []
    const baseUrl = await listen((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => {
        seen.push([request.method, request.url, request.headers.authorization, JSON.parse(body)])
        response.end(JSON.stringify(good))
      })
    })
    const model = openAiCompatible({ baseUrl: `${baseUrl}/`, apiKey: KEY, model: 'm' })
    const request: ModelRequest = {
      ...hello,
      temperature: 0.5,
      maxTokens: 10,
      stop: ['X'],
      format: { kind: 'json-schema', schema: { type: 'object' } },
    }
    await model.complete(request, { signal: never })
    expect(seen).toEqual([
      [
        'POST',
        '/v1/chat/completions',
        `Bearer ${KEY}`,
        {
          model: 'm',
          messages: [{ role: 'user', content: 'hello' }],
          temperature: 0.5,
          max_tokens: 10,
          stop: ['X'],
          response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: { type: 'object' } } },
        },
      ],
    ])
  })

  test('to an unusable base URL is refused at construction', () => {
    for (const baseUrl of ['localhost:1', 'ftp://h', 'https://user:pass@h/v1', '']) {
      expect(() => openAiCompatible({ baseUrl, model: 'm' })).toThrow(/base URL must be/)
    }
  })
})

describe('an answer', () => {
  test('gives text, reason, usage and the cost some providers report', async () => {
    const model = await answering(200, { ...good, usage: { ...good.usage, cost: 0.25 } })
    expect(await model.complete(hello, { signal: never })).toEqual({
      text: 'hi',
      finishReason: 'stop',
      usage: { promptTokens: 7, completionTokens: 2 },
      costUsd: 0.25,
    })
  })

  test('without usage leaves it out; cut or refused ones say so', async () => {
    const cut = await answering(200, { choices: [{ message: { content: null }, finish_reason: 'length' }] })
    expect(await cut.complete(hello, { signal: never })).toEqual({ text: '', finishReason: 'length' })
    const refused = await answering(200, { choices: [{ message: { content: null, refusal: 'no' } }] })
    expect(await refused.complete(hello, { signal: never })).toEqual({ text: 'no', finishReason: 'content_filter' })
  })

  test.each([
    {},
    null,
    'many',
    { prompt_tokens: -1, completion_tokens: 0 },
    { prompt_tokens: 7, completion_tokens: null, cost: null },
    { prompt_tokens: 7, completion_tokens: 1e300, cost: -1, prompt_tokens_details: 5 },
  ])('openai-answer/3: with the usage %j is an answer all the same', async (usage) => {
    const model = await answering(200, { ...good, usage })
    expect(await model.complete(hello, { signal: never })).toEqual({ text: 'hi', finishReason: 'stop' })
  })

  test('openai-answer/3: of its usage has what can be read', async () => {
    const usage = { prompt_tokens: 7, completion_tokens: 2, cost: '1', prompt_tokens_details: { cached_tokens: -1 } }
    const whole = await answering(200, { ...good, usage })
    expect(await whole.complete(hello, { signal: never })).toMatchObject({
      usage: { promptTokens: 7, completionTokens: 2 },
    })
    const priced = await answering(200, { ...good, usage: { cost: 0.25 } })
    expect(await priced.complete(hello, { signal: never })).toEqual({ text: 'hi', finishReason: 'stop', costUsd: 0.25 })
  })

  test.each([
    ['no JSON', '<html>'],
    ['no choices', { choices: [] }],
    ['no text', { choices: [{ message: { content: null }, finish_reason: 'stop' }] }],
    ['a tool call', { choices: [{ message: { content: 'x', tool_calls: [{}] } }] }],
  ])('openai-compatible/4: with %s is MalformedAnswer', async (_, body) => {
    expect(await failure(await answering(200, body))).toMatchObject({ code: 'MalformedAnswer', retryable: true })
  })

  test('openai-compatible/4: broken off in the middle is Unreachable, one without end AnswerTooLarge', async () => {
    const half = await listen((_, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{"choi')
      response.destroy()
    })
    const broken = await failure(openAiCompatible({ baseUrl: half, model: 'm' }))
    expect(broken).toMatchObject({ code: 'Unreachable', retryable: true, applied: 'unknown' })
    const chunk = Buffer.alloc(1024 * 1024, 32)
    const huge = await listen((_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', more)
      more()
    })
    const endless = await failure(openAiCompatible({ baseUrl: huge, model: 'm' }))
    expect(endless).toMatchObject({ code: 'AnswerTooLarge', retryable: false })
  })
})

describe('a failure', () => {
  const said = (code: string, message = 'm'): object => ({ error: { code, message } })
  test.each([
    [401, said('invalid_api_key'), 'Unauthorized', false],
    [403, {}, 'Unauthorized', false],
    [402, {}, 'QuotaExhausted', false],
    [429, said('insufficient_quota'), 'QuotaExhausted', false],
    [429, said('rate_limit_exceeded'), 'RateLimited', true],
    [404, said('model_not_found'), 'UnknownModel', false],
    [404, { error: "model 'm' not found" }, 'UnknownModel', false],
    [404, 'nothing here', 'InvalidRequest', false],
    [400, said('context_length_exceeded'), 'ContextTooLong', false],
    [400, said('x', "This model's maximum context length is 8 tokens"), 'ContextTooLong', false],
    [400, said('x'), 'InvalidRequest', false],
    [422, 'not json', 'InvalidRequest', false],
    [307, '', 'InvalidRequest', false],
    [408, {}, 'Timeout', true],
    [504, {}, 'Timeout', true],
    [500, said('x'), 'ServerFailed', true],
    [503, '', 'ServerFailed', true],
  ])('%i %j is %s', async (status, body, code, retryable) => {
    const error = await failure(await answering(status, body, { 'x-request-id': 'r1' }))
    expect(error).toMatchObject({ code, retryable, fields: { status, requestId: 'r1' } })
  })

  test.each([
    [{ 'retry-after': '1.5' }, 1500],
    [{ 'retry-after': '2', 'retry-after-ms': '250' }, 250],
    [{ 'retry-after': 'Wed, 21 Oct 2026 07:28:10 GMT', date: 'Wed, 21 Oct 2026 07:28:00 GMT' }, 10_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '1764118800' }, undefined],
    [{ 'retry-after': '1e308' }, undefined],
    [{}, undefined],
  ])('429 with %j may be retried after %s ms', async (headers: Record<string, string>, retryAfterMs) => {
    expect((await failure(await answering(429, {}, headers))).fields.retryAfterMs).toBe(retryAfterMs)
  })

  test('openai-compatible/1: a redirect is not followed', async () => {
    let reached = false
    const elsewhere = await listen((_, response) => {
      reached = true
      response.end(JSON.stringify(good))
    })
    const model = await answering(307, '', { location: `${elsewhere}/chat/completions` })
    expect(await failure(model)).toMatchObject({ code: 'InvalidRequest', fields: { status: 307 } })
    expect(reached).toBe(false)
  })

  test('of the connection is Unreachable', async () => {
    const baseUrl = await listen((_, response) => response.end())
    await new Promise((resolve) => servers.pop()?.close(resolve))
    const error = await failure(openAiCompatible({ baseUrl, apiKey: KEY, model: 'm' }))
    expect(error).toMatchObject({ code: 'Unreachable', retryable: true })
    expect(error.message).toMatch(/ECONNREFUSED/)
  })

  test('openai-compatible/2: never shows the key, even when the provider repeats it', async () => {
    const model = await answering(401, said('x', `Incorrect API key provided: ${KEY}.`), { 'x-request-id': KEY })
    const error = await failure(model)
    expect(error.message).toContain('Incorrect API key provided: ***.')
    for (const shown of [inspect(error, { depth: 9 }), JSON.stringify(error), inspect(model, { depth: 9 })]) {
      expect(shown).not.toContain(KEY)
    }
    expect(() => openAiCompatible({ baseUrl: 'http://h', apiKey: 'two\nlines', model: 'm' })).toThrow(
      expect.objectContaining({ code: 'Unauthorized', message: expect.not.stringContaining('two') }),
    )
  })
})

describe('model/2: an abort ends the call', () => {
  async function hanging(): Promise<{ model: Model; arrived: Promise<void>; closed: Promise<void> }> {
    let arrive = (): void => {}
    let close = (): void => {}
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve
    })
    const closed = new Promise<void>((resolve) => {
      close = resolve
    })
    const baseUrl = await listen((_, response) => {
      response.on('close', close)
      arrive()
    })
    return { model: openAiCompatible({ baseUrl, model: 'm' }), arrived, closed }
  }

  test('with the reason it was given, and closes the connection', async () => {
    const { model, arrived, closed } = await hanging()
    const controller = new AbortController()
    const failed = failure(model, controller.signal)
    await arrived
    const reason = new ModelError('Timeout', 'too late')
    controller.abort(reason)
    expect(await failed).toBe(reason)
    await closed
  })

  test('as Cancelled when there is no such reason, before the call too', async () => {
    const { model } = await hanging()
    expect(await failure(model, AbortSignal.abort())).toMatchObject({ code: 'Cancelled', applied: 'unknown' })
  })
})
