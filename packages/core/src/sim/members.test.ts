import { expect, test } from 'vitest'
import { membersCost } from './members.ts'

test('what membership costs: every lease is told to every member, and a change costs its shards', async () => {
  const [members, shards] = [40, 80]
  const { steady, join, death } = await membersCost({ members, shards, actors: 4_000, leaseMs: 20_000 })
  // A lease is renewed every 0.15 of its time: every 3 s.
  expect(steady).toMatchObject({ requests: Math.round(members / 3), lost: 0, told: Math.round(members ** 2 / 3) })
  for (const change of [join, death]) {
    expect(change.shards).toBeGreaterThan(0)
    expect(change.shards).toBeLessThan((4 * shards) / members)
    expect(change.actors).toBeGreaterThan(change.shards)
    // Three keepers and, per shard, giving back or looking at the lease, then claiming.
    expect(change.cost.requests).toBeLessThan(20 + 2 * change.shards)
    expect(change.settledMs).toBeLessThan(100)
  }
})
