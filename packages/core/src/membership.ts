/**
 * One node's place in the cluster: its lease, the view, and the shards it holds.
 *
 * Owns the shard keys that name this node, its lease (`lease.ts`), what it knows of others (`roster.ts`). Decides by `placement.ts`; tells the shard host what to open
 * and what to close.
 *
 * 1. A shard is opened after its key was changed to this member by compare-and-set, and never otherwise.
 * 2. Each change of owner raises the shard's epoch. What another member has is taken only when the store says that its lease has
 *    ended: a view may be written by one who has not heard of it yet.
 * 3. What a planned move waits for holds up neither the lease, nor the view, nor other shards: the shard stays open meanwhile.
 * 4. A member whom `witness.ts` finds dead loses its key at once; who doubts whose shard asks for that finding.
 * 5. None of this is needed for safety: two owners are told apart by the journal. It makes takeover fast and calm.
 */
import type { ShardName, Subjects } from './address.ts'
import type { Checkpoint } from './checkpoint.ts'
import { keyBytes, type ShardKey, shardIn, shardKeyIn, shardNameIn } from './cluster-keys.ts'
import { Lease } from './lease.ts'
import { type Assigned, assign, type View } from './placement.ts'
import type { Bus, Clock, Entropy, Store, StoreChange, Subscription } from './ports.ts'
import { Roster } from './roster.ts'
import { Witness } from './witness.ts'

export interface MembershipOptions {
  readonly node: string
  readonly groups: { readonly [group: string]: number }
  /** By type: hash of the logic with which this node serves it, for whoever looks for the code that recorded something. */
  readonly logics: { readonly [type: string]: string }
  /** Of all types of the namespace: their groups. */
  readonly types: { readonly [type: string]: string }
  /** Types of its groups that this node gives up. */
  readonly retires: readonly string[]
  readonly store: Store
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
  readonly entropy: Entropy
  /** Time to live of the member key. */
  readonly leaseMs: number
  /** Members in one process may work it out together. @defaultValue that of `placement.ts` */
  readonly assign?: typeof assign
  readonly onOpen: (shard: ShardName, epoch: number, checkpoint: Checkpoint | undefined) => void
  /** What should end before the shard moves: resolves when it has, or has taken too long; undefined when nothing runs. */
  readonly onMove: (shard: ShardName) => Promise<void> | undefined
  /** Resolves when the shard's actors are gone from this node, with what its next owner goes on from. */
  readonly onClose: (shard: ShardName) => Promise<Checkpoint | undefined>
  /** The lease is lost: drop everything at once. */
  readonly onFenced: () => void
  readonly onLog: (text: string, data: object) => void
}

/** Of the lease: what failed is tried again after it. */
const RETRY_FRACTION = 0.15
/** Claims in flight at once. */
const CLAIMS = 32
/** Shards without an owner at once, because this node gave them back for others to take. */
const GIVEN_BACK = 4
/** One that nobody has taken by then holds up the next ones no longer. */
const TAKEN_MS = 200
/** For the others to take what a node that leaves gives back; what is left then waits for the end of its member key. */
const RESIGN_MS = 3_000
/** For the keepers to show a member that has joined; it is ready all the same. */
const SHOWN_MS = 2_000

export class Membership {
  readonly #o: MembershipOptions
  readonly #roster: Roster
  readonly #shards = new Map<ShardName, { readonly key: ShardKey; readonly revision: number }>()
  readonly #open = new Set<ShardName>()
  readonly #busy = new Set<ShardName>()
  /** Checkpoints on their way. */
  readonly #noting = new Map<ShardName, Promise<void>>()
  readonly #lease: Lease
  readonly #witness: Witness
  #assigned: Assigned | undefined
  #watches: Subscription[] = []
  #claims: Promise<unknown> = Promise.resolve()
  #settling: Promise<void> | undefined
  /** Called when the last shard was given back. */
  #emptied: (() => void) | undefined
  #onView: (() => void) | undefined
  readonly #taken = new Map<ShardName, () => void>()
  #again = false
  /** All present members are known: before that, those still to come would look dead. */
  #informed = false
  #leaving = false

  constructor(options: MembershipOptions) {
    this.#o = options
    this.#roster = new Roster(options.store)
    const { node, groups, logics, bus, subjects, clock } = options
    this.#witness = new Witness({ bus, subjects, clock, onDead: (member) => void this.#bury(member) })
    this.#lease = new Lease({
      ...options,
      facts: { node, groups: Object.keys(groups), logics },
      onBegin: ({ id }) => this.#witness.answerFor(id),
      onRenewed: () => {
        const neighbour = this.#roster.neighbourOf(this.id)
        if (neighbour !== undefined) this.#witness.suspect(neighbour)
        // Whatever was passed over because a shard was busy is looked at again.
        void this.#settle()
      },
      onLost: () => {
        this.#open.clear()
        options.onFenced()
      },
    })
  }

  get id(): string {
    return this.#lease.member.id
  }
  get view(): View {
    return this.#roster.view
  }
  /** Whether this node may answer for its shards now. */
  get valid(): boolean {
    return this.#lease.valid
  }
  get openShards(): readonly ShardName[] {
    return [...this.#open]
  }
  /** The living nodes that serve a type with this logic. */
  servedBy(type: string, logic: string): readonly string[] {
    return this.#roster.servedBy(type, logic)
  }

  /** Whether all nodes of its group know the type. */
  isServed(type: string): boolean {
    return this.#roster.isServed(type, this.#o.types[type] ?? 'main')
  }

  ownerOf(shard: ShardName): ShardKey | undefined {
    return this.#shards.get(shard)?.key
  }

  /**
   * Resolves once this node is in the view and holds the shards it should.
   * @throws GroupTypesMissing
   */
  async join(): Promise<void> {
    const { bus, subjects } = this.#o
    // Others pass shards on to a member that they see: it must be able to take them.
    this.#watches = [
      bus.subscribe(subjects.node('any', 'unheard'), ({ data }) => this.#unheard(shardIn(data))),
      await this.#o.store.watch('shard.>', (change) => this.#shardChanged(change)),
      await this.#o.store.watch('view', (change) => this.#viewChanged(change)),
      await this.#o.store.watch('member.>', (change) => this.#memberChanged(change)),
    ]
    this.#roster.checkNewcomer(this.#o)
    await this.#lease.begin()
    this.#roster.admit(this.#lease.member)
    this.#informed = true
    await this.#settle()
    await this.#shown()
    await this.#settle()
  }

  /** Resolves once the view names this member, or has not for too long. */
  async #shown(): Promise<void> {
    if (this.view.members.some(({ id }) => id === this.id)) return
    await new Promise<void>((resolve) => {
      const late = this.#o.clock.after(SHOWN_MS, resolve)
      this.#onView = () => {
        if (!this.view.members.some(({ id }) => id === this.id)) return
        late.cancel()
        resolve()
      }
    })
    this.#onView = undefined
  }

  /** Gives every shard back, then leaves the view. */
  async leave(): Promise<void> {
    await this.#handOver()
    if (this.#leaving) return
    await this.#resign()
    this.#leaving = true
    // What fails there is told where it is tried again.
    await this.#claims.catch(() => undefined)
    await Promise.all([...this.#open].map((shard) => this.#giveBack(shard)))
    this.#stopListening()
    await this.#lease.end()
  }

  async #handOver(): Promise<void> {
    while (!this.#leaving) {
      const running = [...this.#open].map((shard) => this.#o.onMove(shard)).filter((wait) => wait !== undefined)
      if (running.length === 0) return
      await Promise.all(running)
    }
  }

  /** Serves no group any more: shard by shard goes to others, as it does when a member comes, and none waits for the last one. */
  async #resign(): Promise<void> {
    if (this.view.members.length < 2 || this.#held().size === 0) return
    const empty = new Promise<void>((resolve) => {
      const late = this.#o.clock.after(RESIGN_MS, resolve)
      this.#emptied = () => {
        late.cancel()
        resolve()
      }
    })
    this.#lease.resign()
    await empty
  }

  /** Ends without a word, as a crash would. */
  abandon(): void {
    this.#leaving = true
    this.#lease.stop()
    this.#stopListening()
  }

  #stopListening(): void {
    for (const watch of this.#watches) watch.unsubscribe()
    this.#witness.stop()
  }

  /** An actor of this shard has another writer: the key says whether the whole shard has. Appends are fenced meanwhile, looks are not. */
  async doubt(shard: ShardName): Promise<void> {
    try {
      const entry = await this.#o.store.get(`shard.${shard}`)
      const key = entry && shardKeyIn(entry.value)
      if (key?.owner === this.id) return
    } catch (error) {
      this.#o.onLog('a shard in doubt cannot be read; trying again', { shard, error: String(error) })
      this.#o.clock.after(this.#o.leaseMs * RETRY_FRACTION, () => void this.doubt(shard))
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

  /** How far a shard of ours is settled. An older word in its place would do, so nothing is tried again here. */
  note(shard: ShardName, checkpoint: Checkpoint): void {
    const known = this.#shards.get(shard)
    if (!this.#open.has(shard) || this.#noting.has(shard) || known?.key.owner !== this.id) return
    const key: ShardKey = { ...known.key, checkpoint }
    const noted = this.#o.store.update(`shard.${shard}`, keyBytes(key), known.revision).then(
      (revision) => void (revision !== undefined && this.#written(shard, key, revision)),
      () => {},
    )
    this.#noting.set(
      shard,
      noted.finally(() => this.#noting.delete(shard)),
    )
  }

  // ── Early takeover ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Somebody found no listener for a shard: is its owner still there? */
  #unheard(shard: ShardName | undefined): void {
    const owner = shard && this.#shards.get(shard)?.key.owner
    if (owner === undefined || owner === this.id || !this.#roster.has(owner)) return
    if (this.#roster.isKeeper(this.id, owner)) this.#witness.suspect(owner)
  }

  async #bury(member: string): Promise<void> {
    const { store, onLog } = this.#o
    try {
      const entry = await store.get(`member.${member}`)
      if (entry !== undefined && (await store.delete(entry.key, entry.revision))) onLog('a node is dead', { member })
    } catch (error) {
      onLog('a dead node keeps its lease until it runs out', { member, error: String(error) })
    }
  }

  // ── What the store tells ─────────────────────────────────────────────────────────────────────────────────────────────

  #memberChanged(change: StoreChange): void {
    if (!this.#roster.memberChanged(change)) return
    // Who has gone must leave the view though shards are being passed on, perhaps to the one who has gone.
    if (this.#settling !== undefined) void this.#roster.keepView(this.id).catch(() => undefined)
    void this.#settle()
  }

  #viewChanged(change: StoreChange): void {
    if (!this.#roster.viewChanged(change)) return
    // Whoever should have taken them may have left.
    for (const goOn of this.#taken.values()) goOn()
    this.#onView?.()
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
    if (key.owner !== '') this.#taken.get(shard)?.()
    if (key.owner === this.id) return
    void this.#drop(shard)
    // What others hand to others is none of our business.
    if (this.#isWanted(shard)) void this.#settle()
  }

  #isWanted(shard: ShardName): boolean {
    return this.#assigned === undefined || this.#assigned.owners.get(shard) === this.id
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
        await this.#roster.keepView(this.id)
        this.#claims = this.#moveShards()
        await this.#claims
      }
    } catch (error) {
      this.#o.onLog('placement failed; trying again', { error: String(error) })
      this.#o.clock.after(this.#o.leaseMs * RETRY_FRACTION, () => void this.#settle())
    } finally {
      this.#settling = undefined
    }
  }

  async #moveShards(): Promise<void> {
    const { view } = this
    const wanted = this.#wanted(view)
    const alive = new Set(view.members.map((member) => member.id))
    const given: (() => Promise<void>)[] = []
    const claims: (() => Promise<void>)[] = []
    for (const shard of this.#held()) {
      const mine = wanted.get(shard) === this.id && this.#shards.get(shard)?.key.owner === this.id
      if (mine || this.#busy.has(shard)) continue
      const running = this.#o.onMove(shard)
      if (running === undefined) given.push(() => this.#pass(shard))
      else void running.then(() => this.#settle())
    }
    for (const [shard, owner] of wanted) {
      if (owner !== this.id || this.#open.has(shard) || this.#busy.has(shard)) continue
      const held = this.#shards.get(shard)?.key.owner ?? ''
      if (held === '' || held === this.id || !alive.has(held)) claims.push(() => this.#claim(shard))
    }
    const ended = await Promise.allSettled([inParallel(given, GIVEN_BACK), inParallel(claims, CLAIMS)])
    for (const work of ended) if (work.status === 'rejected') throw work.reason
  }

  /** Some milliseconds of hashing, once per view: shards that change hands wait for this run. */
  #wanted(view: View): ReadonlyMap<ShardName, string> {
    if (this.#assigned?.view !== view) {
      const owners = (this.#o.assign ?? assign)(view, this.#o.groups, this.#assigned)
      this.#assigned = { view, owners }
    }
    return this.#assigned.owners
  }

  /** Open here, or named as ours: a key that could not be given back would keep everybody else away. */
  #held(): ReadonlySet<ShardName> {
    const named = [...this.#shards].filter(([, { key }]) => key.owner === this.id).map(([shard]) => shard)
    return new Set([...this.#open, ...named])
  }

  async #claim(shard: ShardName): Promise<void> {
    // Planned by a run that has failed since, and done by another.
    if (this.#open.has(shard) || this.#busy.has(shard)) return
    this.#busy.add(shard)
    try {
      const { id } = this
      const known = this.#shards.get(shard)
      const from = known?.key.owner ?? ''
      if (from !== '' && from !== id && !(await this.#roster.hasEnded(from))) return
      const key: ShardKey = { ...known?.key, owner: id, epoch: (known?.key.epoch ?? 0) + 1 }
      const name = `shard.${shard}`
      const revision =
        known === undefined
          ? await this.#o.store.create(name, keyBytes(key))
          : await this.#o.store.update(name, keyBytes(key), known.revision)
      if (revision === undefined || !this.#written(shard, key, revision)) return
      if (this.#leaving || this.id !== id) return
      this.#open.add(shard)
      this.#o.onOpen(shard, key.epoch, key.checkpoint)
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

  /** Gives a shard back and waits until it is taken. */
  async #pass(shard: ShardName): Promise<void> {
    const owner = this.#wanted(this.#roster.view).get(shard)
    // The one for whom it was planned may be gone since.
    if (owner === this.id && this.#open.has(shard)) return
    // When all leave, nobody takes it.
    if (owner === undefined) return this.#giveBack(shard)
    const { promise: taken, resolve } = Promise.withResolvers<void>()
    this.#taken.set(shard, resolve)
    try {
      await this.#giveBack(shard)
      const late = this.#o.clock.after(TAKEN_MS, resolve)
      await taken
      late.cancel()
    } finally {
      this.#taken.delete(shard)
    }
  }

  async #giveBack(shard: ShardName): Promise<void> {
    this.#busy.add(shard)
    try {
      this.#open.delete(shard)
      const checkpoint = await this.#o.onClose(shard)
      await this.#noting.get(shard)
      const known = this.#shards.get(shard)
      if (known?.key.owner !== this.id) return
      const key: ShardKey = { ...known.key, owner: '', ...(checkpoint && { checkpoint }) }
      const revision = await this.#o.store.update(`shard.${shard}`, keyBytes(key), known.revision)
      if (revision !== undefined) this.#written(shard, key, revision)
    } finally {
      this.#busy.delete(shard)
      if (this.#held().size === 0) this.#emptied?.()
    }
  }
}

/** One that fails ends its lane; all others come to their end before it is told. */
async function inParallel(work: readonly (() => Promise<void>)[], width: number): Promise<void> {
  const queue = [...work]
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next()
  }
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(width, queue.length) }, lane))
  for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason
}
