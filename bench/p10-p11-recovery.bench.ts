/** P10: reading a journal and folding it. P11: recovery of an actor with 100,000 steps. Both on a real nats-server. */
import { createSystem, Subjects } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { replayActor } from '@troupe/core/replay'
import { natsServer } from '@troupe/core/testing'
import { createActor } from 'xstate'
import { counter, counterMachine } from './counter.ts'
import { interleave, type Row, rate } from './harness.ts'

const REPLAYED = 50_000
const LONG = 100_000

async function withSteps<T>(steps: number, work: (url: string) => Promise<T>): Promise<T> {
  await using server = await natsServer()
  await using system = await createSystem({
    actors: [counter],
    backend: nats({ servers: server.url, initialise: true }),
    shards: 8,
  })
  await rate(steps, 256, () => system.get(counter, 'long').ask({ type: 'add', by: 1 }))
  await system.drain()
  return await work(server.url)
}

const replay: Row = {
  row: 'P10',
  what: 'replay: read and fold, state hashes checked',
  baseline: 'the slower of reading alone and plain XState alone',
  unit: 'steps/s',
  kind: 'rate',
  target: 0.8,
  notMeasured: 'push consumers of other clients',
  measure: (rounds) =>
    withSteps(REPLAYED, async (url) => {
      await using system = await createSystem({ backend: nats({ servers: url }), shards: 8 })
      const { journal, namespace } = system.connection
      const subjects = new Subjects(namespace)
      const perSecond = (begun: number) => (REPLAYED / (performance.now() - begun)) * 1_000
      const ours = async () => {
        const begun = performance.now()
        const report = await replayActor(journal, subjects, 'counter/long', counter)
        if (report.mismatches > 0 || report.steps < REPLAYED)
          throw new Error(`replay went wrong: ${JSON.stringify(report)}`)
        return perSecond(begun)
      }
      const reading = async () => {
        const begun = performance.now()
        let bytes = 0
        for await (const entry of journal.read(subjects.journals())) bytes += entry.bytes.length
        return bytes > 0 ? perSecond(begun) : 0
      }
      const folding = async () => {
        const actor = createActor(counterMachine, { input: { type: 'counter', key: 'x' } }).start()
        const begun = performance.now()
        for (let n = 0; n < REPLAYED; n++) actor.send({ type: 'add', by: 1 })
        return perSecond(begun)
      }
      return await interleave(rounds, ours, async () => Math.min(await reading(), await folding()))
    }),
}

const recovery: Row = {
  row: 'P11',
  what: 'first answer of an actor with 100,000 steps on a fresh node, against 10 ms',
  baseline: 'the bound itself: 10 ms',
  unit: 'ms',
  kind: 'time',
  target: 1,
  notMeasured: 'folding all of it (P10 gives the rate)',
  measure: (rounds) =>
    withSteps(LONG, async (url) => {
      const ours = async () => {
        await using system = await createSystem({ actors: [counter], backend: nats({ servers: url }) })
        await system.get(counter, 'other').ask({ type: 'add', by: 1 }, { timeoutMs: 20_000 })
        const begun = performance.now()
        await system.get(counter, 'long').ask({ type: 'add', by: 1 }, { timeoutMs: 20_000 })
        const tookMs = performance.now() - begun
        await system.drain()
        return tookMs
      }
      return await interleave(rounds, ours, async () => 10)
    }),
}

export const rows = [replay, recovery]
