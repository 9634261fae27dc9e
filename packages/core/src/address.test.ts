import { describe, expect, test } from 'vitest'
import { addressOf, fromToken, KEY_BYTES, type ShardName, Subjects, shardOf, splitAddress, token } from './address.ts'
import { seededEntropy } from './entropy.ts'
import { randomOf } from './testing/random-data.ts'

describe('address/1: every id becomes exactly one token, and back', () => {
  test.each([1, 2, 3])('random ids, seed %i', (seed) => {
    const random = randomOf(seededEntropy(seed))
    for (let i = 0; i < 2_000; i++) {
      const id = random.text(12)
      const text = token(id)
      expect(text).toMatch(/^[A-Za-z0-9_=-]*$/)
      expect(fromToken(text)).toBe(id)
    }
  })

  test('two ids never share a token', () => {
    const random = randomOf(seededEntropy('pairs'))
    const ids = new Set(Array.from({ length: 5_000 }, () => random.text(5)))
    expect(new Set([...ids].map(token)).size).toBe(ids.size)
  })

  test.each([
    ['=', 'half an escape'],
    ['a=4', 'half an escape'],
    ['=zz', 'no hex digits'],
    ['=c3=a4', 'lower-case hex digits'],
    ['=61', "an escaped letter that stands as it is ('a')"],
    ['=FF', 'bytes that are no UTF-8'],
    ['=ED=A0=80', 'half a surrogate pair'],
    ['a b', 'a space'],
    ['ä', 'a letter outside ASCII'],
    ['*', 'a wildcard'],
  ])("'%s' is refused: %s", (text) => {
    expect(() => fromToken(text)).toThrow(expect.objectContaining({ code: 'InvalidAddress' }))
  })
})

describe('address/2: the shard of an address never changes', () => {
  test.each([
    ['counter/a', 'main', 256, 'main-127'],
    ['counter/b', 'main', 256, 'main-12'],
    ['order/1', 'main', 256, 'main-19'],
    ['order/ä', 'main', 256, 'main-47'],
    ['chat/room one', 'main', 256, 'main-54'],
    ['counter/a', 'gpu', 8, 'gpu-7'],
    ['counter/a', 'main', 1, 'main-0'],
  ] as const)('%s in %s/%i is %s', (address, group, shards, shard) => {
    expect(shardOf(address, group, shards)).toBe(shard)
  })

  test('keys spread evenly', () => {
    const counts = new Map<ShardName, number>()
    for (let i = 0; i < 16_000; i++) {
      const shard = shardOf(`order/${i}`, 'main', 16)
      counts.set(shard, (counts.get(shard) ?? 0) + 1)
    }
    expect(counts.size).toBe(16)
    // 1,000 each; five standard deviations of a fair spread are about 153.
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(155)
  })
})

describe('an address', () => {
  test.each(['', 'Counter', '1st', 'a_b', 'a.b', 'a/b', 'ä', 'a'.repeat(65), 'counter\n'])(
    'refuses the type %j',
    (type) => {
      expect(() => addressOf(type, 'k')).toThrow(expect.objectContaining({ code: 'InvalidAddress' }))
    },
  )

  test('refuses an empty key, one above 128 bytes and half a surrogate pair', () => {
    for (const key of ['', 'k'.repeat(KEY_BYTES + 1), 'ä'.repeat(KEY_BYTES / 2 + 1), 'x\ud800']) {
      expect(() => addressOf('counter', key)).toThrow(expect.objectContaining({ code: 'InvalidAddress' }))
    }
    expect(addressOf('counter', 'ä'.repeat(KEY_BYTES / 2))).toContain('ä')
  })

  test.each([5, null, {}])('refuses the key %j, which is no text', (given) => {
    const key = JSON.parse(JSON.stringify(given))
    expect(() => addressOf('counter', key)).toThrow(
      expect.objectContaining({ code: 'InvalidAddress', message: expect.stringContaining('must be text') }),
    )
  })

  test('is split at its first slash: a key may hold more', () => {
    expect(splitAddress(addressOf('file', 'a/b/c'))).toEqual({ type: 'file', key: 'a/b/c' })
    for (const text of ['', 'counter', '/k']) {
      expect(() => splitAddress(text)).toThrow(expect.objectContaining({ code: 'InvalidAddress' }))
    }
  })
})

describe('subjects', () => {
  const subjects = new Subjects('dev.one')

  test('have the written form', () => {
    const address = addressOf('counter', 'a.b')
    expect(subjects.command('main-1', address)).toBe('tr.dev=2Eone.c.main-1.counter.a=2Eb')
    expect(subjects.internal('main-1', address)).toBe('tr.dev=2Eone.i.main-1.counter.a=2Eb')
    expect(subjects.journal('main-1', address)).toBe('tr.dev=2Eone.j.main-1.counter.a=2Eb')
    expect(subjects.observation(address)).toBe('tr.dev=2Eone.o.counter.a=2Eb')
    expect(subjects.node('node 1', 'ping')).toBe('tr.dev=2Eone.n.node=201.ping')
  })

  test('give the address back, whatever the key', () => {
    const random = randomOf(seededEntropy('subjects'))
    for (let i = 0; i < 500; i++) {
      const address = addressOf('counter', `k${random.text(10)}`)
      const subject = subjects.command('main-3', address)
      expect(subject.split('.')).toHaveLength(6)
      expect(subjects.addressIn(subject)).toBe(address)
    }
  })

  test.each(['tr.dev.c.main-0.counter', 'tr.dev.c.main-0.counter.a.b', 'tr.dev.c.main-0.counter.=FF', 'tr'])(
    'refuse %s, which names no address',
    (subject) => {
      expect(() => subjects.addressIn(subject)).toThrow(expect.objectContaining({ code: 'InvalidAddress' }))
    },
  )
})
