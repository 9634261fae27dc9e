/** The password in the address of a NATS server, and the path of a credentials file, stay inside the process. */
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, effect, memory, protocol } from './index.ts'
import { nats } from './nats/index.ts'
import type { Backend } from './ports.ts'

const PASSWORD = 'hidden-word'
const servers = [`nats://joe:${PASSWORD}@127.0.0.1:1`, '127.0.0.1:2']

test('nothing a system publishes, stores, appends or logs holds the password of its servers', async () => {
  const world = memory()
  const backend: Backend = {
    kind: 'memory',
    connect: async (options) => ({ ...(await world.connect(options)), servers, creds: `/${PASSWORD}.creds` }),
  }
  const seen: string[] = []
  const see = (data: Uint8Array) => void seen.push(Buffer.from(data).toString('latin1'))
  await using spy = await createSystem({ backend: world })
  const { bus, store, journal } = spy.connection
  bus.subscribe('>', ({ data }) => see(data))
  await store.watch('>', (change) => change.kind === 'put' && see(change.entry.value))

  const look = effect('look', 'read', async (_: object, { runtime }) => runtime?.servers.length ?? 0)
  const says = protocol('seer', { events: { look: z.object({}), fail: z.object({}) }, replies: { look: z.number() } })

  const logic = setup({ types: says.types<Record<string, never>>(), actors: { look } }).createMachine({
    context: {},
    initial: 'idle',
    states: {
      idle: { on: { look: 'looking', fail: { actions: () => Promise.reject(new Error('no')) } } },
      looking: {
        invoke: {
          src: 'look',
          input: {},
          onDone: { target: 'idle', actions: says.reply('look', ({ event }) => event.output) },
        },
      },
    },
  })
  const system = await createSystem({
    actors: [defineActor(says, { logic })],
    backend,
    node: 'seen',
    shards: 2,
    onLog: (text, data) => void seen.push(`${text} ${JSON.stringify(data)}`),
  })
  expect(await system.get(says, 'a').ask({ type: 'look' })).toBe(2)
  for (const subject of ['tr.default.n.seen.status', '$SRV.INFO', '$SRV.STATS', '$SRV.PING']) {
    await new Promise<void>((resolve) => {
      const reply = bus.openReply((answer) => {
        if (answer !== 'no-responders') see(answer.data)
        reply.close()
        resolve()
      })
      bus.publish(subject, new Uint8Array(), { reply: reply.subject })
    })
  }
  await system.drain()
  for await (const { bytes } of journal.read('>')) see(bytes)
  expect(seen.length).toBeGreaterThan(10)
  expect(seen.join('\n')).toContain('seen')
  expect(seen.filter((text) => text.includes(PASSWORD))).toEqual([])
})

test.each([
  ['no server', servers[0]],
  ['an address that cannot be read', `nats://joe:${PASSWORD}@host:port`],
  ['one without a scheme', `joe:${PASSWORD}@:`],
])('%s: the error does not tell the password', async (_, address = '') => {
  const error: unknown = await createSystem({ backend: nats({ servers: address }) }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'Disconnected' })

  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(PASSWORD)
})
