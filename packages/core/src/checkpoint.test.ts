import { expect, test } from 'vitest'
import type { Address } from './address.ts'
import { ShardProgress } from './checkpoint.ts'
import { keyBytes, shardKeyIn } from './cluster-keys.ts'
import { cryptoEntropy, seededEntropy } from './entropy.ts'

const at = (position: number) => ({ kind: 'committed', position }) as const

function begun(): ShardProgress {
  const progress = new ShardProgress(undefined)
  progress.complete(0)
  return progress
}

test('checkpoint/1: whoever has something open is named, and no longer when it has not, or a wake-up answers for it', () => {
  const progress = begun()
  for (const [address, position, isOpen] of [
    ['a/1', 1, true],
    ['a/2', 2, false],
    ['a/3', 3, true],
  ] as const) {
    progress.begins(address)
    progress.ends(address, at(position), isOpen)
  }
  expect(progress.next()).toEqual({ position: 3, open: ['a/1', 'a/3'] })
  expect(progress.next()).toBeUndefined()
  progress.asleep('a/3')
  progress.ends('a/1', at(4), false)
  expect(progress.next()).toEqual({ position: 4, open: [] })
})

test('checkpoint/2: an append whose end is not known holds the position back; one that nobody waits for any more names its actor', () => {
  const progress = begun()
  progress.ends('a/1', at(10), false)
  progress.begins('a/2')
  progress.ends('a/1', at(12), true)
  // The record of a/2 may be 11.
  expect(progress.next()).toEqual({ position: 10, open: [] })
  progress.ends('a/2', { kind: 'abandoned' }, false)
  expect(progress.next()).toEqual({ position: 12, open: ['a/2', 'a/1'] })
})

test('checkpoint/3: until all that was left is read, the checkpoint of the owner before stands', () => {
  const before = { position: 7, open: ['a/1'] as const }
  const progress = new ShardProgress(before)
  progress.ends('a/2', at(20), true)
  expect([progress.next(), progress.last()]).toEqual([undefined, before])
  progress.found('a/1', 15, false)
  progress.found('a/3', 16, true)
  progress.found('a/2', 12, false)
  progress.complete(16)
  expect(progress.next()).toEqual({ position: 20, open: ['a/3', 'a/2'] })
})

test('with more open than a key holds the position waits for the oldest that is not named', () => {
  const progress = begun()
  for (let n = 1; n <= 300; n++) progress.ends(`a/${n}`, at(n), true)
  const { position, open } = progress.next() ?? { position: 0, open: [] }
  expect([position, open.length, open.at(-1)]).toEqual([200, 200, 'a/200'])
})

test('checkpoint/1: for random lives of a shard, nothing open lies at or below the position without being named', () => {
  const seed = cryptoEntropy().hex(32)
  const { random } = seededEntropy(seed)
  for (let round = 0; round < 200; round++) {
    const progress = begun()
    const truth = new Map<Address, { position: number; isOpen: boolean }>()
    const flying = new Map<Address, boolean>()
    let end = 0
    for (let event = 0; event < 100; event++) {
      const address: Address = `a/${Math.floor(random() * 12)}`
      const stored = flying.get(address)
      if (stored === undefined) {
        progress.begins(address)
        // Stored at once, acknowledged later: what the owner cannot know.
        const isOpen = random() < 0.4
        truth.set(address, { position: ++end, isOpen })
        flying.set(address, isOpen)
      } else {
        flying.delete(address)
        progress.ends(address, random() < 0.9 ? at(truth.get(address)?.position ?? 0) : { kind: 'abandoned' }, stored)
      }
      const { position, open } = progress.last() ?? { position: 0, open: [] }
      for (const [one, { position: newest, isOpen }] of truth) {
        if (isOpen && newest <= position) expect(open, `seed ${seed}, round ${round}`).toContain(one)
      }
    }
  }
})

test('a shard key keeps its checkpoint; one that cannot be read is none', () => {
  const key = { owner: 'n-1', epoch: 3, checkpoint: { position: 9, open: ['a/ü/1'] } } as const
  expect(shardKeyIn(keyBytes(key))).toEqual(key)
  for (const checkpoint of [null, 7, {}, { position: 'x', open: [] }, { position: 1, open: ['no address'] }]) {
    const bytes = Buffer.from(JSON.stringify({ owner: '', epoch: 3, checkpoint }))
    expect(shardKeyIn(bytes)).toEqual({ owner: '', epoch: 3 })
  }
})
