/** Encrypted actors on a real server, with the keys in its store. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { Subjects } from '../address.ts'
import { createSystem, defineActor, protocol, storedKeys } from '../index.ts'
import { replayActor } from '../replay/index.ts'
import { natsServer, type TestServer } from '../testing/nats-server.ts'
import { nats } from './backend.ts'

const says = protocol('patient', { events: { note: z.object({ text: z.string() }) }, replies: { note: z.number() } })
const patient = defineActor(says, {
  encrypted: true,
  retention: { steps: 5 },
  logic: says.handlers(
    { notes: 0, last: '' },
    { note: ({ notes }, { text }) => ({ state: { notes: notes + 1, last: text }, reply: notes + 1 }) },
  ),
})

let server: TestServer
beforeAll(async () => {
  server = await natsServer()
})
afterAll(() => server?.end())

test('one node goes on where another was, a client erases, and every reader is told so', async () => {
  const backend = nats({ servers: server.url, namespace: 'sealed', initialise: true })
  const subjects = new Subjects('sealed')
  {
    await using system = await createSystem({ actors: [patient], backend, node: 'one', shards: 4 })
    for (let n = 1; n <= 20; n++) {
      expect(await system.get(patient, 'a').ask({ type: 'note', text: 'a diagnosis' })).toBe(n)
    }
  }
  await using system = await createSystem({ actors: [patient], backend, node: 'two', shards: 4 })
  expect(await system.get(patient, 'a').ask({ type: 'note', text: 'well' })).toBe(21)
  const { journal, store } = system.connection
  for await (const { bytes } of journal.read(subjects.journals())) {
    expect(Buffer.from(bytes).toString()).not.toContain('diagnosis')
  }
  const keys = storedKeys(store)
  const replayed = () => replayActor(journal, subjects, 'patient/a', patient, keys)
  expect(await replayed()).toMatchObject({ mismatches: 0, unchecked: 0 })
  await using client = await createSystem({ backend, node: 'client' })
  const ref = client.get(says, 'a')
  await client.destroy(ref, { erase: true })
  await expect(ref.ask({ type: 'note', text: 'again' })).rejects.toMatchObject({ code: 'ActorErased' })
  expect(await keys.find('patient/a')).toBe('destroyed')
  const report = await replayed()
  expect(report).toMatchObject({ erased: true, steps: 0, mismatches: 0 })
  expect(report).not.toHaveProperty('divergence')
})
