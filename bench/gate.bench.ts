/** R3: calls through a limit that a whole cluster shares, against a compare-and-set of a key per call, which is how it is often done. */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { natsServer } from '@troupe/core/testing'
import { gate, gates } from '@troupe/resilience'
import { interleave, type Row, rate } from './harness.ts'

const CALLS = 4_000
const IN_FLIGHT = 8

const shared: Row = {
  row: 'R3 gate',
  what: `calls through a gate on NATS, ${IN_FLIGHT} at a time, all with room`,
  baseline: 'a read and a compare-and-set of one key for each call',
  unit: 'calls/s',
  kind: 'rate',
  target: 10,
  notMeasured: 'many nodes; waiting; what the provider says',
  measure: async (rounds) => {
    await using server = await natsServer()
    const backend = nats({ servers: server.url, initialise: true })
    await using system = await createSystem({ actors: [gates], backend })
    const account = gate('bench', { limits: { requests: { cap: 100_000_000 }, tokens: { cap: 100_000_000_000 } } })
    const granting = account.in(system.runtime)
    const { store } = system.connection
    await store.create('bench', Buffer.from('0'))
    const set = async (): Promise<void> => {
      for (;;) {
        const entry = await store.get('bench')
        if (entry === undefined) throw new Error('the key is gone')
        const next = Number(Buffer.from(entry.value).toString()) + 1
        if ((await store.update('bench', Buffer.from(`${next}`), entry.revision)) !== undefined) return
      }
    }
    const cost = { requests: 1, tokens: 800 }
    const call = () => granting.run(cost, {}, async (grant) => grant.begin())
    return await interleave(
      rounds,
      () => rate(CALLS, IN_FLIGHT, call),
      () => rate(CALLS / 10, IN_FLIGHT, set),
    )
  },
}

export const rows: readonly Row[] = [shared]
