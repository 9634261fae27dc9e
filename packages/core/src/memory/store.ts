/**
 * The memory store: one `Shelf` per world, one `MemoryStore` per connection.
 *
 * 1. Every change, removals by time included, takes the next revision of the shelf.
 * 2. A watcher never goes back: it sees rising revisions. It may miss values that were already replaced when it came to look
 *    (as NATS KV with a history of one), never the newest one, and after a cut it catches up before anything new.
 * 3. A time to live runs on the clock of the connection that wrote it, and goes on when that connection is gone.
 */
import { invariant, MessageTooLarge } from '../errors.ts'
import {
  type Clock,
  PAYLOAD_BYTES,
  type Store,
  type StoreChange,
  type StoreEntry,
  type Subscription,
  type Timer,
} from '../ports.ts'
import type { Link, Wire } from './link.ts'
import { type Match, subjectMatch } from './subject-match.ts'

const KEY = /^[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+)*$/

interface Slot {
  readonly key: string
  /** Absent: removed. */
  readonly value?: Uint8Array
  readonly revision: number
  readonly expiry?: Timer
}

interface Watcher {
  readonly match: Match
  readonly link: Link
  readonly listener: (change: StoreChange) => void
  seen: number
}

export class Shelf {
  readonly #wire: Wire
  readonly #slots = new Map<string, Slot>()
  readonly #watchers = new Set<Watcher>()
  #revision = 0

  constructor(wire: Wire) {
    this.#wire = wire
  }

  get(key: string): StoreEntry | undefined {
    const slot = this.#slots.get(key)
    return slot?.value && { key, value: new Uint8Array(slot.value), revision: slot.revision }
  }

  put(key: string, value: Uint8Array, clock: Clock, ttlMs: number | undefined): number {
    const revision = this.#revision + 1
    const expiry = ttlMs === undefined ? undefined : clock.after(ttlMs, () => this.remove(key))
    this.#set({ key, value, revision, ...(expiry && { expiry }) })
    return revision
  }

  remove(key: string): void {
    this.#set({ key, revision: this.#revision + 1 })
  }

  watch(watcher: Watcher): Subscription {
    this.#watchers.add(watcher)
    this.#catchUp(watcher, false)
    watcher.seen = this.#revision
    const changed = watcher.link.onChange((connected) => {
      if (connected) this.#wire.post(() => this.#catchUp(watcher, true))
    })
    return {
      unsubscribe: () => {
        changed.unsubscribe()
        this.#watchers.delete(watcher)
      },
    }
  }

  #set(slot: Slot): void {
    this.#slots.get(slot.key)?.expiry?.cancel()
    this.#revision = slot.revision
    this.#slots.set(slot.key, slot)
    for (const watcher of this.#watchers) {
      if (!watcher.match(slot.key)) continue
      this.#wire.post(() => {
        if (this.#slots.get(slot.key) === slot) this.#tell(watcher, slot)
      })
    }
  }

  #catchUp(watcher: Watcher, withRemovals: boolean): void {
    const missed = [...this.#slots.values()].filter((slot) => watcher.match(slot.key) && slot.revision > watcher.seen)
    missed.sort((a, b) => a.revision - b.revision)
    for (const slot of missed) if (slot.value || withRemovals) this.#tell(watcher, slot)
  }

  #tell(watcher: Watcher, slot: Slot): void {
    if (!this.#watchers.has(watcher) || !watcher.link.connected || slot.revision <= watcher.seen) return
    watcher.seen = slot.revision
    const { key, value, revision } = slot
    watcher.listener(
      value
        ? { kind: 'put', entry: { key, value: new Uint8Array(value), revision } }
        : { kind: 'removed', key, revision },
    )
  }
}

export class MemoryStore implements Store {
  readonly #link: Link
  readonly #shelf: Shelf
  readonly #clock: Clock
  readonly #onHandlerError: (error: unknown, subject: string) => void

  constructor(link: Link, shelf: Shelf, clock: Clock, onHandlerError: (error: unknown, subject: string) => void) {
    this.#link = link
    this.#shelf = shelf
    this.#clock = clock
    this.#onHandlerError = onHandlerError
  }

  get(key: string): Promise<StoreEntry | undefined> {
    return this.#link.call(() => this.#shelf.get(key))
  }

  create(key: string, value: Uint8Array, options?: { readonly ttlMs?: number }): Promise<number | undefined> {
    return this.#write(key, value, undefined, options?.ttlMs)
  }

  update(
    key: string,
    value: Uint8Array,
    revision: number,
    options?: { readonly ttlMs?: number },
  ): Promise<number | undefined> {
    return this.#write(key, value, revision, options?.ttlMs)
  }

  delete(key: string, revision: number): Promise<boolean> {
    return this.#link.call(() => {
      if (this.#shelf.get(key)?.revision !== revision) return false
      this.#shelf.remove(key)
      return true
    })
  }

  watch(pattern: string, listener: (change: StoreChange) => void): Promise<Subscription> {
    const guarded = (change: StoreChange): void => {
      try {
        listener(change)
      } catch (error) {
        this.#onHandlerError(error, pattern)
      }
    }
    return this.#link.call(() =>
      this.#shelf.watch({ match: subjectMatch(pattern), link: this.#link, listener: guarded, seen: 0 }),
    )
  }

  /** `revision`: undefined when the key must not exist. */
  async #write(
    key: string,
    value: Uint8Array,
    revision: number | undefined,
    ttlMs: number | undefined,
  ): Promise<number | undefined> {
    invariant(KEY.test(key), `'${key}' is a store key`)
    invariant(ttlMs === undefined || (ttlMs >= 1000 && ttlMs % 1000 === 0), `ttlMs ${ttlMs} is whole seconds`)
    if (value.length > PAYLOAD_BYTES) {
      throw new MessageTooLarge(`value of ${value.length} bytes; ${PAYLOAD_BYTES} are allowed`)
    }
    const copy = new Uint8Array(value)
    return this.#link.call(() => {
      if (this.#shelf.get(key)?.revision !== revision) return undefined
      return this.#shelf.put(key, copy, this.#clock, ttlMs)
    })
  }
}
