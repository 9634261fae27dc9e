import { createServer } from 'node:http'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { afterEach, describe, expect, test } from 'vitest'
import { type AiSdkCall, type AiSdkLanguageModel, aiSdkModel } from './ai-sdk.ts'
import { answered, hello, tooled } from './golden-requests.ts'
import { ModelError } from './model.ts'

const never = new AbortController().signal
const usage = {
  inputTokens: { total: 10, noCache: 6, cacheRead: 4, cacheWrite: undefined },
  outputTokens: { total: 5, text: 5, reasoning: undefined },
}
const stop = { unified: 'stop', raw: 'stop' }
const wanted = { promptTokens: 10, completionTokens: 5, cachedTokens: 4 }

/** As the specification says, by hand. */
function specObject(made: { readonly whole?: unknown; readonly parts?: readonly unknown[]; readonly error?: unknown }) {
  const asked: AiSdkCall[] = []
  const sdk: AiSdkLanguageModel = {
    ...{ specificationVersion: 'v3', provider: 'spec', modelId: 'm' },
    async doGenerate(options) {
      asked.push(options)
      if (made.error !== undefined) throw made.error
      return made.whole
    },
    async doStream(options) {
      asked.push(options)
      if (made.error !== undefined) throw made.error
      return { stream: ReadableStream.from(made.parts ?? []) }
    },
  }
  return { model: aiSdkModel(sdk), asked }
}

async function streamed(parts: readonly unknown[]) {
  let heard = ''
  const onText = (delta: string): void => {
    heard += delta
  }
  return { ...(await specObject({ parts }).model.complete(hello, { signal: never, onText })), heard }
}
const delta = (text: string) => ({ type: 'text-delta', id: '1', delta: text })
const finish = (finishReason: object = stop) => ({ type: 'finish', usage, finishReason })
const call = { type: 'tool-call', toolCallId: 't', toolName: 'get_weather', input: '{"location":"Paris"}' }
const toolCalls = [{ id: 't', name: 'get_weather', input: { location: 'Paris' } }]

test('a request is asked for as the specification says', async () => {
  const { model, asked } = specObject({ whole: { content: [], finishReason: stop, usage, warnings: [] } })
  await model.complete(
    {
      ...answered('t'),
      format: { kind: 'json-schema', schema: { type: 'object' } },
      toolChoice: { name: 'get_weather' },
    },
    { signal: never },
  )
  expect(asked).toEqual([
    {
      prompt: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: 'How warm is it in Paris?' }] },
        {
          role: 'assistant',
          content: [{ type: 'tool-call', toolCallId: 't', toolName: 'get_weather', input: { location: 'Paris' } }],
        },
        {
          role: 'tool',
          content: [
            {
              ...{ type: 'tool-result', toolCallId: 't', toolName: 'get_weather' },
              output: { type: 'text', value: '21 degrees' },
            },
          ],
        },
      ],
      maxOutputTokens: 256,
      responseFormat: { type: 'json', schema: { type: 'object' }, name: 'answer' },
      tools: [
        {
          ...{ type: 'function', name: 'get_weather', description: 'The weather at a place, now.' },
          inputSchema: tooled.tools?.[0]?.schema,
        },
      ],
      toolChoice: { type: 'tool', toolName: 'get_weather' },
      abortSignal: expect.any(AbortSignal),
    },
  ])
})

describe('an answer', () => {
  test('comes whole, with its headers, and with tool calls', async () => {
    const content = [{ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'hi' }, call]
    const response = { headers: { 'X-RateLimit-Remaining-Requests': '7' } }
    const { model } = specObject({ whole: { content, finishReason: stop, usage, response, warnings: [] } })
    let told: string | null = null
    const onHeaders = (headers: { get(name: string): string | null }) => {
      told = headers.get('x-ratelimit-remaining-requests')
    }
    const answer = await model.complete(hello, { signal: never, onHeaders })
    expect(answer).toEqual({ text: 'hi', finishReason: 'tool_calls', toolCalls, usage: wanted })
    expect(told).toBe('7')
  })

  test('comes as a stream', async () => {
    const parts = [{ type: 'stream-start', warnings: [] }, delta('h'), { type: 'ping' }, delta('i'), call, finish()]
    const answer = { text: 'hi', finishReason: 'tool_calls', toolCalls, usage: wanted, heard: 'hi' }
    expect(await streamed(parts)).toEqual(answer)
  })

  test.each([
    ['length', 'length'],
    ['content-filter', 'content_filter'],
    ['other', 'stop'],
  ])('that has finished for %s has finished for %s', async (unified, finishReason) => {
    expect(await streamed([delta('hi'), finish({ unified, raw: 'x' })])).toMatchObject({ text: 'hi', finishReason })
  })

  test('that says nothing of its end has broken off, with how far it came', async () => {
    const broken = { code: 'Unreachable', applied: 'unknown', fields: { streamedChars: 2 } }
    await expect(streamed([delta('hi')])).rejects.toMatchObject(broken)
    await expect(streamed([delta('hi'), finish({ unified: 'other' })])).rejects.toMatchObject(broken)
  })

  test('ai-sdk-answer/1: with a usage that cannot be is an answer all the same', async () => {
    for (const odd of [{ ...usage, inputTokens: { total: -1 } }, {}, 'many']) {
      const whole = {
        content: [{ type: 'text', text: 'hi' }],
        finishReason: { unified: 'stop', raw: 'stop' },
        usage: odd,
      }
      const answer = await specObject({ whole }).model.complete(hello, { signal: never })
      expect(answer).toEqual({ text: 'hi', finishReason: 'stop' })
    }
  })

  test.each([
    ['no object', 'x'],
    ['a part that is none', { content: [{ type: 'text' }], finishReason: stop }],
    ['a tool call whose input is no JSON', { content: [{ ...call, input: '{' }], finishReason: stop }],
    ['nothing', { content: [] }],
  ])('ai-sdk/2: with %s is MalformedAnswer', async (_, whole) => {
    const answer = specObject({ whole }).model.complete(hello, { signal: never })
    await expect(answer).rejects.toMatchObject({ code: 'MalformedAnswer' })
  })
})

describe('an error', () => {
  const failed = (part: object) => Object.assign(new Error('the words of the SDK'), part)
  const body = (error: object) => JSON.stringify({ error })
  test.each([
    [{ statusCode: 429, responseHeaders: { 'retry-after': '2' } }, 'RateLimited', 2000],
    [{ statusCode: 429, responseBody: body({ code: 'insufficient_quota' }) }, 'QuotaExhausted', undefined],
    [{ statusCode: 400, responseBody: body({ message: 'maximum context length is 8' }) }, 'ContextTooLong', undefined],
    [{ statusCode: 503 }, 'ServerFailed', undefined],
    [{ statusCode: 200 }, 'MalformedAnswer', undefined],
    [{ name: 'AI_UnsupportedFunctionalityError' }, 'Unsupported', undefined],
    [{ cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) }, 'Unreachable', undefined],
  ])('%j is %s', async (part, code, retryAfterMs) => {
    const { model } = specObject({ error: failed(part) })
    const error: unknown = await model.complete(hello, { signal: never }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code })
    expect(error instanceof ModelError && error.fields.retryAfterMs).toBe(retryAfterMs)
  })

  test('ai-sdk/3: of credentials repeats nothing', async () => {
    const responseBody = body({ message: 'Incorrect key sk-secret' })
    const { model } = specObject({ error: failed({ statusCode: 401, responseBody }) })
    const error: unknown = await model.complete(hello, { signal: never }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'Unauthorized', message: expect.not.stringContaining('sk-secret') })
    expect(error).not.toHaveProperty('cause')
  })

  test('in a stream ends it', async () => {
    const error = { type: 'error', error: { message: 'boom', code: 'server_error' } }
    await expect(streamed([delta('h'), error])).rejects.toMatchObject({
      code: 'ServerFailed',
      fields: { streamedChars: 1 },
    })
  })
})

test('ai-sdk/4: an abort ends a call that ignores it', async () => {
  const controller = new AbortController()
  const hanging = aiSdkModel({
    ...{ specificationVersion: 'v4', provider: 'spec', modelId: 'm' },
    doGenerate: () => new Promise(() => {}),
    doStream: () => new Promise(() => {}),
  })
  const call = hanging.complete(hello, { signal: controller.signal })
  controller.abort(new ModelError('Timeout', 'too late'))
  await expect(call).rejects.toMatchObject({ code: 'Timeout' })
})

test('another specification is refused', () => {
  const { model: _, ...old } = { ...specObject({}), specificationVersion: 'v2', provider: 'p', modelId: 'm' }
  const sdk = { ...old, doGenerate: async () => ({}), doStream: async () => ({ stream: new ReadableStream() }) }
  expect(() => aiSdkModel(sdk)).toThrow(expect.objectContaining({ code: 'Unsupported' }))
})

describe('a real one, against our own server', () => {
  const closing: (() => void)[] = []
  afterEach(() => {
    for (const close of closing.splice(0)) close()
  })

  async function real(answer: (body: { readonly stream?: boolean }) => string): Promise<AiSdkLanguageModel> {
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => {
        const asked: { stream?: boolean } = JSON.parse(body)
        response.setHeader('content-type', asked.stream ? 'text/event-stream' : 'application/json')
        response.end(answer(asked))
      })
    })
    closing.push(() => {
      server.closeAllConnections()
      server.close()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    return createOpenAICompatible({ name: 'ours', baseURL: `http://127.0.0.1:${port}/v1`, includeUsage: true })('m')
  }

  const counted = { usage: { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4 } } }
  const calls = [
    { index: 0, id: 't', type: 'function', function: { name: 'get_weather', arguments: '{"location":"Paris"}' } },
  ]
  const chunk = (part: object, finish_reason: string | null = null) =>
    `data: ${JSON.stringify({ id: 'i', choices: [{ index: 0, delta: part, finish_reason }] })}\n\n`

  test('answers whole and as a stream, with a tool call', async () => {
    const model = aiSdkModel(
      await real(({ stream }) =>
        stream
          ? `${chunk({ content: 'h' })}${chunk({ content: 'i' })}${chunk({ tool_calls: calls })}${chunk({}, 'tool_calls')}` +
            `data: ${JSON.stringify({ id: 'i', choices: [], ...counted })}\n\ndata: [DONE]\n\n`
          : JSON.stringify({
              choices: [
                { message: { role: 'assistant', content: 'hi', tool_calls: calls }, finish_reason: 'tool_calls' },
              ],
              ...counted,
            }),
      ),
    )
    const answer = { text: 'hi', finishReason: 'tool_calls', toolCalls, usage: wanted }
    expect(await model.complete(tooled, { signal: never })).toEqual(answer)
    const heard: string[] = []
    expect(await model.complete(tooled, { signal: never, onText: (delta) => heard.push(delta) })).toEqual(answer)
    expect(heard).toEqual(['h', 'i'])
  })
})
