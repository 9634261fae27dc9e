/**
 * What the runtime needs from the world, as small interfaces. `memory/` and `nats/` implement them; one conformance
 * suite per port (`testing/`) runs on every implementation, so memory is never kinder than NATS.
 *
 * Positions, revisions: integers >= 1 handed out by the implementation, growing within one journal or store; 0 means
 * "nothing stored yet". Subjects: NATS syntax, tokens separated by dots; patterns may hold `*` (one token) and a final `>`.
 */

import type { Address } from './address.ts'

/** Largest message, journal entry and store value: the 1 MiB of a default NATS server minus room for headers. */
export const PAYLOAD_BYTES = 1_000_000

// ── Bus: messages that may be lost ──────────────────────────────────────────────────────────────────────────────────

export type Headers = Readonly<Record<string, string>>

export interface BusMessage {
  readonly subject: string
  readonly data: Uint8Array
  /** Where an answer goes; absent when the sender wants none. */
  readonly reply?: string
  readonly headers?: Headers
}

/** A reply subject of this connection. All of them share one subscription and cost no timer. */
export interface ReplySubject {
  readonly subject: string
  close(): void
}

export interface Subscription {
  unsubscribe(): void
}

export interface BusSubscription extends Subscription {
  /**
   * Takes nothing new; what was on its way here is still handed over. Resolves when it has been, and at once without a connection.
   */
  drain(): Promise<void>
}

export interface Bus {
  /**
   * At most once; never waits. Throws `Disconnected` when there is no connection (nothing is buffered for later) and
   * `MessageTooLarge` above `PAYLOAD_BYTES`.
   */
  publish(subject: string, data: Uint8Array, options?: { readonly reply?: string; readonly headers?: Headers }): void
  /** `queue`: one member of that group gets each message. A handler that throws is a bug: it reaches `onHandlerError`. */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): BusSubscription
  /**
   * A fresh reply subject; the listener sees every answer to it, and `'no-responders'` when a publish that named it found
   * no subscriber.
   */
  openReply(listener: (answer: BusMessage | 'no-responders') => void): ReplySubject
  /** Resolves when all that was published and subscribed before has reached the server. */
  flush(): Promise<void>
  readonly connected: boolean
  /** Calls back on each loss (`false`) and return (`true`) of the connection. */
  onConnection(listener: (connected: boolean) => void): Subscription
}

// ── Journal: the truth ──────────────────────────────────────────────────────────────────────────────────────────────

export interface JournalEntry {
  readonly subject: string
  readonly position: number
  readonly bytes: Uint8Array
  /** Wall clock of the store, milliseconds. For people; order comes from `position` alone. */
  readonly storedAt: number
}

export type AppendOutcome =
  | { readonly kind: 'stored'; readonly position: number }
  /** The last position of the subject is not the expected one. Says nothing about who wrote it: read `last`. */
  | { readonly kind: 'conflict' }
  /** Timeout or disconnect: it may be stored, now or later. */
  | { readonly kind: 'unknown'; readonly cause: Error }
  /** The store will not take it (too large, full, no such stream). Nothing was stored. */
  | { readonly kind: 'refused'; readonly cause: Error }

export interface Journal {
  /** Random identity of the underlying log; another one means a recreated or restored log, not the one we wrote. */
  readonly streamId: string
  /** Stores `bytes` if the last position of `subject` is `expected` (0: the subject is empty). Never throws. */
  append(subject: string, expected: number, bytes: Uint8Array): Promise<AppendOutcome>
  /** The newest entry of one subject, read from the leader (linearizable with `append`). */
  last(subject: string): Promise<JournalEntry | undefined>
  /** The newest entry of every subject under the pattern, in no promised order. May lag behind `append`. */
  heads(pattern: string): AsyncIterable<JournalEntry>
  /** Entries under the pattern in order, from a position (inclusive) to the end as it is when the read starts. May lag behind `append`. */
  read(pattern: string, options?: { readonly from?: number }): AsyncIterable<JournalEntry>
  /** As `read`, then goes on with new entries until the signal aborts. */
  follow(
    pattern: string,
    options: { readonly from?: number; readonly signal: AbortSignal },
  ): AsyncIterable<JournalEntry>
  /**
   * Removes the entries of one subject below a position. Its newest entry always stays, so that the next `append` is expected to
   * follow what the last one was told.
   */
  purge(subject: string, below: number): Promise<void>
}

// ── Mail: messages that wait for their receiver ─────────────────────────────────────────────────────────────────────

export interface MailEntry {
  readonly subject: string
  /** Grows within a subject; not gap-free. */
  readonly position: number
  readonly bytes: Uint8Array
  readonly headers: Headers
  readonly storedAt: number
}

/** As `AppendOutcome`; there is nothing that could conflict. */
export type MailOutcome = Exclude<AppendOutcome, { readonly kind: 'conflict' }>

/**
 * Durable messages, kept until they are purged. (The design calls this the mailbox; our `Mailbox` is the queue in memory.)
 * Subjects: `m` mail, `t` wake-ups and schedules, `d` dead letters (`address.ts`). Whoever stores on `m` or, fired, on `t`
 * causes a notice on the shard's `w` subject of the bus: `mail-notice.ts` reads it. Notices may be lost, mail may not.
 */
export interface Mail {
  /** Random identity of what holds the mail; positions of another one mean nothing here. */
  readonly streamId: string
  /**
   * Stores `bytes`; twice under one `id` within two minutes is once. Never throws.
   * @returns the position, of the first one when it was stored before
   */
  store(
    subject: string,
    bytes: Uint8Array,
    options: { readonly id: string; readonly headers?: Headers },
  ): Promise<MailOutcome>
  /**
   * Keeps `bytes` on `subject` and stores them on `target` at `at` (wall clock of the store, not before it); a later call on
   * the same subject replaces an earlier one that has not fired.
   */
  schedule(
    subject: string,
    bytes: Uint8Array,
    options: { readonly id: string; readonly at: number; readonly target: string; readonly headers?: Headers },
  ): Promise<MailOutcome>
  /** Entries under the pattern in order, from a position (inclusive) to the end as it is when the reader gets there. May lag behind `store`. */
  read(pattern: string, options?: { readonly from?: number }): AsyncIterable<MailEntry>
  /** The first entry of one subject from a position on, read from the leader: nothing means that nothing is there. */
  next(subject: string, from: number): Promise<MailEntry | undefined>
  /** Newest position of every subject under the pattern, in no promised order. May lag behind `store`. */
  waiting(pattern: string): AsyncIterable<{ readonly subject: string; readonly position: number }>
  /** Removes what a subject holds up to a position, by default all; a schedule that is removed does not fire. */
  purge(subject: string, upTo?: number): Promise<void>
  /** Removes the one entry of a subject at this position; nothing to do when it is not there. Not for schedules. */
  remove(subject: string, position: number): Promise<void>
}

// ── Store: small shared facts (members, shards, the view) ───────────────────────────────────────────────────────────

export interface StoreEntry {
  readonly key: string
  readonly value: Uint8Array
  readonly revision: number
}

export type StoreChange =
  | { readonly kind: 'put'; readonly entry: StoreEntry }
  /** Deleted, or its time to live ran out. */
  | { readonly kind: 'removed'; readonly key: string; readonly revision: number }

/** Keys: dot-separated tokens of `A-Z a-z 0-9 _ - =`. Every write is a compare-and-set; `undefined`/`false` = lost the race. */
export interface Store {
  /** Read from the leader. */
  get(key: string): Promise<StoreEntry | undefined>
  /** Revision, or undefined when the key exists. `ttlMs`: whole seconds, at least 1,000. */
  create(key: string, value: Uint8Array, options?: { readonly ttlMs?: number }): Promise<number | undefined>
  /** New revision, or undefined when `revision` is not the newest. Without `ttlMs` the key no longer expires. */
  update(
    key: string,
    value: Uint8Array,
    revision: number,
    options?: { readonly ttlMs?: number },
  ): Promise<number | undefined>
  delete(key: string, revision: number): Promise<boolean>
  /**
   * The present entries under the pattern first, then every change, in the order of revisions. Resolves once the present
   * ones were delivered. A value that was soon replaced may be skipped, the newest never; after a lost connection the
   * watcher catches up by itself.
   */
  watch(pattern: string, listener: (change: StoreChange) => void): Promise<Subscription>
}

// ── Keys of encrypted actor trees ───────────────────────────────────────────────────────────────────────────────────

/** Each tree has one key in its life. All nodes that may host it share the store; it may be a service of your own. */
export interface KeyStore {
  /** Undefined: none was made. A destroyed one is remembered for ever. */
  find(address: Address): Promise<Uint8Array | 'destroyed' | undefined>
  /** 32 bytes. False when there is one already, or was. */
  create(address: Address, key: Uint8Array): Promise<boolean>
  /** Resolves when nobody can find it any more. */
  destroy(address: Address): Promise<void>
}

// ── Time and chance ─────────────────────────────────────────────────────────────────────────────────────────────────

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  now(): number
  /** Never goes back; milliseconds from an arbitrary start. Leases and deadlines use this one. */
  monotonic(): number
  /** Calls back once, not before `delayMs` has passed. Keeps the process alive only with `keepAlive`: somebody waits for it. */
  after(delayMs: number, run: () => void, options?: { readonly keepAlive?: boolean }): Timer
}

export interface Entropy {
  /** Uniform in [0, 1). */
  random(): number
  uuid(): string
  /** `bits / 4` lower-case hex digits. */
  hex(bits: number): string
}

// ── Backend: where a system lives ───────────────────────────────────────────────────────────────────────────────────

/** Named by what survives: nothing beyond the process; one or three replicas; each with or without an fsync per write. */
export type Durability = 'memory' | 'r1' | 'r1-fsync' | 'r3' | 'r3-fsync'

export interface Connection {
  readonly namespace: string
  /** The tier the backend really has, probed at start; never the one that was wished for. */
  readonly durability: Durability
  readonly bus: Bus
  readonly journal: Journal
  readonly mail: Mail
  readonly store: Store
  /** Where others reach the same world: NATS URLs; empty in memory. They may hold a password: hand them on, never show them. */
  readonly servers: readonly string[]
  /** Path of the credentials file that goes with them. */
  readonly creds?: string
  close(): Promise<void>
}

export interface ConnectOptions {
  /** Shown to operators (connection name). */
  readonly name: string
  /** Drives timeouts and times to live. */
  readonly clock: Clock
  readonly entropy: Entropy
  /** What a handler or watcher threw, with the subject or pattern; by default an uncaught exception. */
  readonly onHandlerError?: (error: unknown, subject: string) => void
}

export interface Backend {
  readonly kind: 'memory' | 'nats' | 'sim'
  connect(options: ConnectOptions): Promise<Connection>
}
