import { eventually } from '@troupe/core/testing'
import { expect, test } from 'vitest'
import { account, ledger } from './actors.ts'
import { Cluster } from './cluster.ts'

test('deliveries while no node is up are applied once, in order, when there is one again', async () => {
  await using cluster = await Cluster.start(['a'])
  const ref = cluster.client.get(ledger, 'k')
  await ref.ask({ type: 'put', id: 'before' })
  await cluster.kill('a')
  const ids = Array.from({ length: 200 }, (_, i) => `mail-${i}`)
  await Promise.all(ids.map((id) => ref.deliver({ type: 'put', id })))
  await cluster.startNode('b')
  const applied = async () => (await ref.snapshot({ timeoutMs: 10_000 })).context
  await eventually(async () => (await applied()).ids.length > 200, { withinMs: 30_000 })
  expect(await applied()).toEqual({ ids: ['before', ...ids], repeats: 0 })
})

test('transfers between accounts keep the total and their order while nodes are killed', async () => {
  await using cluster = await Cluster.start(['a', 'b'])
  const keys = ['k1', 'k2', 'k3', 'k4', 'k5', 'k6']
  const { client } = cluster
  await Promise.all(keys.map((key) => client.get(account, key).deliver({ type: 'open', cents: 1_000 })))
  let stop = false
  let transfers = 0
  const load = keys.map(async (key, i) => {
    for (let n = 1; !stop; n++) {
      const to = keys[(i + 1 + (n % (keys.length - 1))) % keys.length] ?? key
      await client.get(account, key).deliver({ type: 'transfer', to, cents: n % 7, n })
      transfers += 1
    }
  })
  const kills: number[] = []
  for (let round = 0; round < 4; round++) {
    const before = transfers
    await eventually(() => transfers > before + 150, { withinMs: 20_000, show: () => transfers })
    const victim = round % 2 === 0 ? 'a' : 'b'
    await cluster.kill(victim)
    kills.push(transfers)
    await cluster.startNode(victim)
  }
  stop = true
  await Promise.all(load)
  const views = () => Promise.all(keys.map((key) => client.get(account, key).snapshot({ timeoutMs: 20_000 })))
  const settled = async () => {
    const contexts = (await views()).map(({ context }) => context)
    const ordered = contexts.reduce((sum, { ordered }) => sum + ordered, 0)
    const credited = contexts.reduce((sum, { cents }) => sum + cents, 0)
    return { ordered, credited, swaps: contexts.reduce((sum, { swaps }) => sum + swaps, 0) }
  }
  await eventually(
    async () => {
      const { ordered, credited } = await settled()
      return ordered === transfers && credited === 6_000
    },
    { withinMs: 30_000, show: settled },
  )
  // It stays so: nothing is applied again later.
  await new Promise((resolve) => setTimeout(resolve, 6_000))
  expect(await settled()).toEqual({ ordered: transfers, credited: 6_000, swaps: 0 })
  expect(kills).toHaveLength(4)
}, 120_000)
