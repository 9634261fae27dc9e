import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { STAND_IN_NAME, STAND_IN_NOTE, standInAnswer } from './nearest-neighbour.ts'
import { openAiCompatible } from './openai-compatible.ts'
import { type StandIn, standInModel, startStandIn } from './stand-in-server.ts'

let server: StandIn
beforeAll(async () => {
  server = await startStandIn({ port: 0 })
})
afterAll(() => server.close())

const post = (body: unknown): Promise<Response> =>
  fetch(`${server.url}/chat/completions`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const hello = { model: STAND_IN_NAME, messages: [{ role: 'user', content: 'hello' }] }
const Said = z.looseObject({ system: z.string() })

test('our own client gets the same answer over HTTP as in this process', async () => {
  const request = { messages: [{ role: 'user', content: 'Respond with `x`' }], temperature: 1, maxTokens: 3 } as const
  const { signal } = new AbortController()
  const overHttp = await openAiCompatible({ baseUrl: server.url, model: STAND_IN_NAME }).complete(request, { signal })
  expect(overHttp).toEqual(standInAnswer(request))
  expect(overHttp).toEqual(await standInModel().complete(request, { signal }))
  expect(overHttp.finishReason).toBe('length')
})

test('stand-in-server/2: every answer says that it is no language model', async () => {
  expect(Said.parse(await (await post(hello)).json()).system).toBe(STAND_IN_NOTE)
  expect(Said.parse(await (await post('{')).json()).system).toBe(STAND_IN_NOTE)
  const models = await fetch(`${server.url}/models`)
  expect(await models.json()).toMatchObject({ data: [{ id: STAND_IN_NAME, system: STAND_IN_NOTE }] })
})

test('takes text parts and the role developer', async () => {
  const messages = [{ role: 'developer', content: [{ type: 'text', text: 'a' }] }, ...hello.messages]
  expect((await post({ ...hello, messages })).status).toBe(200)
})

test.each([
  ['no JSON', '{', 400],
  ['no messages', { ...hello, messages: [] }, 400],
  ['a stream', { ...hello, stream: true }, 400],
  ['tools', { ...hello, tools: [{}] }, 400],
  ['an image', { ...hello, messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 400],
  ['two choices', { ...hello, n: 2 }, 400],
  ['another model', { ...hello, model: 'gpt' }, 404],
  ['too much', 'x'.repeat(8 * 1024 * 1024 + 1), 413],
])('stand-in-server/3: refuses %s', async (_, body, status) => {
  expect((await post(body)).status).toBe(status)
})

test('other paths are not there', async () => {
  expect((await fetch(`${server.url}/embeddings`)).status).toBe(404)
})

test('a port that is taken is an error', async () => {
  await expect(startStandIn({ port: Number(new URL(server.url).port) })).rejects.toThrow(/EADDRINUSE/)
})
