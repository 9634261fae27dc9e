import { expect, test } from 'vitest'
import { z } from 'zod'
import { shardOf } from './address.ts'
import { createSystem, defineActor, memory, protocol } from './index.ts'
import type { NamespaceRecord } from './namespace-record.ts'
import { ShardMap } from './shard-map.ts'
import { eventually } from './testing/eventually.ts'
import { manualClock } from './testing/manual-clock.ts'

const counterIn = (type: string, group: string) => {
  const says = protocol(type, { events: { add: z.object({}) }, replies: { add: z.number() } })
  const add = ({ n }: { n: number }) => ({ state: { n: n + 1 }, reply: n + 1 })
  return defineActor(says, { group, logic: says.handlers<{ n: number }>({ n: 0 }, { add }) })
}
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']

test('a client that was there before the first node reaches its actors, however many shards there are', async () => {
  const world = memory()
  const counter = counterIn('counter', 'main')
  await using client = await createSystem({ backend: world })
  const early = client.get(counter, 'early').ask({ type: 'add' })
  await using node = await createSystem({ actors: [counter], backend: world, node: 'one', shards: 3 })
  expect(await early).toBe(1)
  for (const key of KEYS) {
    expect(await client.get(counter, key).ask({ type: 'add' })).toBe(1)
    expect((await client.locate(`counter/${key}`)).node).toBe(node.node)
  }
})

test('nodes of different groups talk to each other, whoever came first', async () => {
  const world = memory()
  const first = counterIn('first', 'main')
  const second = counterIn('second', 'other')
  await using one = await createSystem({ actors: [first], backend: world, node: 'one', shards: 4 })
  await using two = await createSystem({ actors: [second], backend: world, node: 'two', shards: 4 })
  for (const key of KEYS) {
    expect(await one.get(second, key).ask({ type: 'add' })).toBe(1)
    expect(await two.get(first, key).ask({ type: 'add' })).toBe(1)
  }
})

test('the record is read again for a type that nobody had served, not for each message', async () => {
  const clock = manualClock()
  let stored: NamespaceRecord = { v: 1, streamId: '', groups: { main: 4 }, types: {} }
  let reads = 0
  const read = async () => {
    reads++
    return stored
  }
  const map = new ShardMap({ record: stored, read, clock })
  for (let i = 0; i < 3; i++) map.shardOf('late/k')
  expect(reads).toBe(1)
  stored = { ...stored, groups: { main: 4, other: 8 }, types: { late: 'other' } }
  clock.advance(1_000)
  map.shardOf('late/k')
  await eventually(() => map.shardOf('late/k').startsWith('other'), { withinMs: 1_000 })
  expect(map.shardOf('late/k')).toBe(shardOf('late/k', 'other', 8))
  expect(reads).toBe(2)
})
