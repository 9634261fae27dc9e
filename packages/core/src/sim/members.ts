/**
 * What membership costs a store: a cluster of any size in one process, of nothing but the production `Membership` on the
 * simulated store, with every message counted.
 *
 * 1. Counted are requests, each with one answer, and what watchers are told. Time is virtual, every way takes half a
 *    millisecond, nothing is lost.
 * 2. Actors cost membership nothing: they are counted by their shard, and none of them runs.
 * 3. Owners are worked out once for all members; on a real cluster each node does it.
 */
import { addressOf, type ShardName, Subjects, shardOf } from '../address.ts'
import { Membership } from '../membership.ts'
import { type Assigned, assign, type View } from '../placement.ts'
import { SimServer } from './backend.ts'
import { CALM } from './faults.ts'
import { SimProcess } from './process.ts'
import { Scheduler } from './scheduler.ts'
import { type Cost, counted, StoreCost } from './store-cost.ts'

export interface MembersOptions {
  readonly members: number
  readonly shards: number
  readonly actors: number
  readonly leaseMs: number
}

/** What follows when one member comes or goes. */
export interface Change {
  /** Without the renewals of that time. */
  readonly cost: Cost
  /** From the join, or from the end of the lease, until every shard is open where it should be. */
  readonly settledMs: number
  /** How many had to move. */
  readonly shards: number
  readonly actors: number
}

export interface MembersReport {
  readonly viewBytes: number
  /** Per second, while nobody comes or goes. */
  readonly steady: Cost
  readonly join: Change
  readonly death: Change
}

interface Node {
  readonly membership: Membership
  readonly open: Set<ShardName>
}

const GROUP = 'main'
const WAY_MS = 0.5
const STEADY_MS = 3_000
const AFTERWARDS_MS = 100
const PATIENCE_MS = 30_000

export async function membersCost(options: MembersOptions): Promise<MembersReport> {
  const cluster = new Cluster(options)
  for (let n = 0; n < options.members; n++) cluster.join()
  await cluster.settled()
  const steady = await cluster.steady()
  const join = await cluster.change(async () => void cluster.join())
  const viewBytes = cluster.viewBytes
  return { viewBytes, steady, join, death: await cluster.change(() => cluster.lose()) }
}

class Cluster {
  readonly #o: MembersOptions
  readonly #scheduler = new Scheduler({ seed: 'members', faults: { ...CALM, latencyMs: [WAY_MS, WAY_MS] } })
  readonly #server = new SimServer({ scheduler: this.#scheduler })
  readonly #cost = new StoreCost()
  readonly #nodes: Node[] = []
  readonly #actors = new Map<ShardName, number>()
  #owners: { readonly version: number; readonly owners: Assigned['owners'] } | undefined
  #joined = 0

  constructor(options: MembersOptions) {
    this.#o = options
    for (let n = 0; n < options.actors; n++) {
      const shard = shardOf(addressOf('actor', `k${n}`), GROUP, options.shards)
      this.#actors.set(shard, (this.#actors.get(shard) ?? 0) + 1)
    }
  }

  get viewBytes(): number {
    return JSON.stringify(this.#nodes[0]?.membership.view ?? {}).length
  }

  join(): void {
    const { shards, leaseMs } = this.#o
    const name = `n${++this.#joined}`
    const process = new SimProcess(name, this.#scheduler)
    const [{ clock }, entropy] = [process, this.#scheduler.entropy(name)]
    const connection = this.#server.connect(process, { name, clock, entropy })
    const open = new Set<ShardName>()
    const membership = new Membership({
      node: name,
      groups: { [GROUP]: shards },
      logics: { actor: '0'.repeat(22) },
      types: { actor: GROUP },
      retires: [],
      store: counted(connection.store, this.#cost),
      bus: connection.bus,
      subjects: new Subjects('members'),
      clock,
      entropy,
      leaseMs,
      assign: (view, groups, before) => this.#assign(view, groups, before),
      onOpen: (shard) => open.add(shard),
      onMove: () => undefined,
      onClose: async (shard) => void open.delete(shard),
      onFenced: () => open.clear(),
      onLog: (text, data) => this.#scheduler.note(`${name} says: ${text} ${JSON.stringify(data)}`),
    })
    this.#nodes.push({ membership, open })
    void membership.join()
  }

  /** One member dies and its lease ends, at once instead of after its time. */
  async lose(): Promise<void> {
    const [lost] = this.#nodes.splice(Math.floor(this.#nodes.length / 2), 1)
    lost?.membership.abandon()
    this.#server.expire(`member.${lost?.membership.id}`)
  }

  async settled(): Promise<void> {
    await this.#until(() => this.#isSettled(), PATIENCE_MS)
  }

  async steady(): Promise<Cost> {
    await this.#pass(STEADY_MS)
    this.#cost.reset()
    await this.#pass(STEADY_MS)
    const { renewals, changes } = this.#cost
    if (changes.requests > 0) throw new Error(`${changes.requests} requests while nobody came or went`)
    const perSecond = (count: number) => Math.round((count * 1_000) / STEADY_MS)
    const { requests, lost, told, bytes } = renewals
    return { requests: perSecond(requests), lost: perSecond(lost), told: perSecond(told), bytes: perSecond(bytes) }
  }

  async change(happen: () => Promise<void>): Promise<Change> {
    const before = this.#whoHas()
    this.#cost.reset()
    await happen()
    const { time } = this.#scheduler
    const from = time.elapsedMs
    await this.settled()
    const settledMs = Math.round(time.elapsedMs - from)
    await this.#pass(AFTERWARDS_MS)
    const moved = [...this.#whoHas()].filter(([shard, node]) => before.get(shard) !== node).map(([shard]) => shard)
    const actors = moved.reduce((sum, shard) => sum + (this.#actors.get(shard) ?? 0), 0)
    return { cost: { ...this.#cost.changes }, settledMs, shards: moved.length, actors }
  }

  #whoHas(): ReadonlyMap<ShardName, Node> {
    return new Map(this.#nodes.flatMap((node) => [...node.open].map((shard) => [shard, node] as const)))
  }

  /** Every view names those who live, and every shard is open once, with whom it should be. */
  #isSettled(): boolean {
    const living = this.#nodes.map(({ membership }) => membership.id).sort()
    const view = this.#nodes[0]?.membership.view
    const named = view?.members.map(({ id }) => id).sort()
    if (view === undefined || named?.join() !== living.join()) return false
    const owners = this.#assign(view, { [GROUP]: this.#o.shards })
    const here = new Map(this.#nodes.map(({ membership, open }) => [membership.id, open]))
    const open = this.#nodes.reduce((sum, node) => sum + node.open.size, 0)
    return open === owners.size && [...owners].every(([shard, id]) => here.get(id)?.has(shard))
  }

  #assign(view: View, groups: { readonly [group: string]: number }, before?: Assigned): Assigned['owners'] {
    if (this.#owners?.version !== view.version) {
      this.#owners = { version: view.version, owners: assign(view, groups, before) }
    }
    return this.#owners.owners
  }

  #pass(ms: number): Promise<void> {
    const { time } = this.#scheduler
    return time.run(time.elapsedMs + ms)
  }

  async #until(done: () => boolean, withinMs: number): Promise<void> {
    const { time } = this.#scheduler
    const end = time.elapsedMs + withinMs
    while (!done()) {
      if (time.elapsedMs > end) throw new Error(`the members have not settled within ${withinMs} ms`)
      await this.#pass(1)
    }
  }
}
