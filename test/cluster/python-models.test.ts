/** Model calls of real workers through the service: streams as they come, and tools that the model calls by itself. */
import { join } from 'node:path'
import { pool } from '@troupe/bridge-python'
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { natsServer, type TestServer } from '@troupe/core/testing'
import { scriptedModel, serveModels } from '@troupe/llm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { callerOf } from './python-caller.ts'

const programs = join(import.meta.dirname, '../../python/tests')

let server: TestServer
beforeAll(async () => {
  server = await natsServer()
})
afterAll(() => server.end())

test('a worker hears a stream as it comes, and runs the tools that the model calls', async () => {
  const workers = pool('programs', { app: 'programs:app', pythonPath: [programs], size: 1 })
  const text = z.object({ text: z.string() })
  const streamed = callerOf('streamed', workers.fn('streamed', { input: text, output: z.unknown() }))
  const question = z.object({ question: z.string() })
  const tooled = callerOf('tooled', workers.fn('tooled', { input: question, output: z.array(z.string()) }))
  const actors = [workers, streamed.def, tooled.def]
  const backend = nats({ servers: server.url, namespace: 'models', initialise: true })
  await using system = await createSystem({ actors, backend, shards: 8 })
  const toolCalls = [{ id: 'c1', name: 'weather', input: { city: 'Paris' } }]
  const model = scriptedModel([
    { stream: ['[[ ## module ## ]]\n', 'tar', 'file', '\n\n[[ ## completed ## ]]'] },
    { text: '', finishReason: 'tool_calls', toolCalls },
  ])
  const { bus, namespace } = system.connection
  const models = serveModels({ bus, namespace, model, clock: system.runtime.clock })

  const heard = await streamed.run(system, 'k', { text: 'Read an archive.' })
  expect(heard).toEqual({ value: { text: 'tarfile', prediction: { module: 'tarfile' } } })
  expect(await tooled.run(system, 'k', { question: 'How warm is it in Paris?' })).toEqual({
    value: ['21 degrees in Paris'],
  })
  expect(model.asked[1]?.tools).toMatchObject([
    { name: 'weather', schema: { type: 'object', properties: { city: { type: 'string' } } } },
  ])
  await models.stop()
})
