/**
 * How far a shard is settled: what its next owner must look at, in its shard key.
 *
 * 1. Every actor of the shard whose newest record lies at or below `position` has nothing open but those named, and those for whose
 *    timers a wake-up is stored.
 * 2. An append whose end is not known holds the position back: it may be stored at any place behind what was known when it began.
 * 3. Written by compare-and-set on the shard key, so only the owner moves it. It makes a takeover quick; what slips past it (an append of
 *    an earlier owner that arrives late, a record that could not be read, a journal restored from a backup) is found by the
 *    second look of the next owner, which reads the newest record of every actor.
 */
import type { Address } from './address.ts'
import type { Fate } from './append.ts'

export interface Checkpoint {
  readonly position: number
  readonly open: readonly Address[]
}

/** Some 10 KB in a key that every node watches. With more, the position waits for the oldest of them. */
const MOST_NAMED = 200

export class ShardProgress {
  readonly #before: Checkpoint | undefined
  #known: number
  /** What was known when the append under way began. */
  readonly #writing = new Map<Address, number>()
  /** The newest record of each actor with something open; 0 when it is older than all that was read. */
  readonly #open = new Map<Address, number>()
  #changed = false
  /** All that earlier owners left was looked at. */
  #complete = false

  /** @param before what the last owner wrote; undefined: nothing is known */
  constructor(before: Checkpoint | undefined) {
    this.#before = before
    this.#known = before?.position ?? 0
    for (const address of before?.open ?? []) this.#open.set(address, 0)
  }

  /** An earlier owner's newest record of an actor. */
  found(address: Address, position: number, isOpen: boolean): void {
    // Our own is newer.
    if ((this.#open.get(address) ?? 0) >= position) return
    if (isOpen) this.#open.set(address, position)
    else this.#open.delete(address)
  }

  complete(upTo: number): void {
    this.#known = Math.max(this.#known, upTo)
    this.#complete = true
    this.#changed = true
  }

  begins(address: Address): void {
    this.#writing.set(address, this.#known)
  }

  ends(address: Address, fate: Fate, isOpen: boolean): void {
    this.#writing.delete(address)
    this.#changed = true
    if (fate.kind === 'committed') {
      this.#known = Math.max(this.#known, fate.position)
      if (isOpen) this.#open.set(address, fate.position)
      else this.#open.delete(address)
    } else if (fate.kind === 'abandoned' && !this.#open.has(address)) this.#open.set(address, 0)
  }

  /** A stored wake-up answers for all that it has open. */
  asleep(address: Address): void {
    if (this.#open.delete(address)) this.#changed = true
  }

  /** What to write now; undefined when nothing has changed since. */
  next(): Checkpoint | undefined {
    if (!this.#changed || !this.#complete) return undefined
    this.#changed = false
    return this.last()
  }

  /** As things are. */
  last(): Checkpoint | undefined {
    if (!this.#complete) return this.#before
    let position = Math.min(this.#known, ...this.#writing.values())
    const older = [...this.#open].filter(([, at]) => at <= position).sort(([, a], [, b]) => a - b)
    const [, firstTooMany] = older[MOST_NAMED] ?? []
    if (firstTooMany === 0) return this.#before
    if (firstTooMany !== undefined) position = firstTooMany - 1
    return { position, open: older.slice(0, MOST_NAMED).flatMap(([address, at]) => (at <= position ? [address] : [])) }
  }
}
