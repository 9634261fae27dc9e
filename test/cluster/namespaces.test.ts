/** Tests that share one nats-server: each has its namespace, its mocks, and leaves nothing behind. */
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { pool } from '@troupe/bridge-python'
import { createSystem, type System } from '@troupe/core'
import { eventually, mock, natsServer, type TestServer, testNamespace, withMockedService } from '@troupe/core/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { callerOf, processesWith } from './python-caller.ts'

const SPACES = 20
vi.setConfig({ maxConcurrency: SPACES })

const apps = fileURLToPath(new URL('../../packages/bridge-python/test-app', import.meta.url))
const python = pool('general', { app: 'bridge_test_app:app', pythonPath: [apps], size: 1 })
const add = python.fn('add', { input: z.object({ a: z.int(), b: z.int().default(1) }), output: z.int() })
const caller = callerOf('add', add)
const actors = [python, caller.def]
const sum = (system: System, key: string) => caller.run(system, key, { a: 1, b: 1 })

let server: TestServer
const streams = async (): Promise<string[]> => {
  const nc = await connect({ servers: server.url })
  const names: string[] = []
  for await (const name of (await jetstreamManager(nc)).streams.names()) names.push(name)
  await nc.close()
  return names
}
beforeAll(async () => {
  server = await natsServer()
})
afterAll(async () => {
  await server.end()
})

describe.concurrent(`${SPACES} namespaces on one server, one Python function mocked in each of them`, () => {
  let arrived = 0
  test.each(Array.from({ length: SPACES }, (_, i) => i))(
    'namespace %i: two nodes and a client see its mock only',
    async (i) => {
      await using space = testNamespace({ servers: server.url })
      const { backend } = space
      const mocks = { 'general.add': async () => 1_000 + i }
      await withMockedService({ actors, backend, shards: 4, effects: mocks }, {}, (first) =>
        withMockedService({ actors, backend, shards: 4 }, mocks, async (second) => {
          await using client = await createSystem({ backend })
          arrived += 1
          await eventually(() => arrived === SPACES, { withinMs: 15_000, show: () => arrived })
          for (const [n, system] of [first, second, client, first, second, client].entries()) {
            expect(await sum(system, `k${n}`)).toEqual({ value: 1_000 + i })
          }
          const view = await client.get(caller.says, 'k0').snapshot()
          expect(view.seq).toBe(3)
        }),
      )
      // No worker was needed.
      expect(processesWith(space.name)).toEqual([])
    },
  )
})

test('a namespace takes its streams with it', async () => {
  expect(await streams()).toEqual([])
})

test('one namespace mocks a Python function, another calls the real one, at the same time', async () => {
  await using mocked = testNamespace({ servers: server.url })
  await using real = testNamespace({ servers: server.url })
  await using there = await createSystem({ actors, backend: real.backend, shards: 4 })
  const hundredfold = mock(add, ({ a, b = 0 }) => 100 * (a + b))
  await withMockedService({ actors, backend: mocked.backend, shards: 4 }, [hundredfold], async (here) => {
    const answers = await Promise.all([sum(here, 'a'), sum(there, 'a'), sum(here, 'b'), sum(there, 'b')])
    expect(answers.map(({ value }) => value)).toEqual([200, 2, 200, 2])
  })
})
