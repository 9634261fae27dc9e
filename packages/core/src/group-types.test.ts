import { expect, test } from 'vitest'
import { z } from 'zod'
import { createSystem, defineActor, memory, protocol } from './index.ts'

function actorOf(type: string, group?: string) {
  const says = protocol(type, { events: { add: z.object({}) }, replies: { add: z.number() } })
  const logic = says.handlers({ count: 0 }, { add: ({ count }) => ({ state: { count: count + 1 }, reply: count + 1 }) })
  return defineActor(says, { logic, ...(group !== undefined && { group }) })
}
const [cart, stock] = [actorOf('cart'), actorOf('stock')]

test('a type that some nodes of its group do not know yet is asked again until they do; each of its keys waits alike', async () => {
  const backend = memory()
  const old = await createSystem({ actors: [cart], backend, node: 'old', shards: 8 })
  await using upgraded = await createSystem({ actors: [cart, stock], backend, node: 'upgraded' })
  const keys = Array.from({ length: 16 }, (_, n) => `k${n}`)
  const asks = keys.map((key) => upgraded.get(stock, key).ask({ type: 'add' }, { timeoutMs: 20_000 }))
  // Letters wait too: they would bring some of its actors to life.
  for (const key of keys) await upgraded.get(stock, `mail-${key}`).deliver({ type: 'add' })
  const early = keys.map((key) => upgraded.get(stock, key).ask({ type: 'add' }, { timeoutMs: 300 }))
  for (const ask of await Promise.allSettled(early)) {
    expect(ask).toMatchObject({ status: 'rejected', reason: { code: 'Timeout', message: /TypeNot(Yet)?Served/ } })
  }
  expect(await upgraded.get(cart, 'k').ask({ type: 'add' })).toBe(1)
  const living = (await upgraded.actors()).nodes.flatMap(({ actors }) => actors.map(({ actor }) => actor))
  expect(living.filter((actor) => actor.startsWith('stock/'))).toEqual([])
  await old.drain()
  expect(await Promise.all(asks)).toEqual(keys.map(() => 1))
})

test('a node that lacks a type of its group does not join, and leaves nothing behind; one that retires it does', async () => {
  const backend = memory()
  await using first = await createSystem({ actors: [cart, stock], backend, node: 'first', shards: 8 })
  await expect(createSystem({ actors: [cart], backend, node: 'second' })).rejects.toMatchObject({
    code: 'GroupTypesMissing',
    details: { missing: ['stock'] },
  })
  expect((await first.actors()).nodes.map(({ node }) => node)).toEqual(['first'])
  await using second = await createSystem({ actors: [cart], backend, node: 'second', retires: ['stock'] })
  expect(await second.get(cart, 'a').ask({ type: 'add' })).toBe(1)
})

test('a type stays in the group in which it was first served', async () => {
  const backend = memory()
  await using _first = await createSystem({ actors: [cart], backend })
  await expect(createSystem({ actors: [actorOf('cart', 'gpu')], backend })).rejects.toMatchObject({
    code: 'LogicRefused',
    message: expect.stringContaining('leave `group` out of its definition'),
  })
})
