/**
 * Exchanges with a provider as a file that people can read and check, and their replay through the `fetch` of a client.
 *
 * 1. No header of a request is ever written; of an answer only `KEPT_HEADERS`. A value that the request sent as a key is taken out of
 *    everything that is written, however JSON escapes it; only one that a model spells out over several events of a stream is not
 *    found. Of the URL only the path is kept.
 * 2. A request is found by its path and its body, in which the order of keys does not count. The same request gets the answers
 *    recorded for it in their order, and then the last one again.
 * 3. A request that was not recorded is a `ModelError` that says so; nothing reaches the network.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { ModelError } from './model.ts'
import { parseJson } from './parse-json.ts'

const VERSION = 1
const KEPT_HEADERS = [
  'content-type',
  'retry-after',
  'retry-after-ms',
  'x-request-id',
  'request-id',
  'date',
  /^x-ratelimit-/,
  /^anthropic-ratelimit-/,
]

const Exchange = z.object({
  /** What is shown; nothing is found by it. */
  about: z.string().optional(),
  request: z.object({ path: z.string(), body: z.unknown() }),
  response: z.object({
    status: z.number().int(),
    headers: z.record(z.string(), z.string()),
    /** One of the two: JSON or text of an answer that came whole, or the pieces that a stream came in. */
    body: z.unknown().optional(),
    chunks: z.array(z.string()).optional(),
  }),
})
const Cassette = z.object({ v: z.literal(VERSION), about: z.string().optional(), exchanges: z.array(Exchange) })

export type CassetteExchange = z.infer<typeof Exchange>
export type Cassette = z.infer<typeof Cassette>

export async function readCassette(path: string | URL): Promise<Cassette> {
  const parsed = Cassette.safeParse(parseJson(await readFile(path, 'utf8')))
  if (parsed.success) return parsed.data
  throw new ModelError(
    'InvalidRequest',
    `${path} is no cassette of version ${VERSION}: ${z.prettifyError(parsed.error)}`,
  )
}

export async function writeCassette(path: string | URL, cassette: Cassette): Promise<void> {
  await writeFile(path, `${JSON.stringify(cassette, null, 2)}\n`)
}

export interface Recorder {
  /** For a client's `fetch`. */
  readonly fetch: typeof fetch
  /** All exchanges that have begun to be answered, with what has come of each so far. */
  cassette(): Cassette
}

export function recorder(through: typeof fetch = fetch): Recorder {
  const exchanges: (() => CassetteExchange)[] = []
  return {
    cassette: () => ({ v: VERSION, exchanges: exchanges.map((written) => written()) }),
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const secrets = [...request.headers].flatMap(([name, value]) => keyIn(name, value)).map(formsOf)
      const clean = (text: string) => secrets.reduce((cleaned, forms) => cleaned.replaceAll(forms, '***'), text)
      const body = cleanJson(parseJson(String(init?.body ?? '')), clean)
      const asked = { path: new URL(request.url).pathname, body }
      const response = await through(input, init)
      const { status, statusText } = response
      const headers = Object.fromEntries(
        [...response.headers].filter(([name]) => isKept(name)).map(([name, value]) => [name, clean(value)]),
      )
      const isStream = headers['content-type']?.startsWith('text/event-stream') ?? false
      const pieces: Uint8Array[] = []
      exchanges.push(() => {
        const chunks = textsOf(pieces)
        const whole = chunks.join('')
        const text = clean(whole)
        // A key may be cut between two pieces.
        const said = isStream
          ? { chunks: text === whole ? chunks : [text] }
          : { body: cleanJson(parseJson(whole), clean) ?? text }
        return { request: asked, response: { status, headers, ...said } }
      })
      if (response.body === null) return response
      const copy = new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          pieces.push(chunk.slice())
          controller.enqueue(chunk)
        },
      })
      return new Response(response.body.pipeThrough(copy), { status, statusText, headers: response.headers })
    },
  }
}

/** A character may be cut between two pieces. */
function textsOf(pieces: readonly Uint8Array[]): string[] {
  const decoder = new TextDecoder()
  const texts = pieces.map((piece) => decoder.decode(piece, { stream: true }))
  const rest = decoder.decode()
  return rest === '' ? texts : [...texts, rest]
}

export function replayer(cassette: Cassette): typeof fetch {
  const waiting = new Map<string, CassetteExchange['response'][]>()
  for (const { request, response } of cassette.exchanges) {
    const key = keyOf(request.path, request.body)
    waiting.set(key, [...(waiting.get(key) ?? []), response])
  }
  return async (input, init) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input)
    const body = String(init?.body ?? '')
    const answers = waiting.get(keyOf(pathname, parseJson(body)))
    const [answer] = answers ?? []
    if (answers === undefined || answer === undefined) {
      const known = cassette.exchanges.map(({ request }) =>
        `${request.path} ${JSON.stringify(request.body)}`.slice(0, 200),
      )
      throw new ModelError(
        'InvalidRequest',
        `the cassette has no answer to POST ${pathname} ${body.slice(0, 500)}; it has:\n${known.join('\n')}`,
      )
    }
    if (answers.length > 1) answers.shift()
    return responseOf(answer)
  }
}

function responseOf({ status, headers, body, chunks }: CassetteExchange['response']): Response {
  const encoder = new TextEncoder()
  const pieces = chunks?.slice() ?? [typeof body === 'string' ? body : JSON.stringify(body)]
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const piece = pieces.shift()
      if (piece === undefined) controller.close()
      else controller.enqueue(encoder.encode(piece))
    },
  })
  return new Response(stream, { status, headers })
}

function isKept(name: string): boolean {
  return KEPT_HEADERS.some((kept) => (typeof kept === 'string' ? kept === name : kept.test(name)))
}

const KEY_HEADER = /auth|key|token|secret|cookie/

/** Without the scheme before it. */
function keyIn(name: string, value: string): string[] {
  const key = value.replace(/^[A-Za-z]+ +/, '')
  return KEY_HEADER.test(name) && key !== '' ? [key] : []
}

/** A key as it is, and as it is in JSON, and in JSON that is a string of JSON. */
function formsOf(key: string): RegExp {
  const forms = [...key].map((char) => {
    const hex = char.charCodeAt(0).toString(16).padStart(4, '0')
    const before = char === '\\' || char === '"' || char === '/' ? '\\\\*' : ''
    return `(?:${before}\\u${hex}|\\\\+u(?:${hex}|${hex.toUpperCase()}))`
  })
  return new RegExp(forms.join(''), 'g')
}

function cleanJson(value: unknown, clean: (text: string) => string): unknown {
  if (typeof value === 'string') return clean(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => cleanJson(item, clean))
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [clean(name), cleanJson(part, clean)]))
}

function keyOf(path: string, body: unknown): string {
  return `${path} ${JSON.stringify(body, (_, value: unknown) => sorted(value))}`
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
