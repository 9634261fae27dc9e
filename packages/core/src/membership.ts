/**
 * One node's place in the cluster: its lease, the view, and the shards it holds.
 *
 * Owns the member key and the shard keys that name this node. Decides by `placement.ts`; tells the shard host what to open
 * and what to close.
 *
 * 1. A shard is opened after its key was changed to this member by compare-and-set, and never otherwise.
 * 2. Each change of owner raises the shard's epoch.
 * 3. A member whose lease was not renewed for 0.8 of its time stops admitting, before anybody may take its shards: true for a
 *    clock that is up to 20 % slower than the store's.
 * 4. A member id is never used again: after a lost lease the node comes back as a new incarnation.
 * 5. What a planned move waits for holds up neither the lease, nor the view, nor other shards: the shard stays open meanwhile.
 * 6. A member is taken out of the view when its key is gone, never because word of it is late.
 * 7. None of this is needed for safety: two owners are told apart by the journal. It makes takeover fast and calm.
 */
import type { ShardName } from './address.ts'
import { keyBytes, memberIn, type ShardKey, shardKeyIn, shardNameIn, viewIn } from './cluster-keys.ts'
import { type Assigned, assign, keepsView, type Member, sameMembers, type View } from './placement.ts'
import type { Clock, Entropy, Store, StoreChange, Subscription, Timer } from './ports.ts'

export interface MembershipOptions {
  readonly node: string
  readonly groups: { readonly [group: string]: number }
  /** By type: hash of the logic with which this node serves it, for whoever looks for the code that recorded something. */
  readonly logics: { readonly [type: string]: string }
  readonly store: Store
  readonly clock: Clock
  readonly entropy: Entropy
  /** Time to live of the member key. */
  readonly leaseMs: number
  readonly onOpen: (shard: ShardName, epoch: number) => void
  /** What should end before the shard moves: resolves when it has, or has taken too long; undefined when nothing runs. */
  readonly onMove: (shard: ShardName) => Promise<void> | undefined
  /** Resolves when the shard's actors are gone from this node. */
  readonly onClose: (shard: ShardName) => Promise<void>
  /** The lease is lost: drop everything at once. */
  readonly onFenced: () => void
  readonly onLog: (text: string, data: object) => void
}

const RENEW_FRACTION = 0.15
/** Holds for clocks that are slower than the store's by less than the rest. */
export const FENCE_FRACTION = 0.8
/** Claims in flight at once. */
const CLAIMS = 32

export class Membership {
  readonly #o: MembershipOptions
  readonly #members = new Map<string, Member>()
  /** Of those that the view still shows: whose key is gone. */
  readonly #dead = new Set<string>()
  readonly #shards = new Map<ShardName, { readonly key: ShardKey; readonly revision: number }>()
  readonly #open = new Set<ShardName>()
  readonly #busy = new Set<ShardName>()
  #me: Member
  #incarnation = 0
  #revision = 0
  #renewedAt = 0
  #view: { readonly view: View; readonly revision: number } | undefined
  #assigned: Assigned | undefined
  #watches: Subscription[] = []
  #timer: Timer | undefined
  #claims: Promise<unknown> = Promise.resolve()
  #settling: Promise<void> | undefined
  #again = false
  /** All present members are known: before that, those still to come would look dead. */
  #informed = false
  #leaving = false
  /** The outage of the store that keeps the lease from being renewed is in the log. */
  #told = false

  constructor(options: MembershipOptions) {
    this.#o = options
    this.#me = this.#newIncarnation()
  }

  get id(): string {
    return this.#me.id
  }
  get view(): View {
    return this.#view?.view ?? { version: 0, members: [] }
  }
  /** Whether this node may answer for its shards now. */
  get valid(): boolean {
    return this.#o.clock.monotonic() - this.#renewedAt < this.#o.leaseMs * FENCE_FRACTION
  }
  get openShards(): readonly ShardName[] {
    return [...this.#open]
  }
  /** The living nodes that serve a type with this logic. */
  servedBy(type: string, logic: string): readonly string[] {
    return [...this.#members.values()].filter(({ logics }) => logics?.[type] === logic).map(({ node }) => node)
  }

  ownerOf(shard: ShardName): ShardKey | undefined {
    return this.#shards.get(shard)?.key
  }

  /** Resolves once this node is in the view and holds the shards it should. */
  async join(): Promise<void> {
    await this.#register()
    this.#watches = [
      await this.#o.store.watch('shard.>', (change) => this.#shardChanged(change)),
      await this.#o.store.watch('view', (change) => this.#viewChanged(change)),
      await this.#o.store.watch('member.>', (change) => this.#memberChanged(change)),
    ]
    this.#informed = true
    this.#renewLater()
    await this.#settle()
  }

  /** Gives every shard back, then leaves the view. */
  async leave(): Promise<void> {
    await this.#handOver()
    if (this.#leaving) return
    this.#leaving = true
    this.#timer?.cancel()
    await this.#claims
    await Promise.all([...this.#open].map((shard) => this.#giveBack(shard)))
    for (const watch of this.#watches) watch.unsubscribe()
    await this.#o.store.delete(`member.${this.#me.id}`, this.#revision)
  }

  async #handOver(): Promise<void> {
    while (!this.#leaving) {
      const running = [...this.#open].map((shard) => this.#o.onMove(shard)).filter((wait) => wait !== undefined)
      if (running.length === 0) return
      await Promise.all(running)
    }
  }

  /** Ends without a word, as a crash would. */
  abandon(): void {
    this.#leaving = true
    this.#timer?.cancel()
    for (const watch of this.#watches) watch.unsubscribe()
  }

  /** An actor of this shard has another writer: read the key again before anything more is admitted. */
  async doubt(shard: ShardName): Promise<void> {
    try {
      const entry = await this.#o.store.get(`shard.${shard}`)
      const key = entry && shardKeyIn(entry.value)
      if (key?.owner === this.#me.id) return
    } catch (error) {
      this.#o.onLog('a shard in doubt cannot be read; trying again', { shard, error: String(error) })
      this.#o.clock.after(this.#o.leaseMs * RENEW_FRACTION, () => void this.doubt(shard))
      return
    }
    await this.#drop(shard)
  }

  /** It is another's already. */
  async #drop(shard: ShardName): Promise<void> {
    if (!this.#open.delete(shard)) return
    this.#busy.add(shard)
    try {
      await this.#o.onClose(shard)
    } finally {
      this.#busy.delete(shard)
    }
    void this.#settle()
  }

  // ── Lease ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #newIncarnation(): Member {
    this.#incarnation += 1
    const { node, groups, logics, entropy } = this.#o
    return { id: `${node}-${entropy.hex(32)}-${this.#incarnation}`, node, groups: Object.keys(groups), logics }
  }

  async #register(): Promise<void> {
    const { store, leaseMs, clock } = this.#o
    const at = clock.monotonic()
    const revision = await store.create(`member.${this.#me.id}`, keyBytes(this.#me), { ttlMs: leaseMs })
    if (revision === undefined) throw new Error(`member '${this.#me.id}' exists already`)
    this.#revision = revision
    this.#renewedAt = at
    this.#told = false
  }

  #renewLater(): void {
    this.#timer?.cancel()
    this.#timer = this.#o.clock.after(this.#o.leaseMs * RENEW_FRACTION, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    if (this.#leaving) return
    const { store, leaseMs, clock } = this.#o
    const at = clock.monotonic()
    try {
      const revision = await store.update(`member.${this.#me.id}`, keyBytes(this.#me), this.#revision, {
        ttlMs: leaseMs,
      })
      if (revision === undefined) return await this.#comeBack()
      this.#revision = revision
      this.#renewedAt = at
      this.#told = false
      // Whatever was passed over because a shard was busy is looked at again.
      void this.#settle()
    } catch (error) {
      if (!this.#told) this.#o.onLog('lease not renewed', { error: String(error), valid: this.valid })
      this.#told = true
    }
    this.#renewLater()
  }

  /** The member key is gone: others may have our shards already. */
  async #comeBack(): Promise<void> {
    this.#o.onLog('lease lost', { member: this.#me.id })
    this.#open.clear()
    this.#o.onFenced()
    this.#me = this.#newIncarnation()
    await this.#register()
    this.#renewLater()
    void this.#settle()
  }

  // ── What the store tells ─────────────────────────────────────────────────────────────────────────────────────────────

  #memberChanged(change: StoreChange): void {
    if (change.kind === 'put') {
      const member = memberIn(change.entry.value)
      // Another lease was renewed: of a thousand members one does so every few milliseconds.
      if (member === undefined || this.#members.has(member.id)) return
      this.#members.set(member.id, member)
    } else {
      const id = change.key.slice('member.'.length)
      this.#members.delete(id)
      this.#dead.add(id)
    }
    void this.#settle()
  }

  #viewChanged(change: StoreChange): void {
    if (change.kind === 'removed') return
    const view = viewIn(change.entry.value)
    if (view === undefined) return
    this.#see(view, change.entry.revision)
    void this.#settle()
  }

  #shardChanged(change: StoreChange): void {
    if (change.kind === 'removed') return
    const key = shardKeyIn(change.entry.value)
    if (key === undefined) return
    const shard = shardNameIn(change.entry.key.slice('shard.'.length))
    const known = this.#shards.get(shard)
    if (known !== undefined && known.revision >= change.entry.revision) return
    this.#shards.set(shard, { key, revision: change.entry.revision })
    if (key.owner === this.#me.id) return
    void this.#drop(shard)
    void this.#settle()
  }

  // ── What follows from it ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Brings view and shards to what they should be; one run at a time, again when something changed meanwhile. */
  #settle(): Promise<void> {
    if (!this.#informed) return Promise.resolve()
    this.#again = true
    this.#settling ??= this.#settleAll()
    return this.#settling
  }

  async #settleAll(): Promise<void> {
    try {
      while (this.#again && !this.#leaving) {
        this.#again = false
        await this.#keepView()
        this.#claims = this.#moveShards()
        await this.#claims
      }
    } catch (error) {
      this.#o.onLog('placement failed; trying again', { error: String(error) })
      this.#o.clock.after(this.#o.leaseMs * RENEW_FRACTION, () => void this.#settle())
    } finally {
      this.#settling = undefined
    }
  }

  async #keepView(): Promise<void> {
    const known = [...this.#members.values()]
    if (!keepsView(known, this.#me.id)) return
    const current = this.#view
    const members = [...known, ...(await this.#unheardOf(current?.view.members ?? []))]
    if (current !== undefined && sameMembers(current.view.members, members)) return
    const shown = members.map(({ id, node, groups }) => ({ id, node, groups }))
    const view: View = { version: (current?.view.version ?? 0) + 1, members: shown }
    const revision =
      current === undefined
        ? await this.#o.store.create('view', keyBytes(view))
        : await this.#o.store.update('view', keyBytes(view), current.revision)
    // Undefined: another keeper was first, and the watch brings what it wrote.
    if (revision !== undefined) this.#see(view, revision)
  }

  /** An answer and a watch may overtake each other. */
  #see(view: View, revision: number): void {
    if (revision > (this.#view?.revision ?? 0)) this.#view = { view, revision }
  }

  /** The view may have come before the word of a member in it. */
  async #unheardOf(shown: readonly Member[]): Promise<readonly Member[]> {
    const { store } = this.#o
    for (const id of this.#dead) if (!shown.some((member) => member.id === id)) this.#dead.delete(id)
    const unknown = shown.filter(({ id }) => !this.#members.has(id) && !this.#dead.has(id))
    const keys = await Promise.all(unknown.map(({ id }) => store.get(`member.${id}`)))
    return unknown.filter((_, i) => keys[i] !== undefined)
  }

  async #moveShards(): Promise<void> {
    const { view } = this
    if (this.#assigned?.view !== view) {
      this.#assigned = { view, owners: assign(view, this.#o.groups, this.#assigned) }
    }
    const wanted = this.#assigned.owners
    const alive = new Set(view.members.map((member) => member.id))
    const work: (() => Promise<void>)[] = []
    for (const shard of this.#held()) {
      const mine = wanted.get(shard) === this.#me.id && this.#shards.get(shard)?.key.owner === this.#me.id
      if (mine || this.#busy.has(shard)) continue
      const running = this.#o.onMove(shard)
      if (running === undefined) work.push(() => this.#giveBack(shard))
      else void running.then(() => this.#settle())
    }
    for (const [shard, owner] of wanted) {
      if (owner !== this.#me.id || this.#open.has(shard) || this.#busy.has(shard)) continue
      const held = this.#shards.get(shard)?.key.owner ?? ''
      if (held === '' || held === this.#me.id || !alive.has(held)) work.push(() => this.#claim(shard))
    }
    await inParallel(work, CLAIMS)
  }

  /** Open here, or named as ours: a key that could not be given back would keep everybody else away. */
  #held(): ReadonlySet<ShardName> {
    const named = [...this.#shards].filter(([, { key }]) => key.owner === this.#me.id).map(([shard]) => shard)
    return new Set([...this.#open, ...named])
  }

  async #claim(shard: ShardName): Promise<void> {
    this.#busy.add(shard)
    try {
      const { id } = this.#me
      const known = this.#shards.get(shard)
      const key: ShardKey = { owner: id, epoch: (known?.key.epoch ?? 0) + 1 }
      const name = `shard.${shard}`
      const revision =
        known === undefined
          ? await this.#o.store.create(name, keyBytes(key))
          : await this.#o.store.update(name, keyBytes(key), known.revision)
      if (revision === undefined || !this.#written(shard, key, revision)) return
      if (this.#leaving || this.#me.id !== id) return
      this.#open.add(shard)
      this.#o.onOpen(shard, key.epoch)
    } finally {
      this.#busy.delete(shard)
    }
  }

  /** False when a watch has brought a newer key before the answer came. */
  #written(shard: ShardName, key: ShardKey, revision: number): boolean {
    if ((this.#shards.get(shard)?.revision ?? 0) > revision) return false
    this.#shards.set(shard, { key, revision })
    return true
  }

  async #giveBack(shard: ShardName): Promise<void> {
    this.#busy.add(shard)
    try {
      this.#open.delete(shard)
      await this.#o.onClose(shard)
      const known = this.#shards.get(shard)
      if (known?.key.owner !== this.#me.id) return
      const key: ShardKey = { owner: '', epoch: known.key.epoch }
      const revision = await this.#o.store.update(`shard.${shard}`, keyBytes(key), known.revision)
      if (revision !== undefined) this.#written(shard, key, revision)
    } finally {
      this.#busy.delete(shard)
    }
  }
}

async function inParallel(work: readonly (() => Promise<void>)[], width: number): Promise<void> {
  const queue = [...work]
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next()
  }
  await Promise.all(Array.from({ length: Math.min(width, queue.length) }, lane))
}
