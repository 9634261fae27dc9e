/** A limit that is reached is an error that names it, not silence; and room that is made is used. */
import { jetstream, jetstreamManager, type StreamAPI } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { createSystem, toWire } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { natsServer } from '@troupe/core/testing'
import { expect, test } from 'vitest'
import { ledger } from '../cluster/actors.ts'

interface Place {
  readonly nc: NatsConnection
  readonly streams: StreamAPI
}

interface Limit {
  readonly name: string
  readonly says: RegExp
  readonly reach: (place: Place) => Promise<unknown>
  readonly makeRoom: (place: Place) => Promise<unknown>
}

const JOURNAL = 'TR_default_J'
const STORE_BYTES = 2_000_000

const limits: readonly Limit[] = [
  {
    name: 'max_msgs of the journal',
    says: /maximum messages exceeded \(10077\)/,
    reach: ({ streams }) => streams.update(JOURNAL, { max_msgs: 1 }),
    makeRoom: ({ streams }) => streams.update(JOURNAL, { max_msgs: -1 }),
  },
  {
    name: 'max_bytes of the journal',
    says: /maximum bytes exceeded \(10077\)/,
    reach: ({ streams }) => streams.update(JOURNAL, { max_bytes: 1_000 }),
    makeRoom: ({ streams }) => streams.update(JOURNAL, { max_bytes: -1 }),
  },
  {
    name: 'what all streams of the server may take',
    says: /insufficient resources \(10023\)/,
    reach: async ({ nc, streams }) => {
      await streams.add({ name: 'hog', subjects: ['hog'] })
      const fill = async () => {
        for (let i = 0; i < STORE_BYTES / 10_000; i++) await jetstream(nc).publish('hog', new Uint8Array(20_000))
      }
      await expect(fill()).rejects.toThrow('insufficient resources')
    },
    makeRoom: ({ streams }) => streams.delete('hog'),
  },
]

test.each(limits)('$name: calls and the log of the node name it, and it goes on when there is room', async (limit) => {
  await using server = await natsServer({ maxStoreBytes: STORE_BYTES })
  const nc = await connect({ servers: server.url })
  const said: string[] = []
  try {
    const place = { nc, streams: (await jetstreamManager(nc)).streams }
    const backend = nats({ servers: server.url, initialise: true })
    const onLog = (text: string, data: object) => void said.push(`${text} ${JSON.stringify(data)}`)
    await using system = await createSystem({ actors: [ledger], backend, shards: 8, leaseMs: 3_000, onLog })
    const ref = system.get(ledger, 'k')
    await ref.ask({ type: 'put', id: 'before' })
    await limit.reach(place)
    // Nobody can say that it will not be stored yet: the same command goes out again until its time is over.
    const failure = await ref.ask({ type: 'put', id: 'full' }, { timeoutMs: 1_500 }).catch(toWire)
    expect(failure).toMatchObject({ code: 'Timeout', applied: 'unknown', details: { last: 'LogUnavailable' } })
    expect(failure).toMatchObject({ message: expect.stringMatching(limit.says) })
    expect(said.filter((line) => line.startsWith('actor lost')).join('\n')).toMatch(limit.says)
    await limit.makeRoom(place)
    await ref.ask({ type: 'put', id: 'after' }, { timeoutMs: 10_000 })
    const { context } = await ref.snapshot({ fenced: true })
    expect(context).toEqual({ ids: ['before', 'after'], repeats: 0 })
  } finally {
    await nc.close()
  }
})
