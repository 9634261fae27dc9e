/** What every `KeyStore` does. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { storedKeys } from '../keys.ts'
import type { KeyStore } from '../ports.ts'
import type { TestWorld } from './world.ts'

export interface KeyWorld {
  /** Two ways to one store, as two nodes have them. */
  readonly stores: readonly [KeyStore, KeyStore]
  end(): Promise<void>
}

export function keyConformance(name: string, make: () => Promise<KeyWorld>): void {
  describe(`keys: ${name}`, () => {
    let world: KeyWorld
    let [a, b]: KeyWorld['stores'] = [unmade, unmade]
    beforeAll(async () => {
      world = await make()
      ;[a, b] = world.stores
    })
    afterAll(() => world?.end())
    const key = (byte: number) => new Uint8Array(32).fill(byte)

    test('a key that was made is found as it was, by everybody, and is made once', async () => {
      expect(await a.find('t/made')).toBeUndefined()
      expect(await a.create('t/made', key(1))).toBe(true)
      expect(await b.create('t/made', key(2))).toBe(false)
      expect(Buffer.from(await found(b, 't/made'))).toEqual(Buffer.from(key(1)))
    })

    test('of two that make one at a time one wins, and both find it', async () => {
      const won = await Promise.all([a.create('t/race', key(1)), b.create('t/race', key(2))])
      expect([...won].sort()).toEqual([false, true])
      expect(Buffer.from(await found(a, 't/race'))).toEqual(Buffer.from(key(won[0] ? 1 : 2)))
    })

    test('a destroyed one stays destroyed, also one that never was', async () => {
      await a.create('t/gone', key(1))
      for (const address of ['t/gone', 't/never'] as const) {
        await b.destroy(address)
        await a.destroy(address)
        expect(await a.find(address)).toBe('destroyed')
        expect(await a.create(address, key(2))).toBe(false)
        expect(await b.find(address)).toBe('destroyed')
      }
    })

    test('keys of actors whose names hold any character are told apart', async () => {
      const addresses = ['t/ä b', 't/ä.b', 't/*', 't/>', 't/a=b'] as const
      for (const [i, address] of addresses.entries()) await a.create(address, key(i))
      for (const [i, address] of addresses.entries()) {
        expect(Buffer.from(await found(b, address))).toEqual(Buffer.from(key(i)))
      }
    })
  })
}

/** The keys in the store of a backend. */
export async function storedKeyWorld(make: () => Promise<TestWorld>): Promise<KeyWorld> {
  const world = await make()
  const [a, b] = [await world.connect(), await world.connect()]
  return { stores: [storedKeys(a.store), storedKeys(b.store)], end: () => world.end() }
}

const unmade: KeyStore = {
  find: () => Promise.reject(new Error('the world is not made yet')),
  create: () => Promise.reject(new Error('the world is not made yet')),
  destroy: () => Promise.reject(new Error('the world is not made yet')),
}

async function found(keys: KeyStore, address: `${string}/${string}`): Promise<Uint8Array> {
  const key = await keys.find(address)
  if (key === undefined || key === 'destroyed') throw new Error(`the key of ${address} is ${key}`)
  return key
}
