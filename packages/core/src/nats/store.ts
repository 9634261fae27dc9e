/**
 * The store over one key-value bucket.
 *
 * 1. Every write is one message with its expectation and, if wished, its time to live. (The client's own `update` drops the
 *    time to live: a renewed lease would never run out.)
 * 2. A removed key leaves a marker for a while; it counts as absent, and `create` writes over it.
 * 3. A write that met another one on its way (only replicated buckets say so) was not stored: it is tried again until that one
 *    has landed or not.
 * 4. A watcher is told by comparing: whatever was missed while there was no connection, the list after it settles what is
 *    present and what is gone, even when the markers have gone too.
 */
import { invariant } from '../errors.ts'
import { pause } from '../pause.ts'
import type { AppendOutcome, Store, StoreChange, StoreEntry, Subscription } from '../ports.ts'
import { type Api, request } from './api.ts'
import { type OrderedItem, ordered } from './ordered.ts'
import { isContended, type StoredPublisher } from './stored-publish.ts'

const KEY = /^[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+)*$/
/** How long a marker stays: only for other readers of the bucket, we do not need it. */
export const MARKER_MS = 60_000
/** Replication takes milliseconds; one that takes longer waits for an election. */
const CONTENDED_MS = 2_000
const CONTENDED_RETRY_MS = 10

export class NatsStore implements Store {
  readonly #api: Api
  readonly #publisher: StoredPublisher
  readonly #bucket: string
  readonly #onError: (error: unknown, subject: string) => void

  constructor(
    api: Api,
    publisher: StoredPublisher,
    bucket: string,
    onError: (error: unknown, subject: string) => void,
  ) {
    this.#api = api
    this.#publisher = publisher
    this.#bucket = bucket
    this.#onError = onError
  }

  async get(key: string): Promise<StoreEntry | undefined> {
    const { value, revision } = await this.#last(key)
    return value && { key, value, revision }
  }

  async create(key: string, value: Uint8Array, options?: { readonly ttlMs?: number }): Promise<number | undefined> {
    const first = await this.#put(key, value, 0, options?.ttlMs)
    if (first !== undefined) return first
    const last = await this.#last(key)
    return last.value ? undefined : this.#put(key, value, last.revision, options?.ttlMs)
  }

  update(
    key: string,
    value: Uint8Array,
    revision: number,
    options?: { readonly ttlMs?: number },
  ): Promise<number | undefined> {
    return revision > 0 ? this.#put(key, value, revision, options?.ttlMs) : Promise.resolve(undefined)
  }

  async delete(key: string, revision: number): Promise<boolean> {
    const headers = { 'KV-Operation': 'DEL' }
    const written = await this.#write({ key, value: new Uint8Array(), expected: revision, ttlMs: MARKER_MS, headers })
    return written !== undefined
  }

  async watch(pattern: string, listener: (change: StoreChange) => void): Promise<Subscription> {
    this.#api.connectivity.check()
    const stop = new AbortController()
    await new Promise<void>((resolve, reject) => {
      const tell = (change: StoreChange): void => {
        try {
          if (!stop.signal.aborted) listener(change)
        } catch (error) {
          this.#onError(error, pattern)
        }
      }
      this.#watch(pattern, tell, resolve, stop.signal).catch((error: unknown) => {
        // Before the first list is complete the caller hears of it, later nobody waits any more.
        reject(error)
        if (this.#api.connectivity.closed) return
        this.#onError(error, pattern)
      })
    })
    return { unsubscribe: () => stop.abort() }
  }

  async #watch(
    pattern: string,
    tell: (change: StoreChange) => void,
    listed: () => void,
    signal: AbortSignal,
  ): Promise<void> {
    const known = new Map<string, number>()
    /** Keys seen since the list began; undefined once it is complete. */
    let listing: Set<string> | undefined
    const complete = (position: number): void => {
      for (const [key, revision] of known) {
        if (listing?.has(key)) continue
        known.delete(key)
        tell({ kind: 'removed', key, revision: Math.max(position, revision + 1) })
      }
      listing = undefined
      listed()
    }
    const options = {
      stream: `KV_${this.#bucket}`,
      filter: this.#subject(pattern),
      from: 'last-of-each',
      signal,
    } as const
    for await (const item of ordered(this.#api, { ...options, verify: async () => undefined })) {
      if (item.kind === 'begin') {
        listing = new Set()
        if (item.waiting === 0) complete(0)
        continue
      }
      const { key, value, revision } = this.#slotOf(item)
      listing?.add(key)
      const newer = revision > (known.get(key) ?? 0)
      if (value && newer) {
        known.set(key, revision)
        tell({ kind: 'put', entry: { key, value, revision } })
      } else if (!value && newer) {
        // A marker of a key that was never told of is news only after the first list.
        if (known.delete(key) || !listing) tell({ kind: 'removed', key, revision })
      }
      if (listing && item.pending === 0) complete(revision)
    }
  }

  #slotOf({ msg, position }: Extract<OrderedItem, { kind: 'message' }>): Slot & { readonly key: string } {
    const key = msg.subject.slice(this.#subject('').length)
    const removed = isMarker((name) => msg.headers?.get(name) ?? '')
    return { key, revision: position, ...(!removed && { value: new Uint8Array(msg.data) }) }
  }

  #subject = (key: string): string => `$KV.${this.#bucket}.${key}`

  async #last(key: string): Promise<Slot> {
    invariant(KEY.test(key), `'${key}' is a store key`)
    const stored = await request(this.#api, `read the key '${key}'`, () =>
      this.#api.jsm.streams.getMessage(`KV_${this.#bucket}`, { last_by_subj: this.#subject(key) }),
    )
    if (!stored) return { revision: 0 }
    const removed = isMarker((name) => stored.header.get(name))
    return { revision: stored.seq, ...(!removed && { value: new Uint8Array(stored.data) }) }
  }

  #put(key: string, value: Uint8Array, expected: number, ttlMs: number | undefined): Promise<number | undefined> {
    invariant(ttlMs === undefined || (ttlMs >= 1000 && ttlMs % 1000 === 0), `ttlMs ${ttlMs} is whole seconds`)
    return this.#write({ key, value, expected, ...(ttlMs !== undefined && { ttlMs }) })
  }

  async #write({ key, value, ...write }: Write): Promise<number | undefined> {
    invariant(KEY.test(key), `'${key}' is a store key`)
    const message = { stream: `KV_${this.#bucket}`, subject: this.#subject(key), bytes: value, ...write }
    const { clock } = this.#api
    const deadlineMs = clock.monotonic() + CONTENDED_MS
    for (;;) {
      const outcome = await this.#publisher.publish(message)
      if (!isContended(outcome) || clock.monotonic() > deadlineMs) return revisionOf(outcome)
      await pause(clock, CONTENDED_RETRY_MS)
    }
  }
}

interface Slot {
  /** 0: there is no message, not even a marker. */
  readonly revision: number
  readonly value?: Uint8Array
}

interface Write {
  readonly key: string
  readonly value: Uint8Array
  readonly expected: number
  readonly ttlMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

function revisionOf(outcome: AppendOutcome): number | undefined {
  if (outcome.kind === 'stored') return outcome.position
  if (outcome.kind === 'conflict') return undefined
  throw outcome.cause
}

/** A delete of ours or another client, or the server's note that a time to live ran out. */
function isMarker(header: (name: string) => string): boolean {
  const operation = header('KV-Operation')
  return operation === 'DEL' || operation === 'PURGE' || header('Nats-Marker-Reason') !== ''
}
