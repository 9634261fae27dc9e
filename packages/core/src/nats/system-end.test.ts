/** How a system ends, in memory and on a real server alike. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createSystem, defineActor, type JournalRecord, memory, protocol, type System } from '../index.ts'
import type { Backend, Connection } from '../ports.ts'
import { eventually } from '../testing/eventually.ts'
import { natsServer, type TestNamespace, type TestServer, testNamespace } from '../testing/index.ts'

const says = protocol('counter', {
  events: { add: z.object({ by: z.number() }) },
  replies: { add: z.number() },
  emits: { added: z.object({}) },
})
const counter = defineActor(says, {
  logic: says.handlers(
    { count: 0 },
    { add: ({ count }, { by }) => ({ state: { count: count + by }, reply: count + by }) },
  ),
})

let server: TestServer
beforeAll(async () => {
  server = await natsServer()
})
afterAll(() => server?.end())

const spaces: { readonly name: string; readonly make: () => TestNamespace }[] = [
  { name: 'memory', make: () => testNamespace() },
  { name: 'NATS', make: () => testNamespace({ servers: server.url }) },
]

describe.each(spaces)('in $name', ({ make }) => {
  const started = async (space: TestNamespace): Promise<{ readonly system: System; readonly log: string[] }> => {
    const log: string[] = []
    const onLog = (text: string, data: object) => void log.push(`${text} ${JSON.stringify(data)}`)
    const system = await createSystem({ actors: [counter], backend: space.backend, shards: 4, leaseMs: 3_000, onLog })
    expect(await system.get(counter, 'a').ask({ type: 'add', by: 1 })).toBe(1)
    return { system, log }
  }

  test('drain after stop, stop after drain, both twice, and `await using` around them: all resolve, nothing is logged', async () => {
    await using space = make()
    const { system, log } = await started(space)
    await system.stop()
    await Promise.all([system.drain(), system.stop(), system.drain()])
    await system[Symbol.asyncDispose]()
    expect(log).toEqual([])
  })

  test('two drains at once and a stop in the middle of them: all resolve', async () => {
    await using space = make()
    const { system, log } = await started(space)
    const ends = [system.drain(), system.drain()]
    await Promise.resolve()
    await Promise.all([...ends, system.stop()])
    expect(log).toEqual([])
  })

  test('a stopped system says SystemStopped to whoever still uses it', async () => {
    await using space = make()
    const { system } = await started(space)
    await system.stop()
    const ref = system.get(counter, 'a')
    const stopped = { code: 'SystemStopped', applied: 'no' }
    await expect(ref.ask({ type: 'add', by: 1 })).rejects.toMatchObject(stopped)
    await expect(ref.snapshot()).rejects.toMatchObject(stopped)
    expect(() => ref.send({ type: 'add', by: 1 })).toThrow(expect.objectContaining(stopped))
    expect(() => ref.on('added', () => {})).toThrow(expect.objectContaining(stopped))
    await expect(system.locate('counter/a')).rejects.toMatchObject(stopped)
  })

  test('what was acknowledged before the stop is there for the next system', async () => {
    await using space = make()
    const { system } = await started(space)
    await system.stop()
    await using next = await createSystem({ actors: [counter], backend: space.backend, shards: 4, leaseMs: 3_000 })
    const answer = next.get(counter, 'a').ask({ type: 'add', by: 1 }, { timeoutMs: 10_000 })
    expect(await answer).toBe(2)
  })

  test("the application's version is in the record of each activation", async () => {
    await using space = make()
    await using system = await createSystem({ actors: [counter], backend: space.backend, shards: 4, app: 'shop 1.2.3' })
    await system.get(counter, 'a').ask({ type: 'add', by: 1 })
    const records: JournalRecord[] = []
    for await (const { bytes } of system.connection.journal.read(system.runtime.subjects.journals())) {
      records.push(JSON.parse(Buffer.from(bytes).toString('utf8')))
    }
    expect(records.map(({ activated }) => activated?.app)).toContain('shop 1.2.3')
    expect(records.map(({ activated }) => activated?.app)).not.toContain('unknown')
  })
})

test('a drain without a connection stops all the same, and says what was not done', async () => {
  const world = memory()
  const log: string[] = []
  let cut = () => {}
  const backend: Backend = {
    kind: 'memory',
    connect: async (options) => {
      const connection = await world.connect(options)
      cut = () => connection.cut()
      return connection
    },
  }
  const system = await createSystem({ actors: [counter], backend, shards: 4, onLog: (text) => log.push(text) })
  cut()
  await system.drain()
  expect(log).toEqual(['shards not handed over'])
  await expect(system.get(counter, 'a').ask({ type: 'add', by: 1 })).rejects.toMatchObject({ code: 'SystemStopped' })
})

test('a system that cannot start leaves nothing running', async () => {
  const world = memory()
  let open = 0
  const backend: Backend = {
    kind: 'memory',
    connect: async (options) => {
      const connection = await world.connect(options)
      open += 1
      const close = async () => {
        open -= 1
        await connection.close()
      }
      const watch = () => Promise.reject(new Error('no watching today'))
      return { ...connection, store: { ...bound(connection), watch }, close }
    },
  }
  await expect(createSystem({ actors: [counter], backend, shards: 4, node: 'half' })).rejects.toThrow(
    'no watching today',
  )
  expect(open).toBe(0)
  await using after = await createSystem({ actors: [counter], backend: world, shards: 4 })
  // Its services are gone with it: nobody answers under its name.
  const answers: unknown[] = []
  const { bus } = after.connection
  const reply = bus.openReply((answer) => answers.push(answer))
  bus.publish('tr.default.n.half.status', new Uint8Array(), { reply: reply.subject })
  await eventually(() => answers.length === 1, { withinMs: 2_000 })
  expect(answers).toEqual(['no-responders'])
})

/** The store's methods, which live on its class. */
function bound({ store }: Connection): Connection['store'] {
  return {
    get: (key) => store.get(key),
    create: (...given) => store.create(...given),
    update: (...given) => store.update(...given),
    delete: (...given) => store.delete(...given),
    watch: (...given) => store.watch(...given),
  }
}
