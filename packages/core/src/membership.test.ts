import { expect, test, vi } from 'vitest'
import { type ShardName, Subjects } from './address.ts'
import { seededEntropy } from './entropy.ts'
import { Membership, type MembershipOptions } from './membership.ts'
import { memory } from './memory/backend.ts'
import { assign } from './placement.ts'
import type { Clock, Store } from './ports.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'

const SHARDS = 16
const LEASE_MS = 3_000
const UNHEARD = 'tr.default.n.any.unheard'

interface Node {
  readonly membership: Membership
  readonly joined: Promise<void>
  readonly open: Set<ShardName>
  /** What the moves of its shards wait for. */
  readonly moving: Map<ShardName, Promise<void>>
}

async function cluster() {
  const clock = manualClock()
  const { store, bus } = await memory().connect({ name: 'test', clock, entropy: seededEntropy('world') })
  const join = (node: string, overrides: Partial<Store> = {}, more: Partial<MembershipOptions> = {}): Node => {
    const open = new Set<ShardName>()
    const moving = new Map<ShardName, Promise<void>>()
    const membership = new Membership({
      node,
      groups: { main: SHARDS },
      logics: { cart: `logic of ${node}` },
      types: { cart: 'main' },
      retires: [],
      store: { ...whole(store), ...overrides },
      bus,
      subjects: new Subjects('default'),
      clock,
      entropy: seededEntropy(node),
      leaseMs: LEASE_MS,
      onOpen: (shard) => open.add(shard),
      onMove: (shard) => moving.get(shard),
      onClose: async (shard) => void open.delete(shard),
      onFenced: () => open.clear(),
      onLog: () => {},
      ...more,
    })
    const joined = membership.join()
    joined.catch(() => {})
    return { membership, joined, open, moving }
  }
  return { clock, store, bus, join }
}

/** A class instance cannot be spread. */
function whole(store: Store): Store {
  return {
    get: (key) => store.get(key),
    create: (key, value, options) => store.create(key, value, options),
    update: (key, value, revision, options) => store.update(key, value, revision, options),
    delete: (key, revision) => store.delete(key, revision),
    watch: (pattern, listener) => store.watch(pattern, listener),
  }
}

async function advance(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    clock.advance(50)
    for (let i = 0; i < 20; i++) await new Promise(setImmediate)
  }
}

test('place/1: a shard whose key could not be given back is given back later, not kept from everybody', async () => {
  const { clock, store, join } = await cluster()
  let failures = 3
  const a = join('a', {
    update: async (key, value, revision, options) => {
      const returns = key.startsWith('shard.') && JSON.parse(Buffer.from(value).toString()).owner === ''
      if (returns && failures-- > 0) throw new Error('no leader now')
      return store.update(key, value, revision, options)
    },
  })
  await advance(clock, 500)
  expect(a.open.size).toBe(SHARDS)
  const b = join('b')
  await advance(clock, 5_000)
  expect(failures).toBeLessThan(1)
  expect(b.open.size).toBeGreaterThan(0)
  expect(a.open.size + b.open.size).toBe(SHARDS)
})

test('a shard in doubt is looked at again when its key cannot be read', async () => {
  const { clock, store, join } = await cluster()
  let failures = 1
  const a = join('a', {
    get: async (key) => {
      if (key.startsWith('shard.') && failures-- > 0) throw new Error('no leader now')
      return store.get(key)
    },
  })
  await advance(clock, 500)
  const [shard] = a.open
  const key = await store.get(`shard.${shard}`)
  if (shard === undefined || key === undefined) throw new Error('a shard is open')
  await a.membership.doubt(shard)
  expect(a.open.has(shard)).toBe(true)
  await advance(clock, 1_000)
  expect(failures).toBeLessThan(0)
})

test('members announce the logics they serve; the view, which every node reads at every change, does not repeat them', async () => {
  const { clock, store, join } = await cluster()
  const [a] = [join('a'), join('b')]
  await advance(clock, 200)
  expect(a.membership.servedBy('cart', 'logic of b')).toEqual(['b'])
  expect(a.membership.servedBy('cart', 'logic of c')).toEqual([])
  const view = await store.get('view')
  expect(Buffer.from(view?.value ?? []).toString()).not.toContain('logic')
})

test('place: one that joins takes nothing from members of which it has not heard yet', async () => {
  const { clock, store, join } = await cluster()
  const a = join('a')
  await advance(clock, 200)
  const views: string[] = []
  await store.watch('view', (change) => {
    if (change.kind === 'put') views.push(Buffer.from(change.entry.value).toString())
  })
  const b = join('b', {
    // The present members come one by one, the newest first.
    watch: async (pattern, listener) => {
      if (pattern !== 'member.>') return store.watch(pattern, listener)
      const present: Parameters<typeof listener>[0][] = []
      const watch = await store.watch(pattern, (change) => present.push(change))
      for (const change of present.reverse()) {
        listener(change)
        for (let i = 0; i < 20; i++) await new Promise(setImmediate)
      }
      return watch
    },
  })
  for (let i = 0; i < 200; i++) await new Promise(setImmediate)
  expect(b.membership.view.members.map(({ node }) => node).sort()).toEqual(['a', 'b'])
  expect(views.filter((view) => !view.includes('"node":"a"'))).toEqual([])
  expect([...a.open].filter((shard) => b.open.has(shard))).toEqual([])
})

test('place/2: what a view has forgotten keeps its shards until it has given them back or its lease has ended', async () => {
  const { clock, store, join } = await cluster()
  const a = join('a')
  await advance(clock, 200)
  const owners = new Map<string, string>()
  const taken: string[] = []
  await store.watch('shard.>', (change) => {
    if (change.kind !== 'put') return
    const { owner } = JSON.parse(Buffer.from(change.entry.value).toString())
    const before = owners.get(change.entry.key) ?? ''
    if (before !== '' && before !== owner && owner !== '') taken.push(`${change.entry.key} from ${before}`)
    owners.set(change.entry.key, owner)
  })
  const b = join('b', {
    // It keeps the view and hears of nobody but itself.
    watch: (pattern, listener) =>
      store.watch(pattern, (change) => {
        const key = change.kind === 'put' ? change.entry.key : change.key
        if (pattern !== 'member.>' || key.startsWith('member.b-')) listener(change)
      }),
  })
  await advance(clock, 1_000)
  expect(taken).toEqual([])
  a.membership.abandon()
  await advance(clock, 2 * LEASE_MS)
  expect(b.open.size).toBe(SHARDS)
})

test('place/3: shards that wait before they move stay open and hold up neither the others nor the lease', async () => {
  const { clock, join } = await cluster()
  const a = join('a')
  await advance(clock, 200)
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const shard of [...a.open].slice(0, SHARDS / 2)) a.moving.set(shard, promise)
  const b = join('b')
  await advance(clock, 2 * LEASE_MS)
  expect(a.membership.valid).toBe(true)
  expect(b.open.size).toBeGreaterThan(0)
  expect(a.open.size + b.open.size).toBe(SHARDS)
  expect([...a.moving.keys()].every((shard) => a.open.has(shard))).toBe(true)
  const before = b.open.size
  a.moving.clear()
  resolve()
  await advance(clock, 200)
  expect(b.open.size).toBeGreaterThan(before)
  expect(a.open.size + b.open.size).toBe(SHARDS)
})

test('place/3: a node that leaves keeps its lease and its shards until what they wait for is over, or until it is stopped', async () => {
  const { clock, join } = await cluster()
  const [a, b] = [join('a'), join('b')]
  await advance(clock, 1_000)
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const { open, moving } of [a, b]) for (const shard of open) moving.set(shard, promise)
  const left = [a.membership.leave(), b.membership.leave()]
  b.membership.abandon()
  const stays = a.open.size
  await advance(clock, 2 * LEASE_MS)
  expect([a.membership.valid, b.membership.valid]).toEqual([true, false])
  expect(a.open.size).toBeGreaterThanOrEqual(stays)
  for (const { moving } of [a, b]) moving.clear()
  resolve()
  await advance(clock, 200)
  await Promise.all(left)
  expect(a.open.size).toBe(0)
  expect(b.open.size).toBeGreaterThan(0)
})

test('a claim whose answer comes after the word of a newer owner opens nothing, and does not hide that owner', async () => {
  const { clock, store, join } = await cluster()
  const theirs = Buffer.from(JSON.stringify({ owner: 'other-00000000-1', epoch: 2 }))
  const create: Store['create'] = async (key, ...rest) => {
    const revision = await store.create(key, ...rest)
    if (key !== 'shard.main-0' || revision === undefined) return revision
    await store.update(key, theirs, revision)
    await new Promise((resolve) => clock.after(100, () => resolve(undefined)))
    return revision
  }
  const a = join('a', { create })
  // The other one is no member: its shard is claimed from it, over the key that it has written.
  await advance(clock, 1_000)
  expect(a.open.size).toBe(SHARDS)
  expect(a.membership.ownerOf('main-0')).toMatchObject({ epoch: 3 })
})

test('an answer to a view that comes after the word of a newer one does not hide it', async () => {
  const { clock, store, join } = await cluster()
  const create: Store['create'] = async (key, value, ...rest) => {
    const revision = await store.create(key, value, ...rest)
    if (key !== 'view' || revision === undefined) return revision
    const newer = { ...JSON.parse(Buffer.from(value).toString()), version: 7 }
    await store.update(key, Buffer.from(JSON.stringify(newer)), revision)
    await new Promise((resolve) => clock.after(100, () => resolve(undefined)))
    return revision
  }
  const a = join('a', { create })
  await advance(clock, 1_000)
  expect(a.membership.view.version).toBe(7)
})

test('an outage that keeps a lease from being renewed is logged once, and the next one again', async () => {
  const { clock, store, join } = await cluster()
  let down = false
  const logged: string[] = []
  const update: Store['update'] = async (key, ...rest) => {
    if (down && key.startsWith('member.')) throw new Error('no leader now')
    return store.update(key, ...rest)
  }
  join('a', { update }, { onLog: (text) => logged.push(text) })
  await advance(clock, 500)
  for (const outages of [1, 2]) {
    down = true
    await advance(clock, 2_000)
    expect(logged).toEqual(Array(outages).fill('lease not renewed'))
    down = false
    await advance(clock, 1_000)
  }
})

test('place/1: a claim that is answered after its incarnation has ended opens nothing', async () => {
  const { clock, store, join } = await cluster()
  let slow = true
  let behind = true
  const a = join('a', {
    create: async (key, ...rest) => {
      const revision = await store.create(key, ...rest)
      if (key === 'shard.main-0' && slow) {
        slow = false
        await store.delete(`member.${a.membership.id}`, (await store.get(`member.${a.membership.id}`))?.revision ?? 0)
        await new Promise((resolve) => clock.after(1_500, () => resolve(undefined)))
      }
      return revision
    },
    // The view cannot be changed either, so that the next placement takes its time.
    update: async (key, ...rest) => {
      if (key === 'view' && behind) await new Promise((resolve) => clock.after(2_000, () => resolve(undefined)))
      return store.update(key, ...rest)
    },
  })
  await advance(clock, 1_800)
  expect(slow).toBe(false)
  expect([...a.open].filter((shard) => a.membership.ownerOf(shard)?.owner !== a.membership.id)).toEqual([])
  behind = false
  await advance(clock, 3_000)
  expect(a.open.size).toBe(SHARDS)
})

test('place/1: a shard whose key names another is closed at once, whatever placement waits for', async () => {
  const { clock, store, join } = await cluster()
  let stuck = false
  const a = join('a', {
    get: () => new Promise(() => {}),
    update: async (key, ...rest) => (stuck && key === 'view' ? new Promise(() => {}) : store.update(key, ...rest)),
  })
  await advance(clock, 500)
  expect(a.open.has('main-0')).toBe(true)
  stuck = true
  // Placement is at work on a view with this member, and does not come to an end.
  await store.create('member.zz-00000000-1', Buffer.from('{"id":"zz-00000000-1","node":"zz","groups":["main"]}'))
  await advance(clock, 100)
  const theirs = Buffer.from(JSON.stringify({ owner: 'zz-00000000-1', epoch: 2 }))
  await store.update('shard.main-0', theirs, (await store.get('shard.main-0'))?.revision ?? 0)
  await advance(clock, 100)
  expect(a.open.has('main-0')).toBe(false)
  expect(a.open.size).toBe(SHARDS - 1)
})

test('place/4: the shards of a member whom nobody hears are taken long before its lease ends', async () => {
  const { clock, bus, join } = await cluster()
  const nodes = [join('a'), join('b'), join('c')]
  const of = () => nodes.reduce((sum, { open }) => sum + open.size, 0)
  await advance(clock, 3_000)
  expect(of()).toBe(SHARDS)
  const [first] = nodes.splice(0, 1)
  const [shard] = first?.open ?? []
  first?.membership.abandon()
  // Words that make no sense, or of shards that are well, harm nobody.
  for (const word of ['{}', '{"shard":"x"}', '{"shard":"main-1"}']) bus.publish(UNHEARD, Buffer.from(word))
  bus.publish(UNHEARD, Buffer.from(JSON.stringify({ shard })))
  await advance(clock, 450)
  expect(of()).toBe(SHARDS)
  // With nobody to miss it, its neighbour does.
  const [second] = nodes.splice(0, 1)
  second?.membership.abandon()
  await advance(clock, 0.15 * LEASE_MS + 450)
  expect(of()).toBe(SHARDS)
})

test('roster/1: a keeper that has not heard of a new member yet does not take it out of the view', async () => {
  const { clock, store, join } = await cluster()
  let deaf = true
  const late: Store['watch'] = (pattern, listener) =>
    store.watch(pattern, (change) => {
      if (pattern !== 'member.>' || !deaf) listener(change)
      else clock.after(3_000, () => listener(change))
    })
  deaf = false
  const a = join('a', { watch: late })
  await advance(clock, 200)
  deaf = true
  const b = join('b')
  await advance(clock, 500)
  // Something else changes: the keeper looks at the view again.
  const c = join('c')
  const seen = new Set<number>()
  for (let at = 0; at < 2_000; at += 50) {
    await advance(clock, 50)
    seen.add(b.membership.view.members.length)
    for (const shard of a.open) expect(b.open.has(shard) || c.open.has(shard)).toBe(false)
  }
  expect(seen).toContain(3)
  expect([...seen].every((count, i, all) => i === 0 || count >= (all[i - 1] ?? 0))).toBe(true)
  expect(a.open.size + b.open.size + c.open.size).toBe(SHARDS)
})

test('a shard that is freed while its last life here still ends is taken up when that has ended', async () => {
  const { clock, store, join } = await cluster()
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  let slow: ShardName | undefined
  let down = true
  // What fails elsewhere ends the round in which the shard would have been looked at again.
  const update: Store['update'] = async (key, value, ...rest) => {
    if (down && Buffer.from(value).toString().includes('"owner":""')) throw new Error('no leader now')
    return store.update(key, value, ...rest)
  }
  const a = join('a', { update }, { onClose: async (shard) => void (shard === slow && (await ended)) })
  await advance(clock, 500)
  join('b')
  await advance(clock, 500)
  const stays = [...assign(a.membership.view, { main: SHARDS })].find(([, owner]) => owner === a.membership.id)
  slow = stays?.[0] ?? 'main-0'
  const write = (owner: string, revision: number) =>
    store.update(`shard.${slow}`, Buffer.from(JSON.stringify({ owner, epoch: 2 })), revision)
  const known = await store.get(`shard.${slow}`)
  const theirs = await write('other-00000000-1', known?.revision ?? 0)
  await advance(clock, 100)
  await write('', theirs ?? 0)
  await advance(clock, 500)
  down = false
  await advance(clock, 1_000)
  end()
  await advance(clock, 1_000)
  expect(a.membership.ownerOf(slow)).toMatchObject({ owner: a.membership.id, epoch: 3 })
})

test('a lease that another member renews changes nothing; with its own a member looks at everything again', async () => {
  const { clock, join } = await cluster()
  const [a] = [join('a'), join('b')]
  await advance(clock, 1_000)
  let read = 0
  const looked = vi.spyOn(a.membership, 'view', 'get').mockImplementation(() => {
    read += 1
    return { version: 0, members: [] }
  })
  await advance(clock, 2 * LEASE_MS)
  looked.mockRestore()
  const own = (2 * LEASE_MS) / (0.15 * LEASE_MS)
  expect(read).toBeGreaterThan(own - 2)
  expect(read).toBeLessThan(own + 2)
})

/** As seen by a process whose time passes at another rate than the store's. */
function atRate(clock: Clock, rate: number): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic() * rate,
    after: (delayMs, run) => clock.after(delayMs / rate, run),
  }
}

/** Whether a member that has lost the store ever believes in a lease that the store has ended. */
async function outlivesItsLease(rate: number): Promise<boolean> {
  const { clock, store, join } = await cluster()
  let down = false
  const update: Store['update'] = async (key, ...rest) => {
    if (down) throw new Error('no way to the store')
    return store.update(key, ...rest)
  }
  const { membership } = join('a', { update }, { clock: atRate(clock, rate) })
  await advance(clock, 1_000)
  expect(membership.valid).toBe(true)
  down = true
  for (let ms = 0; ms < 3 * LEASE_MS; ms += 50) {
    await advance(clock, 50)
    if (membership.valid && (await store.get(`member.${membership.id}`)) === undefined) return true
  }
  expect(membership.valid).toBe(false)
  return false
}

test('lease/1: a node stops before anybody may take its shards, however fast its clock is, and up to 20 % slow', async () => {
  for (const rate of [3, 1.2, 1, 0.81]) expect(await outlivesItsLease(rate), `at rate ${rate}`).toBe(false)
  expect(await outlivesItsLease(0.7), 'the bound is real').toBe(true)
})

test('place: a member that leaves passes its shards on one by one; few are without an owner at any time', async () => {
  const { clock, store, join } = await cluster()
  const [a, b] = [join('a'), join('b')]
  await advance(clock, 500)
  const without = new Set<string>()
  let most = 0
  await store.watch('shard.>', (change) => {
    if (change.kind === 'removed') return
    if (JSON.parse(new TextDecoder().decode(change.entry.value)).owner === '') without.add(change.entry.key)
    else without.delete(change.entry.key)
    most = Math.max(most, without.size)
  })
  const left = a.membership.leave()
  await advance(clock, 1_000)
  await left
  expect(b.open.size).toBe(SHARDS)
  expect(a.open.size).toBe(0)
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThanOrEqual(4)
  b.membership.abandon()
})

test('roster/3: a type is served once all nodes of its group know it, and no longer when one without it comes', async () => {
  const { clock, join } = await cluster()
  const [a] = [join('a')]
  await advance(clock, 200)
  expect([a.membership.isServed('cart'), a.membership.isServed('stock')]).toEqual([true, false])
  const b = join('b', {}, { logics: { cart: 'c', stock: 's' }, types: { cart: 'main', stock: 'main' } })
  await advance(clock, 200)
  expect([b.membership.isServed('cart'), b.membership.isServed('stock')]).toEqual([true, false])
  a.membership.abandon()
  await advance(clock, 2 * LEASE_MS)
  expect(b.membership.isServed('stock')).toBe(true)
})

test('roster/3: a node that lacks what all others of its group serve is refused before anybody sees it, unless it gives that up', async () => {
  const { clock, store, join } = await cluster()
  const types = { cart: 'main', stock: 'main', train: 'gpu' }
  join('a', {}, { logics: { cart: 'c', stock: 's', train: 't' }, types })
  await advance(clock, 200)
  const members: string[] = []
  await store.watch('member.>', (change) => void members.push(change.kind === 'put' ? change.entry.key : ''))
  const b = join('b', {}, { logics: { cart: 'c' }, types })
  await expect(b.joined).rejects.toMatchObject({
    code: 'GroupTypesMissing',
    details: { group: 'main', missing: ['stock'] },
    message: expect.stringContaining("createSystem({ retires: ['stock'] })"),
  })
  expect(members.filter((key) => key.includes('.b-'))).toEqual([])
  const c = join('c', {}, { logics: { cart: 'c' }, types, retires: ['stock'] })
  await c.joined
  await advance(clock, 200)
  expect(c.membership.isServed('stock')).toBe(false)
})

test('place: nodes that leave together do not wait for each other to take their shards', async () => {
  const { clock, store, join } = await cluster()
  let leaving = false
  // It hears of itself first, and a moment later that the others leave too.
  const watch: Store['watch'] = (pattern, listener) =>
    store.watch(pattern, (change) => {
      const ofOthers = change.kind === 'put' && /^(view|member\.[bc]-)/.test(change.entry.key)
      if (leaving && ofOthers) clock.after(100, () => listener(change))
      else listener(change)
    })
  const nodes = [join('a', { watch }), join('b'), join('c')]
  await advance(clock, 1_000)
  expect(nodes[0]?.open.size).toBeGreaterThan(0)
  leaving = true
  let left = 0
  for (const { membership } of nodes) void membership.leave().then(() => (left += 1))
  // By the time of one round of four that nobody takes they are gone.
  await advance(clock, 200)
  expect(left).toBe(3)
  expect(nodes.map(({ open }) => open.size)).toEqual([0, 0, 0])
})

const MANY = { groups: { main: 128 } }

test('place/1: a claim that fails makes no other shard open twice', async () => {
  const { clock, store, join } = await cluster()
  let failing = true
  const opened: ShardName[] = []
  const slowly = () => new Promise<void>((resolve) => void clock.after(400, resolve))
  const create: Store['create'] = async (key, ...rest) => {
    if (key.startsWith('shard.')) await slowly()
    if (key.startsWith('shard.') && failing) {
      failing = false
      throw new Error('no acknowledgement')
    }
    return store.create(key, ...rest)
  }
  const a = join('a', { create }, { ...MANY, onOpen: (shard) => void opened.push(shard) })
  await advance(clock, 6_000)
  expect(failing).toBe(false)
  expect(opened).toHaveLength(128)
  expect(new Set(opened).size).toBe(128)
  a.membership.abandon()
})

test('place: shards do not go to a newcomer that has died, and its end is seen while they are passed on', async () => {
  const { clock, store, join } = await cluster()
  const a = join('a', {}, MANY)
  await advance(clock, 500)
  const never = () => new Promise<never>(() => {})
  const b = join(
    'b',
    {
      create: (key, ...rest) => (key.startsWith('shard.') ? never() : store.create(key, ...rest)),
      update: (key, ...rest) => (key.startsWith('shard.') ? never() : store.update(key, ...rest)),
    },
    MANY,
  )
  await advance(clock, 300)
  b.membership.abandon()
  const key = `member.${b.membership.id}`
  await store.delete(key, (await store.get(key))?.revision ?? 0)
  await advance(clock, 500)
  expect(a.membership.view.members).toHaveLength(1)
  expect(a.open.size).toBe(128)
})

test('place: a node leaves in order though its last placement has failed', async () => {
  const { clock, store, join } = await cluster()
  let failing = true
  const create: Store['create'] = async (key, ...rest) => {
    if (failing && key === 'shard.main-6') throw new Error('no leader now')
    return store.create(key, ...rest)
  }
  const a = join('a', { create })
  await advance(clock, 100)
  failing = false
  let left = false
  void a.membership.leave().then(() => {
    left = true
  })
  await advance(clock, 1_000)
  expect([left, a.open.size]).toEqual([true, 0])
  expect(await store.get(`member.${a.membership.id}`)).toBeUndefined()
})

test('place: what cannot be read on the subjects of all nodes, or in the store, harms nobody', async () => {
  const { clock, store, bus, join } = await cluster()
  const a = join('a')
  await advance(clock, 200)
  const garbage = Buffer.from('no JSON {')
  bus.publish(UNHEARD, garbage)
  await store.create('member.garbage', garbage)
  await store.create('shard.other-1', garbage)
  const view = await store.get('view')
  await store.update('view', garbage, view?.revision ?? 0)
  await advance(clock, 1_000)
  expect(a.open.size).toBe(SHARDS)
})
