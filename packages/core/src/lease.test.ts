import { beforeEach, expect, test } from 'vitest'
import { seededEntropy } from './entropy.ts'
import { Lease } from './lease.ts'
import { type MemoryConnection, memory } from './memory/backend.ts'
import type { Store } from './ports.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'

const LEASE_MS = 4_000

let clock: ManualClock
let connection: MemoryConnection
let log: string[]

beforeEach(async () => {
  clock = manualClock()
  connection = await memory().connect({ name: 'test', clock, entropy: seededEntropy('world') })
  log = []
})

async function advance(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 10) {
    clock.advance(10)
    for (let i = 0; i < 5; i++) await new Promise(setImmediate)
  }
}

async function begun(update: Store['update'] = (...change) => connection.store.update(...change)): Promise<Lease> {
  const { store, bus } = connection
  const lease = new Lease({
    facts: { node: 'a', groups: ['main'] },
    store: {
      get: (key) => store.get(key),
      create: (...entry) => store.create(...entry),
      update,
      delete: (...entry) => store.delete(...entry),
      watch: (...given) => store.watch(...given),
    },
    bus,
    clock,
    entropy: seededEntropy('a'),
    leaseMs: LEASE_MS,
    onBegin: ({ id }) => log.push(`begin ${id.slice(-1)}`),
    onRenewed: () => {},
    onLost: () => log.push('lost'),
    onLog: (text) => log.push(text),
  })
  await lease.begin()
  return lease
}

test('lease/2: one whose key is gone comes back as another', async () => {
  const lease = await begun()
  const { id } = lease.member
  const entry = await connection.store.get(`member.${id}`)
  await connection.store.delete(`member.${id}`, entry?.revision ?? 0)
  await advance(700)
  expect(lease.member.id).not.toBe(id)
  expect(log).toEqual(['begin 1', 'lease lost', 'lost', 'begin 2'])
  expect(await connection.store.get(`member.${lease.member.id}`)).toBeDefined()
})

test('lease/3: cut off, it stands for less time than a finding of death takes; once renewed it stands again', async () => {
  const lease = await begun()
  connection.cut()
  await advance(140)
  expect(lease.valid).toBe(true)
  await advance(20)
  expect(lease.valid).toBe(false)
  connection.heal()
  expect(lease.valid).toBe(false)
  await advance(20)
  expect(lease.valid).toBe(true)
})

test('lease/3: found dead while it was cut off, it never stands again as who it was', async () => {
  const lease = await begun()
  const { id } = lease.member
  connection.cut()
  await advance(400)
  connection.heal()
  const entry = await connection.store.get(`member.${id}`)
  await connection.store.delete(`member.${id}`, entry?.revision ?? 0)
  for (let ms = 0; ms < 1_000; ms += 10) {
    if (lease.valid) expect(lease.member.id).not.toBe(id)
    await advance(10)
  }
  expect(lease.valid).toBe(true)
})

test('lease/4: a renewal whose answer is lost costs no lease', async () => {
  let lost = 2
  const lease = await begun(async (...change) => {
    const revision = await connection.store.update(...change)
    if (lost-- > 0) throw new Error('the answer is lost')
    return revision
  })
  const { id } = lease.member
  await advance(3 * LEASE_MS)
  expect(lost).toBeLessThan(0)
  expect(lease.member.id).toBe(id)
  expect(lease.valid).toBe(true)
  expect(log).toEqual(['begin 1', 'lease not renewed'])
})

test('lease: what fails is tried again soon, a lease that stands is renewed at 0.15 of its time', async () => {
  let calls = 0
  let down = false
  await begun(async (...change) => {
    calls += 1
    if (down) throw new Error('no leader now')
    return connection.store.update(...change)
  })
  await advance(2_400)
  expect(calls).toBe(4)
  down = true
  await advance(1_600)
  expect(calls).toBeGreaterThan(10)
})
