import { expect, test } from 'vitest'
import type { StoreChange } from '../ports.ts'
import { SimServer } from './backend.ts'
import { CALM, NO_EVENTS } from './faults.ts'
import { SimProcess } from './process.ts'
import { again, runSeed } from './run.ts'
import { Scheduler } from './scheduler.ts'

const SUBJECT = 'tr.sim.j.main-0.counter.a'
const bytes = new Uint8Array([1])

function twoNodes() {
  const scheduler = new Scheduler({ seed: 'network', faults: CALM })
  const server = new SimServer({ scheduler })
  const join = (name: string) => {
    const process = new SimProcess(name, scheduler)
    return server.connect(process, { name, clock: process.clock, entropy: scheduler.entropy(name) })
  }
  const pass = (ms: number) => scheduler.time.run(scheduler.time.elapsedMs + ms)
  const within = async <T>(ms: number, answer: Promise<T>): Promise<T> => {
    answer.catch(() => undefined)
    await pass(ms)
    return answer
  }
  return { server, network: server.network, a: join('a'), b: join('b'), pass, within }
}

test('what goes to a service that a party cannot reach is not done; what only its answers do not reach is', async () => {
  const { server, network, a, b, within } = twoNodes()
  const there = network.cut('a', 'journal', false)
  expect((await within(2_500, a.journal.append(SUBJECT, 0, bytes))).kind).toBe('unknown')
  expect(server.log.size).toBe(0)
  expect((await within(100, b.journal.append(SUBJECT, 0, bytes))).kind).toBe('stored')
  there()
  const back = network.cut('journal', 'a', false)
  expect((await within(2_500, a.journal.append(SUBJECT, 1, bytes))).kind).toBe('unknown')
  expect(server.log.size).toBe(2)
  back()
  expect((await within(100, a.journal.append(SUBJECT, 2, bytes))).kind).toBe('stored')
})

test('a request that a cut has held is done when the cut ends, long after its sender gave up', async () => {
  const { server, network, a, pass, within } = twoNodes()
  const end = network.cut('a', 'journal', true)
  expect((await within(2_500, a.journal.append(SUBJECT, 0, bytes))).kind).toBe('unknown')
  await pass(5_000)
  expect(server.log.size).toBe(0)
  end()
  expect(server.log.size).toBe(1)
})

test('two processes that are kept apart both reach the server, and everybody else', async () => {
  const { network, a, b, pass } = twoNodes()
  const heard: string[] = []
  a.bus.subscribe('tr.sim.x', () => heard.push('a'))
  b.bus.subscribe('tr.sim.x', () => heard.push('b'))
  await pass(100)
  network.cut('a', 'b', false)
  a.bus.publish('tr.sim.x', bytes)
  await pass(100)
  expect(heard).toEqual(['a'])
  b.bus.publish('tr.sim.x', bytes)
  await pass(100)
  expect(heard.toSorted()).toEqual(['a', 'a', 'b'])
})

test('a watcher behind a cut is told of what it missed when the cut ends; a subscription made behind one counts from then', async () => {
  const { network, a, b, pass, within } = twoNodes()
  const seen: StoreChange[] = []
  await within(
    100,
    a.store.watch('shard.*', (change) => seen.push(change)),
  )
  const ends = [network.cut('store', 'a', false), network.cut('a', 'bus', false)]
  await within(100, b.store.create('shard.main-0', bytes))
  let heard = 0
  a.bus.subscribe('tr.sim.x', () => heard++)
  await pass(100)
  b.bus.publish('tr.sim.x', bytes)
  await pass(100)
  expect([seen.length, heard]).toEqual([0, 0])
  for (const end of ends) end()
  await pass(100)
  b.bus.publish('tr.sim.x', bytes)
  await pass(100)
  expect([seen.length, heard]).toEqual([1, 1])
})

test('nothing is lost, doubled or left hanging while parties are kept from each other, and nothing else goes wrong', async () => {
  for (let n = 0; n < 25; n++) {
    const seed = `apart-${n}`
    const faults = { ...CALM, events: { ...NO_EVENTS, partitions: 8 } }
    const { violations } = await runSeed(seed, { faults })
    expect(violations, `with ${JSON.stringify(faults)}: ${again(seed)}`).toEqual([])
  }
}, 60_000)
