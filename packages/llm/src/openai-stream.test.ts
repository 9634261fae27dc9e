/** What servers of the chat completions format do differently when they stream. */
import { createServer } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { ModelAnswer } from './model.ts'
import { openAiCompatible } from './openai-compatible.ts'

const never = new AbortController().signal
type Chunk = object | '[DONE]'

async function streamOf(
  chunks: readonly Chunk[],
  type = 'text/event-stream',
): Promise<ModelAnswer & { heard: string }> {
  let heard = ''
  const body = chunks.map((chunk) => `data: ${chunk === '[DONE]' ? chunk : JSON.stringify(chunk)}\n\n`).join('')
  const model = openAiCompatible({
    ...{ baseUrl: 'http://h/v1', model: 'm' },
    fetch: async () => new Response(body, { headers: { 'content-type': type } }),
  })
  const onText = (delta: string): void => {
    heard += delta
  }
  const answer = await model.complete({ messages: [{ role: 'user', content: 'q' }] }, { signal: never, onText })
  return { ...answer, heard }
}

const said = (content: string, finish_reason: string | null = null) => ({
  choices: [{ delta: { content }, finish_reason }],
})
const calls = (tool_calls: readonly object[], finish_reason: string | null = null) => ({
  choices: [{ delta: { tool_calls }, finish_reason }],
})
const fn = (name: string, args: string) => ({ function: { name, arguments: args } })

describe('openai-answer/1: a stream has ended well', () => {
  test.each([
    ['with a reason and [DONE]', [said('hi', 'stop'), '[DONE]']],
    ['with a reason alone', [said('hi', 'stop')]],
    ['with [DONE] alone', [said('hi'), '[DONE]']],
    ['with another type of content', [said('hi', 'stop')], 'text/plain'],
  ] as const)('%s', async (_, chunks, type?: string) => {
    expect(await streamOf(chunks, type)).toEqual({ text: 'hi', heard: 'hi', finishReason: 'stop' })
  })

  test('and else has broken off, with how far it came', async () => {
    await expect(streamOf([said('hi')])).rejects.toMatchObject({ code: 'Unreachable', fields: { streamedChars: 2 } })
    await expect(streamOf([])).rejects.toMatchObject({ code: 'MalformedAnswer' })
  })
})

test('usage comes in the last chunk, which has no choice, or beside each', async () => {
  const usage = { prompt_tokens: 7, completion_tokens: 2 }
  const wanted = { usage: { promptTokens: 7, completionTokens: 2 } }
  expect(await streamOf([said('hi', 'stop'), { choices: [], usage }, '[DONE]'])).toMatchObject(wanted)
  expect(
    await streamOf([
      { ...said('hi'), usage: { ...usage, completion_tokens: 1 } },
      { ...said('', 'stop'), usage },
    ]),
  ).toMatchObject(wanted)
})

test.each([{}, { prompt_tokens: 7, completion_tokens: null }, { cost: null }])(
  'openai-answer/3: the usage %j in a stream is none, and the answer stays',
  async (usage) => {
    const wanted = { text: 'hi', heard: 'hi', finishReason: 'stop' }
    expect(await streamOf([said('hi', 'stop'), { choices: [], usage }, '[DONE]'])).toEqual(wanted)
  },
)

describe('openai-answer/2: tool calls', () => {
  test('come in fragments by index, mixed with each other', async () => {
    const chunks = [
      calls([{ index: 0, id: 'a', ...fn('f', '{"x"') }]),
      calls([{ index: 1, id: 'b', ...fn('g', '') }]),
      calls([{ index: 0, function: { arguments: ':1}' } }], 'tool_calls'),
    ]
    expect(await streamOf(chunks)).toEqual({
      ...{ text: '', heard: '', finishReason: 'tool_calls' },
      toolCalls: [
        { id: 'a', name: 'f', input: { x: 1 } },
        { id: 'b', name: 'g', input: {} },
      ],
    })
  })

  test('come whole, without an index, an id or a reason of their own', async () => {
    const chunks = [calls([fn('f', '{"x":1}')]), calls([fn('f', '{"x":2}')], 'stop')]
    expect((await streamOf(chunks)).toolCalls).toEqual([
      { id: 'call_0', name: 'f', input: { x: 1 } },
      { id: 'call_1', name: 'f', input: { x: 2 } },
    ])
  })

  test.each([['{"x":'], ['[1]'], ['"x"']])(
    'whose input is %s are MalformedAnswer; model/6: cut off they are left out',
    async (args) => {
      const chunks = (reason: string) => [calls([{ index: 0, id: 'a', ...fn('f', args) }], reason)]
      await expect(streamOf(chunks('tool_calls'))).rejects.toMatchObject({ code: 'MalformedAnswer' })
      expect(await streamOf(chunks('length'))).toEqual({ text: '', heard: '', finishReason: 'length' })
    },
  )
})

test.each([
  [{ error: { message: 'boom', type: 'server_error' } }, 'ServerFailed'],
  [
    { error: { message: 'slow down', code: 429 }, choices: [{ delta: { content: '' }, finish_reason: 'error' }] },
    'RateLimited',
  ],
  [{ error: 'boom' }, 'ServerFailed'],
])('openai-answer/4: the error %j in a stream is %s', async (error, code) => {
  await expect(streamOf([error])).rejects.toMatchObject({ code, fields: { status: 200, streamedChars: 0 } })
  await expect(streamOf([said('hi'), error])).rejects.toMatchObject({
    code: 'ServerFailed',
    fields: { streamedChars: 2 },
  })
})

test('a refusal is heard as the text, once', async () => {
  const refusing = { choices: [{ delta: { refusal: 'I will ' } }] }
  const more = { choices: [{ delta: { refusal: 'not.' }, finish_reason: 'stop' }] }
  expect(await streamOf([refusing, more, '[DONE]'])).toEqual({
    text: 'I will not.',
    heard: 'I will not.',
    finishReason: 'content_filter',
  })
})

test('what a listener throws ends the call as it is', async () => {
  const model = openAiCompatible({
    ...{ baseUrl: 'http://h/v1', model: 'm' },
    fetch: async () => new Response(`data: ${JSON.stringify(said('hi', 'stop'))}\n\n`),
  })
  const own = new Error('of the listener')
  const onText = (): void => {
    throw own
  }
  await expect(model.complete({ messages: [] }, { signal: never, onText })).rejects.toBe(own)
})

test('provider-call/4: a stream that ends with its last event leaves its connection to the next', async () => {
  let connections = 0
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/event-stream')
    response.write(`data: ${JSON.stringify(said('hi', 'stop'))}\n\n`)
    response.end('data: [DONE]\n\n')
  })
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const model = openAiCompatible({ baseUrl: `http://127.0.0.1:${port}/v1`, model: 'm' })
  for (let n = 0; n < 20; n++) await model.complete({ messages: [] }, { signal: never, onText: () => {} })
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  // Under load an end may come too late to be waited for.
  expect(connections).toBeLessThan(20)
})
