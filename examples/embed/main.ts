/**
 * `npm start` serves the app with its actors in memory; `NATS_URL=nats://127.0.0.1:4222 npm start` with its actors in the log of
 * that server, where they outlive the process.
 *
 *     curl -X POST http://127.0.0.1:3000/counters/visits/add
 */
import { serve } from '@hono/node-server'
import { createSystem } from '@troupe/core'
import { appOn, counter } from './app.ts'

const backend = process.env['NATS_URL'] ? { backend: await onNats() } : {}
const system = await createSystem({ actors: [counter], ...backend })
const server = serve(
  { fetch: appOn(system).fetch, hostname: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) },
  ({ port }) => console.log(`http://127.0.0.1:${port}`),
)

/** Its client is loaded only when it is needed. */
async function onNats() {
  const { nats } = await import('@troupe/core/nats')
  return nats({ initialise: true })
}

// No `process.exit`: when both have ended, nothing keeps the process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    server.close()
    void system.drain()
  })
}
