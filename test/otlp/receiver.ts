/** An OTLP/HTTP receiver for tests: keeps the spans and metrics that it was sent in JSON, and answers as it is told. */
import { createServer } from 'node:http'

export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startMs: number
  readonly endMs: number
  readonly status: { readonly code?: number; readonly message?: string }
  readonly attributes: { readonly [name: string]: unknown }
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly resource: { readonly [name: string]: unknown }
}

export interface Told {
  readonly status: number
  readonly body?: object
  readonly headers?: { readonly [name: string]: string }
}

export interface Receiver extends AsyncDisposable {
  readonly url: string
  readonly spans: ReceivedSpan[]
  /** Bodies of `/v1/metrics`. */
  readonly metrics: Json[]
  /** Requests, whatever was answered. */
  readonly requests: { readonly path: string; readonly headers: NodeJS.Dict<string | string[]> }[]
  /** What the next requests are answered, one after the other; then 200. */
  readonly answers: Told[]
}

export interface Json {
  readonly [name: string]: unknown
}

export async function otlpReceiver(): Promise<Receiver> {
  const spans: ReceivedSpan[] = []
  const metrics: Json[] = []
  const requests: Receiver['requests'] = []
  const answers: Told[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (data: Buffer) => parts.push(data))
    request.on('end', () => {
      requests.push({ path: request.url ?? '', headers: request.headers })
      const told = answers.shift() ?? { status: 200 }
      if (told.status === 200) {
        const body = JSON.parse(Buffer.concat(parts).toString('utf8'))
        if (request.url === '/v1/traces') spans.push(...spansIn(body))
        else metrics.push(body)
      }
      response.writeHead(told.status, { 'content-type': 'application/json', ...told.headers })
      response.end(JSON.stringify(told.body ?? {}))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    ...{ spans, metrics, requests, answers },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface WireSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status?: { readonly code?: number; readonly message?: string }
  readonly attributes?: readonly WireAttribute[]
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[]
}

interface WireAttribute {
  readonly key: string
  readonly value: Json
}

interface WireTraces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly WireAttribute[] }
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[]
  }[]
}

function spansIn({ resourceSpans }: WireTraces): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ startTimeUnixNano, endTimeUnixNano, status = {}, attributes = [], links = [], ...span }) => ({
        ...span,
        startMs: Number(BigInt(startTimeUnixNano) / 1_000n) / 1_000,
        endMs: Number(BigInt(endTimeUnixNano) / 1_000n) / 1_000,
        status,
        attributes: plain(attributes),
        links,
        resource: plain(resource.attributes),
      })),
    ),
  )
}

function plain(attributes: readonly WireAttribute[]): Json {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}

/** Spans whose parent was not sent; of the whole list, so that the order of arrival says nothing. */
export function orphansIn(spans: readonly ReceivedSpan[]): ReceivedSpan[] {
  const known = new Set(spans.map(({ traceId, spanId }) => `${traceId} ${spanId}`))
  return spans.filter(({ traceId, parentSpanId }) => parentSpanId && !known.has(`${traceId} ${parentSpanId}`))
}
