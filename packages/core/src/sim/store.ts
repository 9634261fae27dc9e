/**
 * The simulated store: one shelf per world, one `SimStore` per connection.
 *
 * 1. Every change, removals by time included, takes the next revision of the shelf.
 * 2. A watcher sees rising revisions. It may miss values that were replaced meanwhile, never the newest; after a cut it
 *    catches up.
 * 3. A time to live runs at the server; it ends a little late, never early.
 */
import { invariant, MessageTooLarge } from '../errors.ts'
import { type Match, subjectMatch } from '../memory/subject-match.ts'
import {
  PAYLOAD_BYTES,
  type Store,
  type StoreChange,
  type StoreEntry,
  type Subscription,
  type Timer,
} from '../ports.ts'
import type { SimLink } from './link.ts'
import type { Scheduler } from './scheduler.ts'

const KEY = /^[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+)*$/
const EXPIRES_LATE_MS = [0, 500] as const
/** How often a value that was replaced before it arrived is not shown. */
const SKIPS = 0.5

interface Slot {
  readonly key: string
  /** Absent: removed. */
  readonly value?: Uint8Array
  readonly revision: number
  readonly expiry?: Timer
}

interface Watcher {
  readonly match: Match
  readonly link: SimLink
  readonly listener: (change: StoreChange) => void
  seen: number
}

export class Shelf {
  readonly #scheduler: Scheduler
  readonly #slots = new Map<string, Slot>()
  readonly #onChange: (key: string, value: Uint8Array | undefined) => void
  readonly #watchers = new Set<Watcher>()
  #revision = 0

  /** @param onChange sees every change as it happens */
  constructor(scheduler: Scheduler, onChange: (key: string, value: Uint8Array | undefined) => void = () => {}) {
    this.#scheduler = scheduler
    this.#onChange = onChange
  }

  get(key: string): StoreEntry | undefined {
    const slot = this.#slots.get(key)
    return slot?.value && { key, value: new Uint8Array(slot.value), revision: slot.revision }
  }

  put(key: string, value: Uint8Array, ttlMs: number | undefined): number {
    const revision = this.#revision + 1
    const late = this.#scheduler.between(EXPIRES_LATE_MS)
    const expiry =
      ttlMs === undefined ? undefined : this.#scheduler.at(ttlMs + late, `${key} expires`, () => this.remove(key))
    this.#set({ key, value, revision, ...(expiry && { expiry }) })
    return revision
  }

  remove(key: string): void {
    this.#set({ key, revision: this.#revision + 1 })
  }

  /** @returns what the watcher is to be told first */
  watch(watcher: Watcher): { readonly present: readonly StoreChange[]; readonly subscription: Subscription } {
    this.#watchers.add(watcher)
    const present = this.#missed(watcher).filter((slot) => slot.value !== undefined)
    watcher.seen = this.#revision
    const changed = watcher.link.onReturn(() => this.#catchUp(watcher))
    const unsubscribe = (): void => {
      changed.unsubscribe()
      this.#watchers.delete(watcher)
    }
    return { present: present.map(changeOf), subscription: { unsubscribe } }
  }

  #set(slot: Slot): void {
    this.#slots.get(slot.key)?.expiry?.cancel()
    this.#revision = slot.revision
    this.#slots.set(slot.key, slot)
    this.#onChange(slot.key, slot.value)
    for (const watcher of this.#watchers) if (watcher.match(slot.key)) this.#send(watcher, slot)
  }

  #missed(watcher: Watcher): Slot[] {
    const missed = [...this.#slots.values()].filter((slot) => watcher.match(slot.key) && slot.revision > watcher.seen)
    return missed.sort((a, b) => a.revision - b.revision)
  }

  #catchUp(watcher: Watcher): void {
    for (const slot of this.#missed(watcher)) this.#send(watcher, slot)
  }

  #send(watcher: Watcher, slot: Slot): void {
    const { link } = watcher
    link.down('store', `${link.process.name} sees ${slot.key}`, this.#scheduler.sureFate(), () => {
      const replaced = this.#slots.get(slot.key) !== slot && this.#scheduler.chance(SKIPS)
      if (replaced || !this.#watchers.has(watcher) || slot.revision <= watcher.seen) return
      watcher.seen = slot.revision
      watcher.listener(changeOf(slot))
    })
  }
}

function changeOf({ key, value, revision }: Slot): StoreChange {
  return value
    ? { kind: 'put', entry: { key, value: new Uint8Array(value), revision } }
    : { kind: 'removed', key, revision }
}

export class SimStore implements Store {
  readonly #link: SimLink
  readonly #shelf: Shelf
  readonly #onHandlerError: (error: unknown, subject: string) => void
  readonly #name: string

  constructor(link: SimLink, shelf: Shelf, onHandlerError: (error: unknown, subject: string) => void) {
    this.#link = link
    this.#shelf = shelf
    this.#onHandlerError = onHandlerError
    this.#name = link.process.name
  }

  get(key: string): Promise<StoreEntry | undefined> {
    return this.#link.call('store', `${this.#name} gets ${key}`, () => this.#shelf.get(key))
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
    return this.#link.call('store', `${this.#name} deletes ${key}`, () => {
      if (this.#shelf.get(key)?.revision !== revision) return false
      this.#shelf.remove(key)
      return true
    })
  }

  async watch(pattern: string, listener: (change: StoreChange) => void): Promise<Subscription> {
    const guarded = (change: StoreChange): void => {
      try {
        listener(change)
      } catch (error) {
        this.#onHandlerError(error, pattern)
      }
    }
    const watcher = { match: subjectMatch(pattern), link: this.#link, listener: guarded, seen: 0 }
    const label = `${this.#name} watches ${pattern}`
    const begun = await this.#link.call(
      'store',
      label,
      () => this.#shelf.watch(watcher),
      ({ present }) => {
        for (const change of present) guarded(change)
      },
    )
    return begun.subscription
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
    return this.#link.call('store', `${this.#name} writes ${key}`, () => {
      if (this.#shelf.get(key)?.revision !== revision) return undefined
      return this.#shelf.put(key, copy, ttlMs)
    })
  }
}
