import { expect, test } from 'vitest'
import { Cluster } from '../cluster/cluster.ts'
import { Load } from './load.ts'

const NODES = ['a', 'b', 'c']
const KEYS = Array.from({ length: 12 }, (_, n) => `k${n}`)
/** A message that got lost on the way is sent again after so long: no call of a planned restart may wait for that. */
const SILENCE_MS = 500

test('a rolling restart of three nodes under load: no call fails, and a shard that moves is soon served again', async () => {
  await using cluster = await Cluster.start(NODES)
  const load = new Load(cluster.client, KEYS)
  const ownerless = await ownerlessTimes(cluster)
  await load.served(20_000)
  load.forget()
  for (const node of NODES) {
    await cluster.stop(node)
    await cluster.startNode(node)
    // Twice: shards move to the new node for a while after it is up.
    await load.served(20_000)
    await load.served(20_000)
  }
  await load.end()
  const sorted = ownerless.toSorted((a, b) => a - b)
  const at = (part: number) => Math.round(sorted[Math.ceil(sorted.length * part) - 1] ?? 0)
  const { longestCallMs, calls } = load.tally
  console.log(
    JSON.stringify({ calls, longestCallMs, moves: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }),
  )
  expect([...load.problems, ...cluster.died]).toEqual([])
  expect(load.errors).toEqual({})
  expect(longestCallMs).toBeLessThan(SILENCE_MS)
  // Each node hands over a third of 256 shards and gets as many again.
  expect(sorted.length).toBeGreaterThan(256)
  expect(at(0.99)).toBeLessThan(100)
}, 60_000)

/** How long each shard that changed hands was without an owner, as the client's watch saw it. */
async function ownerlessTimes({ client }: Cluster): Promise<number[]> {
  const since = new Map<string, number>()
  const times: number[] = []
  await client.connection.store.watch('shard.>', (change) => {
    if (change.kind === 'removed') return
    const { key, value } = change.entry
    const owned: unknown = JSON.parse(Buffer.from(value).toString()).owner
    const at = since.get(key)
    if (owned === '') since.set(key, performance.now())
    else if (at !== undefined) {
      times.push(performance.now() - at)
      since.delete(key)
    }
  })
  return times
}
