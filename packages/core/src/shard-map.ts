/**
 * Which shard an address belongs to, remembered: a SHA-256 for every message would be a tenth of its cost.
 *
 * 1. Bounded: forgets everything when it is full, which costs one hash per live address.
 */
import { type Address, type ShardName, shardOf, splitAddress } from './address.ts'

const REMEMBERED = 20_000

export class ShardMap {
  readonly #groupOf: (type: string) => string
  readonly #groups: { readonly [group: string]: number }
  readonly #known = new Map<Address, ShardName>()

  /** @param groups shards per group, as the namespace has fixed them */
  constructor(groupOf: (type: string) => string, groups: { readonly [group: string]: number }) {
    this.#groupOf = groupOf
    this.#groups = groups
  }

  shardOf(address: Address): ShardName {
    const known = this.#known.get(address)
    if (known !== undefined) return known
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    const group = this.#groupOf(splitAddress(address).type)
    const shard = shardOf(address, group, this.#groups[group] ?? 1)
    this.#known.set(address, shard)
    return shard
  }
}
