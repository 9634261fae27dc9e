import { describe, expect, test } from 'vitest'
import { anthropic } from './anthropic.ts'
import { type ModelAnswer, ModelError, type ModelRequest } from './model.ts'

const KEY = 'sk-ant-secret-0123456789'
const never = new AbortController().signal
const hello: ModelRequest = { messages: [{ role: 'user', content: 'hello' }] }

type Answer = { readonly status?: number; readonly body: unknown; readonly headers?: Record<string, string> }

function clientOf({ status = 200, body, headers = {} }: Answer) {
  const sent: { url: string; headers: Headers; body: unknown; redirect: string | undefined }[] = []
  const model = anthropic({
    ...{ baseUrl: 'https://api.anthropic.com/', apiKey: KEY, model: 'claude' },
    fetch: async (input, init) => {
      sent.push({
        url: String(input),
        headers: new Headers(init?.headers),
        body: JSON.parse(String(init?.body)),
        redirect: init?.redirect,
      })
      const isStream = typeof body === 'string' && body.startsWith('event:')
      const type = isStream ? 'text/event-stream' : 'application/json'
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return new Response(text, { status, headers: { 'content-type': type, ...headers } })
    },
  })
  return { model, sent }
}

const message = (part: object): Answer => ({
  body: { content: [{ type: 'text', text: 'hi' }], stop_reason: 'end_turn', ...part },
})
const answerTo = (answer: Answer, request = hello): Promise<ModelAnswer> =>
  clientOf(answer).model.complete(request, { signal: never })
const eventsOf = (...events: readonly { readonly type: string }[]): Answer => ({
  body: events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''),
})
async function streamOf(answer: Answer): Promise<ModelAnswer & { readonly heard: string }> {
  let heard = ''
  const onText = (delta: string): void => {
    heard += delta
  }
  return { ...(await clientOf(answer).model.complete(hello, { signal: never, onText })), heard }
}

test('a request is what the format says', async () => {
  const { model, sent } = clientOf(message({}))
  await model.complete(
    {
      messages: [
        { role: 'system', content: 'One.' },
        { role: 'user', content: 'a' },
        { role: 'user', content: 'b' },
        { role: 'assistant', content: '', toolCalls: [{ id: 't1', name: 'f', input: { x: 1 } }] },
        { role: 'tool', toolCallId: 't1', content: 'r' },
        { role: 'system', content: 'Two.' },
        { role: 'user', content: '' },
        { role: 'user', content: 'c' },
      ],
      temperature: 0.5,
      stop: ['X'],
      format: { kind: 'json-schema', schema: { type: 'object' } },
      tools: [{ name: 'f', schema: { type: 'object' } }],
      toolChoice: 'required',
    },
    { signal: never },
  )
  const [{ url, headers, body, redirect } = { headers: new Headers() }] = sent
  expect([url, redirect]).toEqual(['https://api.anthropic.com/v1/messages', 'manual'])
  expect([headers.get('x-api-key'), headers.get('anthropic-version')]).toEqual([KEY, '2023-06-01'])
  expect(body).toEqual({
    model: 'claude',
    max_tokens: 4096,
    system: 'One.\n\nTwo.',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'f', input: { x: 1 } }] },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 't1', content: 'r' },
          { type: 'text', text: 'c' },
        ],
      },
    ],
    temperature: 0.5,
    stop_sequences: ['X'],
    output_config: { format: { type: 'json_schema', schema: { type: 'object' } } },
    tools: [{ name: 'f', input_schema: { type: 'object' } }],
    tool_choice: { type: 'any' },
  })
})

test.each([
  ['a seed', { seed: 1 }],
  ['JSON without a schema', { format: { kind: 'json' } }],
] as const)('anthropic/4: %s is not supported, and not asked for', async (what, part) => {
  const { model, sent } = clientOf(message({}))
  const answer = model.complete({ ...hello, ...part }, { signal: never })
  await expect(answer).rejects.toMatchObject({ code: 'Unsupported', message: expect.stringContaining(what) })
  expect(sent).toEqual([])
})

describe('an answer', () => {
  test.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['refusal', 'content_filter'],
  ])('that ends with %s has finished for %s', async (stop_reason, finishReason) => {
    expect(await answerTo(message({ stop_reason }))).toEqual({ text: 'hi', finishReason })
  })

  test('anthropic-answer/1: counts all tokens of its prompt', async () => {
    const usage = { input_tokens: 5, cache_creation_input_tokens: 7, cache_read_input_tokens: 11, output_tokens: 3 }
    expect((await answerTo(message({ usage }))).usage).toEqual({
      promptTokens: 23,
      completionTokens: 3,
      cachedTokens: 11,
    })
    expect(await answerTo(message({ usage: { input_tokens: 5 } }))).not.toHaveProperty('usage')
  })

  test.each([
    {},
    'many',
    { input_tokens: -1, output_tokens: 3 },
    { input_tokens: 5, output_tokens: null },
    { input_tokens: 5, output_tokens: 3, cache_read_input_tokens: 'all' },
  ])('anthropic-answer/3: with the usage %j is an answer all the same', async (usage) => {
    expect(await answerTo(message({ usage }))).toEqual({ text: 'hi', finishReason: 'stop' })
  })

  test('anthropic-answer/2: leaves out blocks that it does not know', async () => {
    const content = [
      { type: 'thinking', thinking: 'hm', signature: 's' },
      { type: 'text', text: 'hi' },
    ]
    expect((await answerTo(message({ content }))).text).toBe('hi')
  })

  test('model/6: gives no tool call that may have been cut off', async () => {
    const use = (id: string) => ({ type: 'tool_use', id, name: 'f', input: {} })
    const cut = message({ content: [use('t1'), use('t2')], stop_reason: 'max_tokens' })
    expect(await answerTo(cut)).toEqual({
      text: '',
      finishReason: 'length',
      toolCalls: [{ id: 't1', name: 'f', input: {} }],
    })
  })

  test.each([
    ['no JSON', '<html>'],
    ['no message', { content: 'hi' }],
    ['a tool call without a name', { content: [{ type: 'tool_use', id: 't', input: {} }] }],
  ])('with %s is MalformedAnswer', async (_, body) => {
    await expect(answerTo({ body })).rejects.toMatchObject({ code: 'MalformedAnswer', fields: { status: 200 } })
  })
})

describe('a stream', () => {
  const start = { type: 'message_start', message: { usage: { input_tokens: 5, output_tokens: 1 } } }
  const delta = (text: string) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })
  const ended = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 9 } }
  const stop = { type: 'message_stop' }

  test('anthropic-answer/2: may have events and deltas that are not known', async () => {
    const thought = { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'hm' } }
    expect(await streamOf(eventsOf(start, { type: 'later' }, thought, delta('hi'), ended, stop))).toEqual({
      text: 'hi',
      heard: 'hi',
      finishReason: 'stop',
      usage: { promptTokens: 5, completionTokens: 9 },
    })
  })

  test.each([
    [{ input_tokens: -1 }, { output_tokens: 9 }],
    [{ input_tokens: 5, output_tokens: 1 }, { output_tokens: null }],
    [{ input_tokens: 5, output_tokens: 1 }, 'many'],
  ])('anthropic-answer/3: of the usage %j and then %j has none, and is an answer', async (first, usage) => {
    const begun = { type: 'message_start', message: { usage: first } }
    const end = { ...ended, usage }
    expect(await streamOf(eventsOf(begun, delta('hi'), end, stop))).toEqual({
      text: 'hi',
      heard: 'hi',
      finishReason: 'stop',
    })
  })

  test('anthropic-answer/4: without its end has broken off, with how far it came', async () => {
    await expect(streamOf(eventsOf(start, delta('hi')))).rejects.toMatchObject({
      code: 'Unreachable',
      applied: 'unknown',
      message: expect.stringContaining('after 2 characters'),
      fields: { streamedChars: 2 },
    })
  })

  test.each([
    ['overloaded_error', 'ServerFailed'],
    ['rate_limit_error', 'RateLimited'],
    ['invalid_request_error', 'InvalidRequest'],
  ])('that begins with %s is %s; later it is no refusal any more', async (type, code) => {
    const error = { type: 'error', error: { type, message: `said ${KEY}` } }
    await expect(streamOf(eventsOf(start, error))).rejects.toMatchObject({
      code,
      message: expect.not.stringContaining(KEY),
    })
    await expect(streamOf(eventsOf(start, delta('x'), error))).rejects.toMatchObject({ code: 'ServerFailed' })
  })

  test('that is not asked as one comes whole', async () => {
    expect(await streamOf(message({}))).toEqual({ text: 'hi', heard: 'hi', finishReason: 'stop' })
  })
})

describe('a failure', () => {
  test.each([
    [401, 'authentication_error', '', 'Unauthorized'],
    [403, 'permission_error', '', 'Unauthorized'],
    [400, 'invalid_request_error', 'Your credit balance is too low', 'QuotaExhausted'],
    [400, 'invalid_request_error', 'prompt is too long: 200001 tokens', 'ContextTooLong'],
    [400, 'invalid_request_error', 'max_tokens: required', 'InvalidRequest'],
    [404, 'not_found_error', 'model: claude-0', 'UnknownModel'],
    [413, 'request_too_large', '', 'InvalidRequest'],
    [429, 'rate_limit_error', '', 'RateLimited'],
    [500, 'api_error', '', 'ServerFailed'],
    [504, 'timeout_error', '', 'Timeout'],
    [529, 'overloaded_error', 'Overloaded', 'ServerFailed'],
  ])('%i %s %s is %s', async (status, type, said, code) => {
    const body = { type: 'error', error: { type, message: said } }
    const failed = answerTo({ status, body, headers: { 'request-id': 'req_1' } })
    await expect(failed).rejects.toMatchObject({ code, fields: { status, requestId: 'req_1' } })
  })

  test('provider-call/2: never shows the key', async () => {
    const body = { type: 'error', error: { type: 'authentication_error', message: `invalid x-api-key ${KEY}` } }
    const failed = await answerTo({ status: 401, body }).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(ModelError)
    expect(JSON.stringify(failed) + String(failed)).not.toContain(KEY)
  })
})
