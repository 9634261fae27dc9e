import type { Address } from '@troupe/core'
import { eventually } from '@troupe/core/testing'
import { expect, test } from 'vitest'
import { job, ledger } from './actors.ts'
import { Cluster } from './cluster.ts'

const ownerOf = async (cluster: Cluster, address: Address): Promise<string> => {
  const found = await eventually(async () => (await cluster.client.locate(address)).node, { withinMs: 10_000 })
  return found ?? 'nobody'
}

test('kill -9 of a node: its actors answer elsewhere, every acknowledged command is there, none twice', async () => {
  await using cluster = await Cluster.start(['a', 'b'])
  const keys = ['k1', 'k2', 'k3', 'k4', 'k5', 'k6']
  const acknowledged = new Map(keys.map((key) => [key, new Set<string>()]))
  let stop = false
  const load = keys.map(async (key) => {
    const ref = cluster.client.get(ledger, key)
    for (let n = 0; !stop; n++) {
      const id = `${key}-${n}`
      await ref.ask({ type: 'put', id }, { timeoutMs: 15_000 })
      acknowledged.get(key)?.add(id)
    }
  })
  const enough = (count: number) =>
    eventually(() => keys.every((key) => (acknowledged.get(key)?.size ?? 0) >= count), {
      withinMs: 15_000,
      show: () => keys.map((key) => acknowledged.get(key)?.size),
    })
  await enough(20)
  const victim = await ownerOf(cluster, 'ledger/k1')
  const before = Math.max(...keys.map((key) => acknowledged.get(key)?.size ?? 0))
  await cluster.kill(victim)
  await enough(before + 20)
  stop = true
  await Promise.all(load)
  for (const key of keys) {
    const { context } = await cluster.client.get(ledger, key).snapshot({ fenced: true })
    expect(context.repeats).toBe(0)
    expect(new Set(context.ids)).toEqual(acknowledged.get(key))
  }
  expect(await ownerOf(cluster, 'ledger/k1')).not.toBe(victim)
})

test('an open ask, its running effect and its pending timer survive kill -9 of their node', async () => {
  await using cluster = await Cluster.start(['a', 'b'])
  const victim = await ownerOf(cluster, 'job/j1')
  // Keys that live on the victim: one will be in its effect, one in its timer when the node dies.
  const keys: string[] = []
  for (let n = 0; keys.length < 2; n++) {
    if ((await ownerOf(cluster, `job/x${n}`)) === victim) keys.push(`x${n}`)
  }
  const [working = '', resting = ''] = keys
  const asks = [
    cluster.client.get(job, working).ask({ type: 'start', workMs: 1_500, restMs: 1 }, { timeoutMs: 30_000 }),
    cluster.client.get(job, resting).ask({ type: 'start', workMs: 1, restMs: 1_500 }, { timeoutMs: 30_000 }),
  ]
  await eventually(async () => (await cluster.client.get(job, resting).snapshot()).matches('resting'), {
    withinMs: 5_000,
  })
  expect((await cluster.client.get(job, working).snapshot()).value).toBe('working')
  await cluster.kill(victim)
  expect(await Promise.all(asks)).toEqual([{ rounds: 1 }, { rounds: 1 }])
})

test('a planned stop hands its shards over at once', async () => {
  await using cluster = await Cluster.start(['a', 'b'])
  const owner = await ownerOf(cluster, 'ledger/k1')
  const ref = cluster.client.get(ledger, 'k1')
  await ref.ask({ type: 'put', id: 'one' })
  const started = performance.now()
  const stopping = cluster.stop(owner)
  expect(await ref.ask({ type: 'put', id: 'two' }, { timeoutMs: 10_000 })).toEqual({ size: 2, repeats: 0 })
  // Far below the lease of 3 s: nobody waited for it to run out.
  expect(performance.now() - started).toBeLessThan(2_500)
  await stopping
})
