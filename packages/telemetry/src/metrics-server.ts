/**
 * `/metrics` for Prometheus: as a function for any HTTP framework, and as a small server of its own.
 *
 * 1. Only `GET /metrics` is answered; the server listens on the loopback address unless it is told otherwise.
 * 2. `close` ends open connections too: a scraper that keeps its connection holds nothing up.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { MetricSnapshot } from './metrics.ts'
import { CONTENT_TYPE, prometheusText } from './prometheus-text.ts'

type Read = () => readonly MetricSnapshot[] | Promise<readonly MetricSnapshot[]>

export interface ServeMetrics {
  readonly metrics: Read
  /** 0: any free one. @defaultValue 9464 */
  readonly port?: number
  /** @defaultValue '127.0.0.1' */
  readonly host?: string
}

export interface MetricsServer extends AsyncDisposable {
  readonly url: string
  close(): Promise<void>
}

/** What `GET /metrics` answers. */
export async function metricsResponse(
  metrics: Read,
): Promise<{ readonly status: 200; readonly headers: { readonly 'content-type': string }; readonly body: string }> {
  return { status: 200, headers: { 'content-type': CONTENT_TYPE }, body: prometheusText(await metrics()) }
}

/** @throws what listening throws, as EADDRINUSE */
export async function serveMetrics({ metrics, port = 9464, host = '127.0.0.1' }: ServeMetrics): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0]
    if (path !== '/metrics') return void plain(response, 404, 'only /metrics is here\n')
    if (request.method !== 'GET') return void plain(response, 405, 'only GET\n', { allow: 'GET' })
    metricsResponse(metrics).then(
      ({ status, headers, body }) => response.writeHead(status, headers).end(body),
      (error: unknown) => plain(response, 500, `${String(error)}\n`),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host }, () => resolve())
  })
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { url: urlOf(server.address(), host), close, [Symbol.asyncDispose]: close }
}

function plain(response: ServerResponse, status: number, text: string, headers: { allow?: string } = {}): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(text)
}

function urlOf(address: AddressInfo | string | null, host: string): string {
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`
}
