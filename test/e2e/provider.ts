/**
 * A provider of either wire format on loopback, for tests: what it answers comes from the stand-in, or from a cassette of such answers.
 *
 * 1. It takes a request only with the key that it was made with, and in the header that its format has for it.
 */
import { createServer, type IncomingMessage } from 'node:http'
import { type Cassette, recorder, replayer, standInAnswer } from '@troupe/llm'
import { z } from 'zod'

export type Format = 'openai-compatible' | 'anthropic'

export interface Provider extends AsyncDisposable {
  readonly url: string
  readonly calls: number
  /** What was asked and answered. */
  cassette(): Cassette
}

const Block = z.object({ type: z.literal('text'), text: z.string() })
const Text = z.union([z.string(), z.array(Block).transform((blocks) => blocks.map(({ text }) => text).join(''))])
const Message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: Text })
const Body = z.object({ messages: z.array(Message), system: z.string().optional(), temperature: z.number().optional() })

/** @param from what answers; without it the stand-in does */
export async function provider(format: Format, key: string, from?: Cassette): Promise<Provider> {
  const recording = recorder(from === undefined ? standIn(format) : replayer(from))
  let calls = 0
  const server = createServer(async (request, response) => {
    calls += 1
    const isAllowed =
      format === 'anthropic' ? request.headers['x-api-key'] === key : request.headers.authorization === `Bearer ${key}`
    const path = format === 'anthropic' ? '/v1/messages' : '/v1/chat/completions'
    if (!isAllowed || request.url !== path) return void response.writeHead(isAllowed ? 404 : 401).end('{}')
    const asked = { method: 'POST', body: await bodyOf(request), headers: { authorization: `Bearer ${key}` } }
    const answer = await recording.fetch(`http://provider${path}`, asked).catch((error: unknown) => String(error))
    if (typeof answer === 'string')
      return void response.writeHead(500).end(JSON.stringify({ error: { message: answer } }))
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}${format === 'anthropic' ? '' : '/v1'}`,
    get calls() {
      return calls
    },
    cassette: recording.cassette,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}

function standIn(format: Format): typeof fetch {
  return async (_, init) => {
    const { messages, system, temperature } = Body.parse(JSON.parse(String(init?.body)))
    const all = system === undefined ? messages : [{ role: 'system' as const, content: system }, ...messages]
    const { text, usage } = standInAnswer({ messages: all, ...(temperature !== undefined && { temperature }) })
    const { promptTokens = 0, completionTokens = 0 } = usage ?? {}
    return Response.json(
      format === 'anthropic'
        ? {
            ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'm', stop_reason: 'end_turn' },
            content: [{ type: 'text', text }],
            usage: { input_tokens: promptTokens, output_tokens: completionTokens },
          }
        : {
            choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
            usage: { prompt_tokens: promptTokens, completion_tokens: completionTokens },
          },
    )
  }
}
