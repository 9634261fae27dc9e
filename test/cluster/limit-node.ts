/**
 * A node whose calls share a limit with others: `limit-node.ts <name> <nats url> <model url> <gate>`. Says `up`, then asks the model in
 * six loops and says `ok` or `failed <code>` for each call; ends when its stdin ends. It serves the model calls of workers too.
 */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { limited, ModelError, openAiCompatible, serveModels } from '@troupe/llm'
import { gates } from '@troupe/resilience'
import { sharedLimit } from './shared-limit.ts'

const LOOPS = 6

const [name, servers, baseUrl, account] = process.argv.slice(2)
if (name === undefined || servers === undefined || baseUrl === undefined || account === undefined) {
  throw new Error('usage: limit-node.ts <name> <nats url> <model url> <gate>')
}
const system = await createSystem({ actors: [gates], backend: nats({ servers }), node: name, leaseMs: 3_000 })
const { clock } = system.runtime
const model = limited(openAiCompatible({ baseUrl, model: 'm' }), sharedLimit(account).in(system.runtime), clock)
const { bus, namespace } = system.connection
const service = serveModels({ bus, namespace, model, clock })
process.stdout.write('up\n')

const leaving = new AbortController()
const calls = async () => {
  const request = { messages: [{ role: 'user', content: name } as const], maxTokens: 10 }
  while (!leaving.signal.aborted) {
    const said = await model.complete(request, leaving).then(
      () => 'ok',
      (error: unknown) => `failed ${error instanceof ModelError ? error.code : String(error)}`,
    )
    if (!leaving.signal.aborted) process.stdout.write(`${said}\n`)
  }
}
const all = Promise.all(Array.from({ length: LOOPS }, calls))
process.stdin.resume().on('end', async () => {
  leaving.abort()
  await all
  await service.stop()
  await system.drain()
  process.exit(0)
})
