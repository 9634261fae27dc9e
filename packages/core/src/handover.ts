/**
 * The wait before a planned move: a `write` that has begun comes to its recorded result where it runs.
 *
 * Owns which shards wait, and for which actors. A shard that waits is open, and its actors serve as before.
 *
 * 1. A shard may go when none of its actors has a begun `write` without a recorded result, or when the patience has passed.
 * 2. There is one patience for each opening of a shard: writes that begin during the wait do not prolong it.
 */
import type { Address, ShardName } from './address.ts'
import type { Clock } from './ports.ts'

/** Most calls end within it; half of what a container gets by default (10 s) from the order to stop to the kill. */
export const PATIENCE_MS = 5_000

interface Wait {
  readonly writing: Set<Address>
  readonly over: Promise<void>
  readonly end: () => void
}

export class Handover {
  readonly #clock: Clock
  readonly #waits = new Map<ShardName, Wait>()
  /** When the patience with a shard ends. */
  readonly #until = new Map<ShardName, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Undefined when the shard may go now. @param writing its actors with a begun write */
  wait(shard: ShardName, writing: readonly Address[]): Promise<void> | undefined {
    const known = this.#waits.get(shard)
    if (known !== undefined) return known.over
    const now = this.#clock.monotonic()
    const until = this.#until.get(shard) ?? now + PATIENCE_MS
    if (writing.length === 0 || now >= until) return undefined
    this.#until.set(shard, until)
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = () => {
      timer.cancel()
      this.#waits.delete(shard)
      resolve()
    }
    const timer = this.#clock.after(until - now, end)
    this.#waits.set(shard, { writing: new Set(writing), over: promise, end })
    return promise
  }

  /** An actor of the shard has released a committed group, or is gone. */
  released(shard: ShardName, address: Address, isWriting: () => boolean): void {
    const wait = this.#waits.get(shard)
    if (wait === undefined) return
    if (isWriting()) wait.writing.add(address)
    else wait.writing.delete(address)
    if (wait.writing.size === 0) wait.end()
  }

  /** The shard is not open any more. */
  closed(shard: ShardName): void {
    this.#waits.get(shard)?.end()
    this.#until.delete(shard)
  }
}
