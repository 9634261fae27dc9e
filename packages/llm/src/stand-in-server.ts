/**
 * The stand-in as an OpenAI-compatible endpoint on loopback, for clients that want a URL.
 *
 * 1. Listens on 127.0.0.1 only and asks for no key.
 * 2. Every answer says in `system` what it comes from: a deterministic stand-in, not a language model.
 * 3. Text in, one choice out; `stream`, tools and images are refused with 400, never half done.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { z } from 'zod'
import type { Model } from './model.ts'
import { STAND_IN_NAME, STAND_IN_NOTE, standInAnswer } from './nearest-neighbour.ts'
import { parseJson } from './parse-json.ts'

const MAX_BODY_BYTES = 8 * 1024 * 1024

const Text = z.union([
  z.string(),
  z
    .array(z.object({ type: z.literal('text'), text: z.string() }))
    .transform((parts) => parts.map((p) => p.text).join('')),
])
const Body = z.object({
  model: z.string(),
  messages: z
    .array(
      z.object({
        role: z.enum(['system', 'developer', 'user', 'assistant']).transform((r) => (r === 'developer' ? 'system' : r)),
        content: Text,
      }),
    )
    .min(1),
  temperature: z.number().nullish(),
  seed: z.number().nullish(),
  max_tokens: z.number().int().positive().nullish(),
  max_completion_tokens: z.number().int().positive().nullish(),
  n: z.literal(1).nullish(),
  stream: z.literal(false, 'this endpoint does not stream').nullish(),
  tools: z.array(z.unknown()).max(0).nullish(),
})

/** The same answerer without HTTP. */
export function standInModel(): Model {
  return {
    name: STAND_IN_NAME,
    provider: 'stand-in',
    complete: async (request, { onText }) => {
      const answer = standInAnswer(request)
      if (answer.text !== '') onText?.(answer.text)
      return answer
    },
  }
}

export interface StandIn {
  /** Base URL, version included. */
  readonly url: string
  close(): Promise<void>
}

export async function startStandIn({ port = 0 }: { readonly port?: number } = {}): Promise<StandIn> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      // The peer went away while it sent or read; there is nobody left to tell.
      response.destroy(error instanceof Error ? error : undefined)
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://127.0.0.1:${bound}/v1`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)))
        server.closeAllConnections()
      }),
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '').split('?')[0]
  if (request.method === 'GET' && path === '/v1/models') {
    const model = { id: STAND_IN_NAME, object: 'model', created: 0, owned_by: 'troupe', system: STAND_IN_NOTE }
    return send(response, 200, { object: 'list', data: [model] })
  }
  if (request.method !== 'POST' || path !== '/v1/chat/completions') {
    return refuse(response, 404, `no ${request.method} ${path} here; this endpoint serves /v1/chat/completions`)
  }
  const text = await readBody(request)
  if (text === undefined) return refuse(response, 413, `the request is larger than ${MAX_BODY_BYTES} bytes`)
  const parsed = Body.safeParse(parseJson(text))
  if (!parsed.success) return refuse(response, 400, z.prettifyError(parsed.error))
  const { model, messages, temperature, seed, max_tokens, max_completion_tokens } = parsed.data
  if (model !== STAND_IN_NAME) return refuse(response, 404, `the model '${model}' does not exist`, 'model_not_found')
  const maxTokens = max_completion_tokens ?? max_tokens
  const result = standInAnswer({
    messages,
    ...(typeof temperature === 'number' && { temperature }),
    ...(typeof seed === 'number' && { seed }),
    ...(typeof maxTokens === 'number' && { maxTokens }),
  })
  const { promptTokens = 0, completionTokens = 0 } = result.usage ?? {}
  return send(response, 200, {
    id: 'chatcmpl-stand-in',
    object: 'chat.completion',
    created: 0,
    model: STAND_IN_NAME,
    system: STAND_IN_NOTE,
    choices: [{ index: 0, message: { role: 'assistant', content: result.text }, finish_reason: result.finishReason }],
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    },
  })
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    sizeBytes += bytes.byteLength
    if (sizeBytes > MAX_BODY_BYTES) return undefined
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function refuse(response: ServerResponse, status: number, message: string, code = 'invalid_request'): void {
  send(response, status, { error: { message, type: 'invalid_request_error', code }, system: STAND_IN_NOTE })
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text)
}
