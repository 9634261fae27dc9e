import { beforeEach, expect, test } from 'vitest'
import { type Address, Subjects } from './address.ts'
import { seededEntropy } from './entropy.ts'
import { type MemoryConnection, memory } from './memory/backend.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'
import { BusTransport } from './transport.ts'

let clock: ManualClock
let connection: MemoryConnection
let transport: BusTransport
let here: Set<Address>
let unheard: string[]
let opened: ((address: Address) => boolean)[]

beforeEach(async () => {
  clock = manualClock()
  connection = await memory().connect({ name: 'test', clock, entropy: seededEntropy('world') })
  here = new Set()
  unheard = []
  opened = []
  const { bus } = connection
  transport = new BusTransport({
    bus,
    subjects: new Subjects('default'),
    clock,
    shardOf: (address) => (address.endsWith('1') ? 'main-1' : 'main-2'),
    holds: (address) => here.has(address),
    receive: () => {},
    check: () => {},
    onOpened: (isThere) => opened.push(isThere),
  })
  bus.subscribe('tr.default.n.any.unheard', ({ data }) => unheard.push(Buffer.from(data).toString()))
})

async function advance(ms: number): Promise<void> {
  clock.advance(ms)
  for (let i = 0; i < 5; i++) await new Promise(setImmediate)
}

const ask = (to: Address) =>
  transport.send({ v: 1, kind: 'view', to, fenced: false, cause: { correlation: 'c', causation: 'c' } }, () => {})

test('transport/2: the nodes hear of a shard that nobody hears, once in 200 ms', async () => {
  for (let i = 0; i < 10; i++) ask('a/1')
  ask('a/2')
  await advance(10)
  expect(unheard).toEqual(['{"shard":"main-1"}', '{"shard":"main-2"}'])
  await advance(190)
  ask('a/1')
  await advance(10)
  expect(unheard).toHaveLength(3)
})

test('transport/3: a doubt is settled by whoever listens; of an actor that is here there is none', async () => {
  here.add('a/1')
  transport.doubt('a/1')
  const seen: number[] = []
  connection.bus.subscribe('tr.default.c.main-2.>', ({ data }) => seen.push(data.length))
  for (let i = 0; i < 10; i++) transport.doubt('a/2')
  await advance(10)
  expect([seen, unheard]).toEqual([[0], []])
  here.clear()
  transport.doubt('a/1')
  await advance(10)
  expect(unheard).toEqual(['{"shard":"main-1"}'])
  await advance(1_000)
  expect(clock.waiting).toBe(0)
})

test('transport/4: shards that are opened within some milliseconds are told together; words that make no sense are not', async () => {
  const say = (word: string) => connection.bus.publish('tr.default.n.any.opened', Buffer.from(word))
  for (const word of ['no JSON {', '{"shard":"main-1"}', '{"shard":"main-3"}', '{}', '{"shard":7}']) say(word)
  await advance(0)
  await advance(10)
  expect(opened.map((isThere) => [isThere('a/1'), isThere('a/2')])).toEqual([[true, false]])
  say('{"shard":"main-2"}')
  await advance(0)
  await advance(10)
  expect(opened).toHaveLength(2)
  transport.close()
  say('{"shard":"main-2"}')
  await advance(0)
  await advance(10)
  expect(opened).toHaveLength(2)
})
