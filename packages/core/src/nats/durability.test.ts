import { createServer } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { DurabilityRefused } from '../errors.ts'
import { judge, type NatsDurability, type StreamFacts, satisfies } from './durability.ts'
import { askServers, factOf } from './monitoring.ts'

const sound: StreamFacts = {
  stream: 'TR_x_J',
  replicas: 1,
  storage: 'file',
  persistMode: 'default',
  discard: 'new',
  maxAge: 0,
  maxPerSubject: -1,
  servers: ['n1'],
}
const three: StreamFacts = { ...sound, replicas: 3, servers: ['n1', 'n2', 'n3'] }
const synced = (...names: string[]): { serverName: string; syncAlways: boolean }[] =>
  names.map((serverName) => ({ serverName, syncAlways: true }))

test('tells the tier that holds, which may be more than was asked for', () => {
  expect(judge('r1', sound, [])).toBe('r1')
  expect(judge('r1', sound, synced('n1'))).toBe('r1-fsync')
  expect(judge('r1', three, [])).toBe('r3')
  expect(judge('r3', three, synced('n1', 'n2', 'n3'))).toBe('r3-fsync')
  expect(judge('r3-fsync', three, synced('n1', 'n2', 'n3', 'n4'))).toBe('r3-fsync')
})

test.each<[NatsDurability, StreamFacts, { serverName: string; syncAlways: boolean }[], RegExp]>([
  ['r1-fsync', sound, [], /nothing proves that server n1 syncs every write: set jetstream { sync_interval: always }/],
  ['r1-fsync', sound, synced('another'), /nothing proves that server n1/],
  ['r1-fsync', sound, [{ serverName: 'n1', syncAlways: false }], /server n1 does not sync every write: set jetstream/],
  ['r3', sound, synced('n1'), /1 replica\(s\).*troupe cluster init --durability r3/],
  ['r3-fsync', three, synced('n1', 'n2'), /nothing proves that server n3/],
  // A holder that does not show up now may be the one that loses its writes.
  ['r3-fsync', { ...three, servers: ['n1', 'n2'] }, synced('n1', 'n2'), /'r3-fsync' was asked for/],
  ['r1-fsync', three, [], /'r1-fsync' was asked for, the stream 'TR_x_J' is 'r3'/],
  ['r1', { ...sound, persistMode: 'async' }, synced('n1'), /persist_mode 'async' switches syncing off/],
  ['r1', { ...sound, storage: 'memory' }, [], /storage is 'memory'/],
  ['r1', { ...sound, discard: 'old' }, [], /nats stream edit TR_x_J --discard new/],
  ['r1', { ...sound, maxAge: 1 }, [], /max_age drops old entries/],
  ['r1', { ...sound, maxPerSubject: 5 }, [], /max_msgs_per_subject/],
])('refuses %s and says what to do (%#)', (wished, stream, known, message) => {
  expect(() => judge(wished, stream, known)).toThrow(DurabilityRefused)
  expect(() => judge(wished, stream, known)).toThrow(message)
})

test('neither replicas nor syncing stands in for the other', () => {
  const tiers: NatsDurability[] = ['r1', 'r1-fsync', 'r3', 'r3-fsync']
  expect(tiers.map((tier) => tiers.filter((wished) => satisfies(tier, wished)))).toEqual([
    ['r1'],
    ['r1', 'r1-fsync'],
    ['r1', 'r3'],
    tiers,
  ])
})

test('believes /varz only where it is plain', () => {
  expect(factOf({ server_name: 'n1', jetstream: { config: { sync_always: true } } })).toEqual({
    serverName: 'n1',
    syncAlways: true,
  })
  expect(factOf({ server_name: 'n1', jetstream: { config: {} } })).toEqual({ serverName: 'n1', syncAlways: false })
  expect(factOf({ server_name: 'n1' })).toEqual({ serverName: 'n1', syncAlways: false })
  expect(() => factOf('no')).toThrow()
})

test('asks the monitoring port, and refuses when it does not answer', async () => {
  const server = createServer((request, response) => {
    response.end(
      request.url === '/varz'
        ? JSON.stringify({ server_name: 'n1', jetstream: { config: { sync_always: true } } })
        : '',
    )
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  expect(await askServers([`http://127.0.0.1:${port}`])).toEqual(synced('n1'))
  await expect(askServers(['http://127.0.0.1:1'])).rejects.toThrow(DurabilityRefused)
})
