/** P4–P9: an ask from a second process, against a counter written by hand on the same server. */
import { connect, type Msg } from '@nats-io/transport-node'
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { natsServer } from '@troupe/core/testing'
import { Packr } from 'msgpackr'
import { startChild } from './child.ts'
import { counter } from './counter.ts'
import { interleave, latency, type Pairs, type Row, rate } from './harness.ts'

type Ask = (key: string) => Promise<unknown>

/** What becomes of a step: nothing, a log, a log with a sync for every write. */
type Kept = 'volatile' | 'durable' | 'synced'

/** Both sides on one server, each with its process; the caller is this one. */
async function bothSides<T>(kept: Kept, work: (ours: Ask, byHand: Ask) => Promise<T>): Promise<T> {
  await using server = await natsServer({ syncAlways: kept === 'synced' })
  await using system = await createSystem({ backend: nats({ servers: server.url, initialise: true }) })
  // A node that knows that every write is synced puts appends that are ready together into one batch.
  const proof = JSON.stringify(server.server.durabilityProof)
  await using _node = await startChild('counter-node.ts', server.url, proof, kept)
  await using _hand = await startChild('counter-by-hand.ts', server.url, kept)
  const nc = await connect({ servers: server.url, noAsyncTraces: true })
  try {
    return await work((key) => system.get(counter, key).ask({ type: 'add', by: 1 }), caller(nc))
  } finally {
    await nc.close()
  }
}

/** An own reply inbox: twice as fast as nats.js `request`, so the baseline is not held back by it. */
function caller(nc: Awaited<ReturnType<typeof connect>>): Ask {
  const packr = new Packr({ useRecords: false })
  const inbox = `_INBOX.caller${process.pid}`
  const waiting = new Map<string, (reply: Msg) => void>()
  let calls = 0
  nc.subscribe(`${inbox}.*`, {
    callback: (_error, reply) => {
      const id = reply.subject.slice(inbox.length + 1)
      waiting.get(id)?.(reply)
      waiting.delete(id)
    },
  })
  return async (key) => {
    const reply = await new Promise<Msg>((resolve) => {
      const id = (++calls).toString(36)
      waiting.set(id, resolve)
      nc.publish(`hand.ask.${key}`, packr.pack({ by: 1 }), { reply: `${inbox}.${id}` })
    })
    return packr.unpack(reply.data)
  }
}

function throughput(count: number, inFlight: number, keys: number, kept: Kept, rounds: number): Promise<Pairs> {
  return bothSides(kept, (ours, byHand) => {
    const run = (ask: Ask) => () => rate(count, inFlight, (n) => ask(`k${n % keys}`))
    return interleave(rounds, run(ours), run(byHand))
  })
}

const common = {
  baseline: 'by hand on nats.js, no fence, no dedupe',
  notMeasured: 'a real network, more than one server',
}

export const rows: readonly Row[] = [
  {
    ...common,
    row: 'P4',
    what: 'ask across two processes, one at a time, p50',
    unit: 'µs',
    kind: 'time',
    target: 1.15,
    measure: (rounds) =>
      bothSides('volatile', (ours, byHand) =>
        interleave(
          rounds,
          () => latency(3_000, () => ours('one')),
          () => latency(3_000, () => byHand('one')),
        ),
      ),
  },
  {
    ...common,
    row: 'P5',
    what: 'ask across two processes, 64 keys, 256 in flight',
    unit: '/s',
    kind: 'rate',
    target: 0.8,
    measure: (rounds) => throughput(60_000, 256, 64, 'volatile', rounds),
  },
  {
    ...common,
    row: 'P6',
    what: 'durable ask, one at a time, p50',
    unit: 'µs',
    kind: 'time',
    target: 1.25,
    measure: (rounds) =>
      bothSides('durable', (ours, byHand) =>
        interleave(
          rounds,
          () => latency(1_000, () => ours('one')),
          () => latency(1_000, () => byHand('one')),
        ),
      ),
  },
  {
    ...common,
    row: 'P7',
    what: 'durable ask, 64 keys, 64 in flight',
    unit: '/s',
    kind: 'rate',
    target: 0.7,
    measure: (rounds) => throughput(20_000, 64, 64, 'durable', rounds),
  },
  {
    ...common,
    row: 'P8',
    what: 'durable ask, one hot actor, 64 in flight',
    unit: '/s',
    kind: 'rate',
    target: 1.1,
    measure: (rounds) => throughput(20_000, 64, 1, 'durable', rounds),
  },
  {
    ...common,
    row: 'P9 64×64',
    what: 'durable ask, every write synced, 64 keys, 64 in flight',
    unit: '/s',
    kind: 'rate',
    target: 2,
    measure: (rounds) => throughput(6_000, 64, 64, 'synced', rounds),
  },
  {
    ...common,
    row: 'P9 256×256',
    what: 'durable ask, every write synced, 256 keys, 256 in flight',
    unit: '/s',
    kind: 'rate',
    target: 4,
    measure: (rounds) => throughput(6_000, 256, 256, 'synced', rounds),
  },
  {
    ...common,
    row: 'P9 1×64',
    what: 'durable ask, every write synced, one actor, 64 in flight',
    unit: '/s',
    kind: 'rate',
    target: 6,
    measure: (rounds) => throughput(6_000, 64, 1, 'synced', rounds),
  },
]
