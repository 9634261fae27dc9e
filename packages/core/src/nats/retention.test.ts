/** Retention on a real server: what leaves the stream, and what a stream that denies it does. */
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { Subjects } from '../address.ts'
import { createSystem, defineActor, protocol } from '../index.ts'
import type { Journal } from '../ports.ts'
import { replayActor } from '../replay/index.ts'
import { decodeRecord } from '../step.ts'
import { eventually } from '../testing/eventually.ts'
import { natsServer, type TestServer } from '../testing/nats-server.ts'
import { nats } from './backend.ts'
import { journalStream } from './streams.ts'

const says = protocol('tally', { events: { add: z.object({ n: z.number() }) }, replies: { add: z.number() } })
const logic = says.handlers({ sum: 0 }, { add: ({ sum }, { n }) => ({ state: { sum: sum + n }, reply: sum + n }) })
const tally = defineActor(says, { logic, retention: { steps: 20 } })

let server: TestServer
beforeAll(async () => {
  server = await natsServer()
})
afterAll(() => server?.end())

async function seqs(journal: Journal, namespace: string): Promise<number[]> {
  const found: number[] = []
  for await (const { bytes } of journal.read(new Subjects(namespace).history('tally/a'))) {
    found.push(...decodeRecord(bytes).steps.map(({ seq }) => seq))
  }
  return found
}

test('a log is trimmed; another node goes on and replay of the rest matches', async () => {
  const backend = nats({ servers: server.url, namespace: 'trimmed', initialise: true })
  let sum = 0
  {
    await using system = await createSystem({ actors: [tally], backend, node: 'one', shards: 4 })
    const add = async () => expect(await system.get(tally, 'a').ask({ type: 'add', n: 1 })).toBe(++sum)
    for (let i = 0; i < 100; i++) await add()
    const { journal } = system.connection
    // What was found to leave is named by the next record.
    const trimmed = async () => {
      await add()
      return (await seqs(journal, 'trimmed')).length <= 25
    }
    await eventually(trimmed, { withinMs: 5_000, show: () => seqs(journal, 'trimmed') })
  }
  await using system = await createSystem({ actors: [tally], backend, node: 'two', shards: 4 })
  expect(await system.get(tally, 'a').ask({ type: 'add', n: 1 })).toBe(sum + 1)
  const kept = await seqs(system.connection.journal, 'trimmed')
  expect(kept.length).toBeGreaterThanOrEqual(20)
  const report = await replayActor(system.connection.journal, new Subjects('trimmed'), 'tally/a', tally)
  expect(report).toMatchObject({ complete: false, firstStep: kept[0], mismatches: 0, unchecked: 0, epochs: 2 })
})

test('a stream that denies purges, as those of older versions do, stays whole, and that is said', async () => {
  const backend = nats({ servers: server.url, namespace: 'denied', initialise: true })
  await (await createSystem({ backend, node: 'first' })).stop()
  const connection = await connect({ servers: server.url })
  const manager = await jetstreamManager(connection)
  await manager.streams.update(journalStream('denied'), { deny_purge: true })
  await connection.close()
  const said: object[] = []
  const onLog = (text: string, data: object) => text.includes('could not be trimmed') && said.push(data)
  await using system = await createSystem({ actors: [tally], backend, node: 'one', shards: 4, onLog })
  for (let n = 1; n <= 40; n++) await system.get(tally, 'a').ask({ type: 'add', n: 1 })
  expect(await seqs(system.connection.journal, 'denied')).toHaveLength(41)
  await eventually(() => said.length > 0, { withinMs: 5_000 })
  expect(said).toMatchObject([{ actor: 'tally/a', error: expect.stringContaining('purge') }])
})
