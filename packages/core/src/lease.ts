/**
 * One node's lease: its member key, renewed in time, and whether the node may still answer for its shards.
 *
 * 1. A lease that was not renewed for 0.8 of its time is no longer valid, before anybody may take its shards: true for a clock that
 *    is up to 20 % slower than the store's.
 * 2. A member id is never used again: after a lost lease the node comes back as a new incarnation.
 * 3. A member that was cut off answers for nothing from the moment at which others may have found it dead (`witness.ts`) until it
 *    has renewed its lease.
 * 4. A lost answer costs no lease: nobody else writes the key, so one that is still there is ours.
 */
import { keyBytes } from './cluster-keys.ts'
import type { Member } from './placement.ts'
import type { Bus, Clock, Entropy, Store, Subscription, Timer } from './ports.ts'

export interface LeaseOptions {
  readonly facts: Omit<Member, 'id'>
  readonly store: Store
  readonly bus: Bus
  readonly clock: Clock
  readonly entropy: Entropy
  /** Time to live of the member key. */
  readonly leaseMs: number
  /** Before the key of an incarnation is written. */
  readonly onBegin: (member: Member) => void
  readonly onRenewed: () => void
  /** Others may have our shards already; a new incarnation follows. */
  readonly onLost: () => void
  readonly onLog: (text: string, data: object) => void
}

const RENEW_FRACTION = 0.15
const RETRY_FRACTION = 0.025
/** Holds for clocks that are slower than the store's by less than the rest. */
export const FENCE_FRACTION = 0.8
/** Sooner than anybody can find a member dead whose connection has just gone. */
const CUT_OFF_MS = 150

export class Lease {
  readonly #o: LeaseOptions
  #facts: Omit<Member, 'id'>
  #member: Member
  #incarnation = 0
  #revision = 0
  #renewedAt = 0
  /** When the connection was lost; undefined once the lease was renewed after that. */
  #cutAt: number | undefined
  #renewing = false
  /** There is news to write, and a renewal at work that began before it. */
  #again = false
  #timer: Timer | undefined
  readonly #connection: Subscription
  #stopped = false
  /** The outage of the store that keeps the lease from being renewed is in the log. */
  #told = false

  constructor(options: LeaseOptions) {
    this.#o = options
    this.#facts = options.facts
    this.#member = this.#newIncarnation()
    this.#connection = options.bus.onConnection((connected) => {
      if (!connected) this.#cutAt ??= options.clock.monotonic()
      else if (this.#timer !== undefined) this.#renewSoon()
    })
  }

  get member(): Member {
    return this.#member
  }

  get valid(): boolean {
    const now = this.#o.clock.monotonic()
    if (this.#cutAt !== undefined && now - this.#cutAt >= CUT_OFF_MS) return false
    return now - this.#renewedAt < this.#o.leaseMs * FENCE_FRACTION
  }

  async begin(): Promise<void> {
    await this.#register()
    this.#renewIn(this.#o.leaseMs * RENEW_FRACTION)
  }

  /** Says that this member serves no group any more. */
  resign(): void {
    this.#facts = { ...this.#facts, groups: [] }
    this.#member = { ...this.#member, groups: [] }
    this.#renewSoon()
  }

  /** No more renewals: it runs out, unless `end` follows. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#connection.unsubscribe()
  }

  async end(): Promise<void> {
    this.stop()
    await this.#o.store.delete(this.#key, this.#revision)
  }

  get #key(): string {
    return `member.${this.#member.id}`
  }

  #newIncarnation(): Member {
    this.#incarnation += 1
    const id = `${this.#facts.node}-${this.#o.entropy.hex(32)}-${this.#incarnation}`
    return { id, ...this.#facts }
  }

  async #register(): Promise<void> {
    const { store, leaseMs, clock, onBegin } = this.#o
    onBegin(this.#member)
    const at = clock.monotonic()
    const revision = await store.create(this.#key, keyBytes(this.#member), { ttlMs: leaseMs })
    if (revision === undefined) throw new Error(`member '${this.#member.id}' exists already`)
    this.#renewed(revision, at)
  }

  #renewed(revision: number, at: number): void {
    this.#revision = revision
    this.#renewedAt = at
    this.#told = false
    if (this.#cutAt !== undefined && at >= this.#cutAt) this.#cutAt = undefined
  }

  #renewSoon(): void {
    if (this.#renewing) this.#again = true
    else this.#renewIn(0)
  }

  #renewIn(ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.#o.clock.after(ms, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    if (this.#stopped) return
    const { clock, leaseMs, onRenewed, onLog } = this.#o
    const at = clock.monotonic()
    this.#renewing = true
    this.#again = false
    try {
      const revision = await this.#prolong()
      if (this.#stopped) return
      if (revision === undefined) await this.#comeBack()
      else this.#renewed(revision, at)
      onRenewed()
    } catch (error) {
      if (!this.#told) onLog('lease not renewed', { error: String(error), valid: this.valid })
      this.#told = true
    } finally {
      this.#renewing = false
    }
    const standing = !this.#told && this.#cutAt === undefined
    if (!this.#stopped) this.#renewIn(this.#again ? 0 : leaseMs * (standing ? RENEW_FRACTION : RETRY_FRACTION))
  }

  /** The new revision; undefined when the key is gone. */
  async #prolong(): Promise<number | undefined> {
    const { store, leaseMs } = this.#o
    const write = (revision: number) => store.update(this.#key, keyBytes(this.#member), revision, { ttlMs: leaseMs })
    const revision = await write(this.#revision)
    if (revision !== undefined) return revision
    const entry = await store.get(this.#key)
    return entry && write(entry.revision)
  }

  async #comeBack(): Promise<void> {
    this.#o.onLog('lease lost', { member: this.#member.id })
    this.#o.onLost()
    this.#member = this.#newIncarnation()
    await this.#register()
  }
}
