/** What every `Store` does. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection, Store, StoreChange } from '../ports.ts'
import { eventually } from './eventually.ts'
import { bytes, type TestWorld, text } from './world.ts'

export function storeConformance(name: string, make: () => Promise<TestWorld>): void {
  describe(`store: ${name}`, () => {
    let world: TestWorld
    let connections: [Connection, Connection]
    let a: Store
    let b: Store
    beforeAll(async () => {
      world = await make()
      connections = [await world.connect(), await world.connect()]
      a = connections[0].store
      b = connections[1].store
    })
    afterAll(() => world?.end())

    const created = async (key: string, value: string, ttlMs?: number): Promise<number> => {
      const revision = await a.create(key, bytes(value), ttlMs === undefined ? {} : { ttlMs })
      if (revision === undefined) throw new Error(`'${key}' is there already`)
      return revision
    }
    const read = async (store: Store, key: string): Promise<string | undefined> => {
      const entry = await store.get(key)
      return entry && text(entry.value)
    }
    const watched = async (pattern: string): Promise<{ seen: string[]; changes: StoreChange[]; stop: () => void }> => {
      const seen: string[] = []
      const changes: StoreChange[] = []
      const subscription = await b.watch(pattern, (change) => {
        changes.push(change)
        seen.push(change.kind === 'put' ? `${change.entry.key}=${text(change.entry.value)}` : `-${change.key}`)
      })
      return { seen, changes, stop: () => subscription.unsubscribe() }
    }

    test('create, update and delete each need the newest revision', async () => {
      const first = await created('cas.a', '1')
      expect(await b.create('cas.a', bytes('x'))).toBeUndefined()
      const second = await b.update('cas.a', bytes('2'), first)
      expect(second).toBeGreaterThan(first)
      expect(await a.update('cas.a', bytes('x'), first)).toBeUndefined()
      expect(await a.update('cas.none', bytes('x'), 0)).toBeUndefined()
      expect(await a.delete('cas.a', first)).toBe(false)
      expect(await b.get('cas.a')).toMatchObject({ key: 'cas.a', revision: second })
      expect(await a.delete('cas.a', second ?? 0)).toBe(true)
      expect(await b.get('cas.a')).toBeUndefined()
      expect(await a.update('cas.a', bytes('x'), second ?? 0)).toBeUndefined()
      expect(await b.create('cas.a', bytes('3'))).toBeGreaterThan(second ?? 0)
    })

    test('of many who create or update one key at once exactly one succeeds', async () => {
      const both = (work: (store: Store) => Promise<number | undefined>): Promise<(number | undefined)[]> =>
        Promise.all(Array.from({ length: 20 }, (_, i) => work(i % 2 ? a : b)))
      const winners = (await both((store) => store.create('race', bytes('x')))).filter(
        (revision) => revision !== undefined,
      )
      expect(winners).toHaveLength(1)
      const updates = await both((store) => store.update('race', bytes('y'), winners[0] ?? 0))
      expect(updates.filter((revision) => revision !== undefined)).toHaveLength(1)
    })

    test('keeps bytes apart from those of the caller', async () => {
      const value = bytes('kept')
      await a.create('copy', value)
      value.fill(0)
      const entry = await a.get('copy')
      entry?.value.fill(0)
      expect(await read(b, 'copy')).toBe('kept')
    })

    test('a key with a time to live is removed after it, not before, and watchers hear of it', async () => {
      const { seen, stop } = await watched('ttl.*')
      const startMs = performance.now()
      await created('ttl.a', 'x', 1_000)
      await eventually(() => seen.includes('-ttl.a'), { withinMs: 8_000, show: () => seen })
      expect(performance.now() - startMs).toBeGreaterThanOrEqual(990)
      expect(seen).toEqual(['ttl.a=x', '-ttl.a'])
      expect(await a.get('ttl.a')).toBeUndefined()
      expect(await b.create('ttl.a', bytes('y'))).toBeDefined()
      stop()
    })

    test('a lease that is renewed with its time to live stays, and still runs out when it is not', async () => {
      let revision = await created('lease.a', '0', 2_000)
      for (let i = 1; i <= 3; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1_000))
        const renewed = await a.update('lease.a', bytes(String(i)), revision, { ttlMs: 2_000 })
        expect(renewed).toBeDefined()
        revision = renewed ?? 0
      }
      expect(await read(b, 'lease.a')).toBe('3')
      await eventually(async () => (await b.get('lease.a')) === undefined, { withinMs: 8_000 })
    })

    test('an update without a time to live makes a key permanent', async () => {
      const revision = await created('forever.a', '1', 1_000)
      await a.update('forever.a', bytes('2'), revision)
      await created('forever.b', '1', 1_000)
      await eventually(async () => (await b.get('forever.b')) === undefined, { withinMs: 8_000 })
      expect(await read(b, 'forever.a')).toBe('2')
    })

    test('a watcher is told what is there before it goes on, then every change in order', async () => {
      for (let i = 0; i < 20; i++) await created(`watch.k${i}`, 'old')
      const gone = await created('watch.gone', 'old')
      await a.delete('watch.gone', gone)
      await created('other.k', 'old')
      const { seen, changes, stop } = await watched('watch.*')
      expect(seen.toSorted()).toEqual(Array.from({ length: 20 }, (_, i) => `watch.k${i}=old`).toSorted())
      const { revision = 0 } = (await a.get('watch.k3')) ?? {}
      const next = (await a.update('watch.k3', bytes('new'), revision)) ?? 0
      await eventually(() => seen.includes('watch.k3=new'), { withinMs: 5_000 })
      await a.delete('watch.k3', next)
      await eventually(() => seen.includes('-watch.k3'), { withinMs: 5_000 })
      await created('watch.k3', 'again')
      await eventually(() => seen.includes('watch.k3=again'), { withinMs: 5_000 })
      expect(seen.slice(20)).toEqual(['watch.k3=new', '-watch.k3', 'watch.k3=again'])
      const revisions = changes.map((change) => (change.kind === 'put' ? change.entry.revision : change.revision))
      expect(revisions).toEqual(revisions.toSorted((x, y) => x - y))
      stop()
      await created('watch.after', 'x')
      expect(await read(b, 'watch.after')).toBe('x')
      expect(seen).toHaveLength(23)
    })

    test('watching nothing resolves at once', async () => {
      const { seen, stop } = await watched('empty.>')
      expect(seen).toEqual([])
      await created('empty.a', 'x')
      await eventually(() => seen.length === 1, { withinMs: 5_000 })
      stop()
    })

    test('across an outage: writes fail, and a watcher ends with what is true', async () => {
      await created('out.stays', '1')
      const changed = await created('out.changes', '1')
      await created('out.expires', '1', 2_000)
      const { seen, stop } = await watched('out.*')
      expect(seen).toHaveLength(3)
      const heal = await world.outage()
      await eventually(() => connections.every(({ bus }) => !bus.connected), { withinMs: 10_000 })
      await expect(a.create('out.new', bytes('1'))).rejects.toThrow()
      await expect(a.get('out.stays')).rejects.toThrow()
      await heal()
      await eventually(() => connections.every(({ bus }) => bus.connected), { withinMs: 20_000 })
      await eventually(async () => (await a.update('out.changes', bytes('2'), changed)) ?? false, { withinMs: 20_000 })
      await eventually(() => seen.includes('-out.expires') && seen.includes('out.changes=2'), {
        withinMs: 20_000,
        show: () => seen,
      })
      expect(seen.filter((change) => change === 'out.stays=1')).toHaveLength(1)
      stop()
    })
  })
}
