/**
 * `npm start`: a cluster of three node processes on a nats-server of its own. Nodes are killed while an order is priced and while it
 * waits for its approval, a room of the warehouse fails; the caller sees answers.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { createSystem, type System } from '@troupe/core'
import { nats, startNatsServer } from '@troupe/core/nats'
import { order, warehouse } from './actors.ts'
import { Nodes } from './nodes.ts'
import { servePrices } from './price-list.ts'

const began = performance.now()
const say = (text: string) => console.log(`${((performance.now() - began) / 1_000).toFixed(1).padStart(5)} s  ${text}`)

const storeDir = mkdtempSync(join(tmpdir(), 'troupe-example-'))
const server = await startNatsServer({ storeDir })
try {
  await using prices = await servePrices({ chair: 4_900 })
  await using system = await createSystem({ backend: nats({ servers: server.url, initialise: true }), node: 'shop' })
  await using nodes = new Nodes(server.url)
  await Promise.all(['a', 'b', 'c'].map((name) => nodes.start(name)))
  say('nodes a, b and c serve orders and a warehouse')
  await sell(system, nodes, prices)
  await jam(system)
} finally {
  await server.stop()
  rmSync(storeDir, { recursive: true, force: true })
}

async function sell(
  system: System,
  nodes: Nodes,
  prices: { readonly url: string; readonly asked: number },
): Promise<void> {
  const place = { type: 'place', sku: 'chair', pieces: 3, priceList: prices.url } as const
  const chairs = system.get(order, '1')
  const answer = chairs.ask(place, { timeoutMs: 60_000 })
  say('order 1 is placed: three chairs; whoever asked waits for an answer')
  await until(() => prices.asked === 1)
  await lose(system, nodes, 'while the price list is asked')
  await until(async () => (await chairs.snapshot()).matches('waiting'))
  say(`order 1 is priced: the list was asked ${prices.asked} times, the answer was taken once`)
  await lose(system, nodes, 'while the order waits for its approval')
  await chairs.ask({ type: 'approve' }, { timeoutMs: 20_000 })
  say(`order 1 is approved, and who placed it has the answer: ${JSON.stringify(await answer)}`)
}

/** Kills the node that holds order 1, and starts it again. */
async function lose(system: System, nodes: Nodes, when: string): Promise<void> {
  const { node } = await system.locate('order/1')
  if (node === undefined) throw new Error('order 1 is nowhere')
  await nodes.kill(node)
  say(`node ${node}, which held it, is killed ${when}`)
  await nodes.start(node)
}

async function jam(system: System): Promise<void> {
  const set = system.get(warehouse)
  const names = ['north', 'middle', 'south'] as const
  for (const [i, name] of names.entries()) await set.child(name).ask({ type: 'put', pieces: 10 * (i + 1) })
  const homes = await Promise.all(names.map(async (name) => (await system.locate(set.child(name).address)).node))
  say(`the rooms are on nodes ${homes.join(', ')} and hold 10, 20 and 30 pieces`)
  const restarted = Promise.all(names.map((name) => beginsAgain(system, set.child(name))))
  const failure = await set
    .child('middle')
    .ask({ type: 'jam' })
    .catch((error: Error) => error.message)
  say(`the middle room fails: ${failure}`)
  await restarted
  const pieces = await Promise.all(names.map((name) => set.child(name).ask({ type: 'put', pieces: 0 })))
  say(`their supervisor has begun all three again (one_for_all); they hold ${pieces.join(', ')}`)
}

/** Resolves when an order of its supervisor is in the log of the actor. */
async function beginsAgain(system: System, room: { readonly address: `${string}/${string}` }): Promise<void> {
  for await (const fact of system.watch(room)) {
    if (fact.kind === 'started' && (fact.by === 'restart' || fact.by === 'start')) return
  }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await after(20)
}
