/** P16: what the step record costs a durable ask, against a record of event and state only, on the same journal. */
import { createSystem, hashOf, Subjects } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { decodeRecord, type JournalRecord } from '@troupe/core/replay'
import { natsServer } from '@troupe/core/testing'
import { counter } from './counter.ts'
import { interleave, latency, type Row } from './harness.ts'

const APPENDS = 1_000

/** A record as the runtime writes it, taken from a journal. */
async function realRecord(url: string): Promise<JournalRecord> {
  await using system = await createSystem({
    actors: [counter],
    backend: nats({ servers: url, initialise: true }),
    shards: 8,
  })
  for (let n = 0; n < 3; n++) await system.get(counter, 'a').ask({ type: 'add', by: 1 })
  let last: JournalRecord | undefined
  for await (const entry of system.connection.journal.read(new Subjects('default').journals()))
    last = decodeRecord(entry.bytes)
  if (last === undefined) throw new Error('nothing was recorded')
  return last
}

export const rows: readonly Row[] = [
  {
    row: 'P16',
    what: 'durable append with the whole step record, hash included',
    baseline: 'event and state only',
    unit: 'µs',
    kind: 'time',
    target: 1.15,
    notMeasured: 'the steps themselves, which are the same on both sides',
    async measure(rounds) {
      await using server = await natsServer()
      const record = await realRecord(server.url)
      await using system = await createSystem({ backend: nats({ servers: server.url }), shards: 8 })
      const { journal } = system.connection
      const small = { event: record.steps[0]?.input, state: record.state?.host?.tree.snap }
      const append = (name: string, encode: () => string) => {
        let position = 0
        const subject = `tr.default.j.main-0.bench.${name}`
        return async () => {
          const outcome = await journal.append(subject, position, Buffer.from(encode()))
          if (outcome.kind !== 'stored') throw new Error(`not stored: ${outcome.kind}`)
          position = outcome.position
        }
      }
      const full = append('full', () => JSON.stringify({ ...record, hash: hashOf(record.state) }))
      const bare = append('bare', () => JSON.stringify(small))
      return await interleave(
        rounds,
        () => latency(APPENDS, full),
        () => latency(APPENDS, bare),
      )
    },
  },
]
