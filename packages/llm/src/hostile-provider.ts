/**
 * A provider that does everything wrong, for tests: an HTTP server on loopback that speaks both wire formats and plays one trick per
 * base URL, `urlOf(trick)`.
 *
 * 1. It counts requests that somebody still waits for, and open connections, so that a test can see that none is left. After an abort
 *    Node's fetch gives the answer up at once, and its half of the connection seconds later.
 * 2. It never keeps a connection for a later request.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Exchange {
  readonly response: ServerResponse
  readonly isStream: boolean
  /** A right answer: its pieces joined are the whole, and the last ones are its end. */
  readonly pieces: readonly string[]
}

const open = ({ response, isStream }: Exchange, type?: string): void => {
  response.writeHead(200, { 'content-type': type ?? (isStream ? 'text/event-stream' : 'application/json') })
}
const failing = (status: number, headers: Record<string, string> = {}) => {
  return ({ response }: Exchange): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ type: 'error', error: { message: `said ${status}`, type: 'some_error' } }))
  }
}
const saying = (body: string | Buffer, type?: string) => {
  return (exchange: Exchange): void => {
    open(exchange, type)
    exchange.response.end(body)
  }
}
const half = ({ pieces }: Exchange): string => pieces.slice(0, Math.ceil(pieces.length / 2)).join('')

/** Writes for as long as somebody reads. */
function endlessly(response: ServerResponse, chunk: string): void {
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on('drain', more)
  more()
}

const tricks = {
  none: (exchange) => {
    open(exchange)
    exchange.response.end(exchange.pieces.join(''))
  },
  '429 without headers': failing(429),
  '429 as OpenAI says it': failing(429, { 'retry-after-ms': '1500', 'x-ratelimit-remaining-requests': '0' }),
  '429 as Anthropic says it': failing(429, { 'retry-after': '2', 'anthropic-ratelimit-requests-remaining': '0' }),
  '500': failing(500),
  '529': failing(529),
  redirect: failing(307, { location: '/elsewhere' }),
  'hangs before headers': () => {},
  'hangs in the body': (exchange) => {
    open(exchange)
    exchange.response.write(half(exchange))
  },
  'drips slowly': (exchange) => {
    open(exchange)
    const drip = setInterval(() => exchange.response.write(exchange.isStream ? ': \n' : ' '), 20)
    exchange.response.on('close', () => clearInterval(drip))
  },
  'cuts the body': (exchange) => {
    open(exchange)
    exchange.response.write(half(exchange), () => exchange.response.destroy())
  },
  'ends early': (exchange) => {
    open(exchange)
    exchange.response.end(half(exchange))
  },
  'resets the connection': ({ response }) => {
    response.socket?.resetAndDestroy()
  },
  'malformed JSON': (exchange) => {
    open(exchange)
    exchange.response.end(exchange.isStream ? 'data: {"choi\n\n' : '{"choi')
  },
  'another schema': (exchange) => {
    open(exchange)
    const body = '{"type": "content_block_delta", "choices": "none", "content": 5}'
    exchange.response.end(exchange.isStream ? `data: ${body}\n\n` : body)
  },
  'another content type': (exchange) => {
    open(exchange, 'text/html')
    exchange.response.end(exchange.pieces.join(''))
  },
  'a web page': saying('<!doctype html><title>Sign in</title>', 'text/html'),
  'too large': (exchange) => {
    open(exchange)
    // One event, or one body, larger than any may be.
    exchange.response.write(exchange.isStream ? 'data: {"a": "' : '{"a": "')
    for (let n = 0; n < 9; n++) exchange.response.write('x'.repeat(1024 * 1024))
    exchange.response.end('"}\n\n')
  },
  'never ends': (exchange) => {
    open(exchange)
    endlessly(exchange.response, exchange.isStream ? `: ${'x'.repeat(65_000)}\n\n` : ' '.repeat(65_000))
  },
  'invalid UTF-8': (exchange) => {
    open(exchange)
    const [before = '', after = ''] = exchange.pieces.join('').split('hi')
    exchange.response.end(Buffer.concat([Buffer.from(before), Buffer.of(0xff, 0xc3), Buffer.from(after)]))
  },
  'an error with status 200': (exchange) => {
    open(exchange)
    const error = JSON.stringify({ type: 'error', error: { message: 'overloaded', type: 'overloaded_error' } })
    exchange.response.end(exchange.isStream ? `event: error\ndata: ${error}\n\n` : error)
  },
  'an error in the middle': (exchange) => {
    open(exchange)
    const error = JSON.stringify({ type: 'error', error: { message: 'overloaded', type: 'overloaded_error' } })
    exchange.response.end(`${half(exchange)}${exchange.isStream ? `event: error\ndata: ${error}\n\n` : error}`)
  },
  'an empty body': saying(''),
} satisfies Record<string, (exchange: Exchange) => void>

export type Trick = keyof typeof tricks
export const TRICKS = Object.keys(tricks).filter(isTrick)

function isTrick(name: string): name is Trick {
  return Object.hasOwn(tricks, name)
}

export interface HostileProvider {
  /** Without a version; the formats put theirs behind it. */
  urlOf(trick: Trick): string
  waiting(): number
  connections(): number
  close(): Promise<void>
}

/** @param text what a right answer says */
export async function hostileProvider(text: string): Promise<HostileProvider> {
  let waiting = 0
  const server = createServer((request, response) => {
    waiting++
    response.on('close', () => waiting--)
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () => {
      const trick = decodeURIComponent(request.url?.split('/')[1] ?? '')
      const isOpenAi = request.url?.endsWith('/chat/completions') ?? false
      const isStream = body.includes('"stream":true')
      response.shouldKeepAlive = false
      const pieces = isOpenAi ? openAiPieces(text, isStream) : anthropicPieces(text, isStream)
      if (isTrick(trick)) tricks[trick]({ response, isStream, pieces })
      else response.writeHead(404).end()
    })
    // Whoever went away in the middle is part of the play.
    response.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = addressOf(server.address())
  let connections = 0
  server.on('connection', (socket) => {
    connections++
    socket.on('close', () => connections--)
  })
  return {
    urlOf: (trick) => `http://127.0.0.1:${port}/${encodeURIComponent(trick)}`,
    waiting: () => waiting,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address
}

const usage = { prompt_tokens: 7, completion_tokens: 2 }

function openAiPieces(text: string, isStream: boolean): string[] {
  const choice = (part: object, finish_reason: string | null) => ({ choices: [{ index: 0, ...part, finish_reason }] })
  if (!isStream) {
    const json = JSON.stringify({ ...choice({ message: { role: 'assistant', content: text } }, 'stop'), usage })
    return [...(json.match(/.{1,20}/gs) ?? [])]
  }
  const events = [...(text.match(/.{1,9}/gs) ?? [])].map((content) => choice({ delta: { content } }, null))
  const end = [choice({ delta: {} }, 'stop'), { choices: [], usage }]
  return [...[...events, ...end].map((event) => `data: ${JSON.stringify(event)}\n\n`), 'data: [DONE]\n\n']
}

function anthropicPieces(text: string, isStream: boolean): string[] {
  const used = { input_tokens: usage.prompt_tokens, output_tokens: usage.completion_tokens }
  if (!isStream) {
    const json = JSON.stringify({ content: [{ type: 'text', text }], stop_reason: 'end_turn', usage: used })
    return [...(json.match(/.{1,20}/gs) ?? [])]
  }
  const deltas = [...(text.match(/.{1,9}/gs) ?? [])].map((part) => ({ type: 'text_delta', text: part }))
  return [
    { type: 'message_start', message: { usage: { ...used, output_tokens: 1 } } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index: 0, delta })),
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: used },
    { type: 'message_stop' },
  ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
}
