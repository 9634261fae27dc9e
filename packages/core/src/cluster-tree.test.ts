import { expect, test } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, effect, memory, protocol } from './index.ts'
import { eventually } from './testing/eventually.ts'

const says = protocol('line', { events: { go: z.object({}) } })
const line = defineActor(says, {
  logic: setup({
    types: says.types<Record<string, never>>(),
    actors: {
      press: setup({
        actors: { stamp: effect('metal.stamp', 'idempotent', () => new Promise<null>(() => {})) },
      }).createMachine({
        initial: 'down',
        states: { down: { invoke: { src: 'stamp', id: 'stamp', input: undefined } } },
      }),
    },
  }).createMachine({
    context: {},
    initial: 'idle',
    states: { idle: { on: { go: 'going' } }, going: { invoke: { src: 'press', id: 'press' } } },
  }),
})

test('nodes, their shards, the actors in memory and the children of those, from any client', async () => {
  const backend = memory()
  await using one = await createSystem({ backend, actors: [line], node: 'one', shards: 16 })
  await using two = await createSystem({ backend, actors: [line], node: 'two' })
  await using client = await createSystem({ backend })
  const owner = async (key: string) => (await client.locate(`line/${key}`)).node
  // So many that they lie on more shards than one of two nodes has.
  const keys = [...'abcdefghijklmnopqrstuvwxyz']
  await eventually(async () => (await Promise.all(keys.map(owner))).includes('two'), { withinMs: 10_000 })
  for (const key of keys) await client.get(line, key).ask({ type: 'go' })
  const { nodes, missing } = await client.actors()
  expect(missing).toEqual([])
  expect(nodes.map(({ node }) => node)).toEqual(['one', 'two'])
  expect(nodes.flatMap(({ shards }) => shards)).toHaveLength(16)
  const actors = nodes.flatMap((node) => node.actors)
  expect(actors.map(({ actor }) => actor).sort()).toEqual(keys.map((key) => `line/${key}`))
  for (const { node, actors: here } of nodes)
    for (const { actor } of here) expect(await owner(actor.slice(5))).toBe(node)
  expect(actors[0]).toMatchObject({
    life: 'active',
    seq: 2,
    value: 'going',
    failures: 0,
    children: [
      { path: '/press:1', src: 'press', status: 'active', value: 'down' },
      { path: '/press:1/stamp:1', src: 'stamp', status: 'active', effect: 'metal.stamp' },
    ],
  })
  await two.stop()
  expect((await client.actors({ timeoutMs: 100 })).missing).toEqual(['two'])
  void one
}, 20_000)
