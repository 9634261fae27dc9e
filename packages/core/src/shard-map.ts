/**
 * Which shard an address belongs to, by what the namespace has agreed on.
 *
 * 1. A type that nobody had served when this node looked may have come since: a message to one makes the node look again. Until it
 *    has, the shard is a guess, so whoever sends again asks again.
 * 2. Shards are remembered, since a SHA-256 for every message would be a tenth of its cost. Bounded: forgets everything when it is
 *    full, which costs one hash per live address.
 */
import { type Address, type ShardName, shardOf, splitAddress } from './address.ts'
import type { NamespaceRecord } from './namespace-record.ts'
import type { Clock } from './ports.ts'

const REMEMBERED = 20_000
const LOOK_AGAIN_MS = 100

export interface ShardMapOptions {
  readonly record: NamespaceRecord
  /** The record as it is now. */
  readonly read: () => Promise<NamespaceRecord | undefined>
  readonly clock: Clock
}

export class ShardMap {
  readonly #read: ShardMapOptions['read']
  readonly #clock: Clock
  readonly #known = new Map<Address, ShardName>()
  #record: NamespaceRecord
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor({ record, read, clock }: ShardMapOptions) {
    this.#record = record
    this.#read = read
    this.#clock = clock
  }

  shardOf(address: Address): ShardName {
    const known = this.#known.get(address)
    if (known !== undefined) return known
    const { groups, types } = this.#record
    const served = types[splitAddress(address).type]
    const group = served ?? 'main'
    const shard = shardOf(address, group, groups[group] ?? 1)
    if (served === undefined) this.#lookSoon()
    else this.#remember(address, shard)
    return shard
  }

  /** Undefined for a type that no node has served yet: mail must not lie where nobody will ever look. */
  async servedShardOf(address: Address): Promise<ShardName | undefined> {
    const { type } = splitAddress(address)
    if (this.#record.types[type] === undefined) await this.#look()
    return this.#record.types[type] === undefined ? undefined : this.shardOf(address)
  }

  #remember(address: Address, shard: ShardName): void {
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(address, shard)
  }

  #lookSoon(): void {
    const now = this.#clock.monotonic()
    if (now - this.#lookedAt < LOOK_AGAIN_MS) return
    this.#lookedAt = now
    // A store that does not answer now is asked again with a later message.
    this.#look().catch(() => {})
  }

  async #look(): Promise<void> {
    this.#record = (await this.#read()) ?? this.#record
  }
}
