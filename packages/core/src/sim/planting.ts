/** How bugs are planted: between a process and its ports, or in place of a public method for the length of one run. */
import type { Bus, Connection, Journal, JournalEntry, Mail, Store } from '../ports.ts'
import { decodeRecord, encodeRecord, type JournalRecord } from '../step.ts'
import { packWire, unpackWire } from '../wire.ts'
import type { SomeFaults } from './faults.ts'
import type { SimProcess } from './process.ts'

/** One run with a bug in it. */
export interface Planted {
  readonly wrap?: (connection: Connection, process: SimProcess) => Connection
  readonly undo?: () => void
  /** What brings it to light, when that is rare. */
  readonly faults?: SomeFaults
  readonly nodes?: number
  /** The invariant that must notice; by default any. */
  readonly by?: number
}

/** By what is wrong; each call begins a run. */
export interface Plants {
  readonly [bug: string]: () => Planted
}

/** The same port with some of it changed; a class instance cannot be spread. */
export function withJournal(connection: Connection, change: (journal: Journal) => Partial<Journal>): Connection {
  const { journal } = connection
  const same: Journal = {
    streamId: journal.streamId,
    append: (subject, expected, bytes) => journal.append(subject, expected, bytes),
    last: (subject) => journal.last(subject),
    heads: (pattern) => journal.heads(pattern),
    read: (pattern, options) => journal.read(pattern, options),
    follow: (pattern, options) => journal.follow(pattern, options),
    purge: (subject, below) => journal.purge(subject, below),
  }
  return { ...connection, journal: { ...same, ...change(journal) } }
}

/** The newest entry; an append never throws, so neither does what stands in for one. */
export async function lastOf(journal: Journal, subject: string): Promise<JournalEntry | undefined> {
  try {
    return await journal.last(subject)
  } catch {
    return undefined
  }
}

export function withStore(connection: Connection, change: (store: Store) => Partial<Store>): Connection {
  const { store } = connection
  const same: Store = {
    get: (key) => store.get(key),
    create: (key, value, options) => store.create(key, value, options),
    update: (key, value, revision, options) => store.update(key, value, revision, options),
    delete: (key, revision) => store.delete(key, revision),
    watch: (pattern, listener) => store.watch(pattern, listener),
  }
  return { ...connection, store: { ...same, ...change(store) } }
}

export function withMail(connection: Connection, change: (mail: Mail) => Partial<Mail>): Connection {
  const { mail } = connection
  const same: Mail = {
    streamId: mail.streamId,
    store: (subject, bytes, options) => mail.store(subject, bytes, options),
    schedule: (subject, bytes, options) => mail.schedule(subject, bytes, options),
    read: (pattern, options) => mail.read(pattern, options),
    next: (subject, from) => mail.next(subject, from),
    waiting: (pattern) => mail.waiting(pattern),
    purge: (subject, upTo) => mail.purge(subject, upTo),
    remove: (subject, position) => mail.remove(subject, position),
  }
  return { ...connection, mail: { ...same, ...change(mail) } }
}

export function withPublish(
  connection: Connection,
  publish: (bus: Bus, ...message: Parameters<Bus['publish']>) => void,
): Connection {
  const { bus } = connection
  const same: Bus = {
    publish: (...message) => publish(bus, ...message),
    subscribe: (subject, handler, options) => bus.subscribe(subject, handler, options),
    openReply: (listener) => bus.openReply(listener),
    flush: () => bus.flush(),
    get connected() {
      return bus.connected
    },
    onConnection: (listener) => bus.onConnection(listener),
  }
  return { ...connection, bus: same }
}

/** The body of a command on its way, changed. */
export function rewritten(
  data: Uint8Array,
  change: (command: { client: string; n: number; settled: number }) => object,
): Uint8Array {
  if (data.length === 0) return data // a doubt, no command
  const body = unpackWire(data)
  if (typeof body !== 'object' || body === null || !('command' in body)) return data
  const { client, n, settled } = Object(body.command)
  return packWire({ ...body, ...change({ client: String(client), n: Number(n), settled: Number(settled) }) })
}

/**
 * A journal that shows its node other records than it holds, in a way the chain of hashes does not tell: what a bug inside the
 * runtime would do to the records, without touching the runtime.
 */
export function withRecords(
  connection: Connection,
  change: {
    readonly stored?: (record: JournalRecord) => JournalRecord
    readonly shown?: (record: JournalRecord) => JournalRecord
    /** Acknowledged and never stored. */
    readonly skipped?: (record: JournalRecord) => boolean
  },
  hashOf: (bytes: Uint8Array) => string,
): Connection {
  /** From the hash the node knows to the hash in the log. */
  const real = new Map<string, string>()
  const sent = new Map<string, Uint8Array>()
  const { stored = same, shown = same, skipped = () => false } = change
  const toLog = (bytes: Uint8Array): Uint8Array => {
    const record = decodeRecord(bytes)
    const inLog = encodeRecord(stored({ ...record, prev: real.get(record.prev) ?? record.prev }))
    real.set(hashOf(bytes), hashOf(inLog))
    sent.set(hashOf(inLog), bytes)
    return inLog
  }
  const toNode = (bytes: Uint8Array): Uint8Array => {
    const known = sent.get(hashOf(bytes))
    if (known !== undefined) return known
    const seen = encodeRecord(shown(decodeRecord(bytes)))
    real.set(hashOf(seen), hashOf(bytes))
    return seen
  }
  return withJournal(connection, (journal) => ({
    append: async (subject, expected, bytes) => {
      const record = decodeRecord(bytes)
      if (!skipped(record)) return journal.append(subject, expected, toLog(bytes))
      real.set(hashOf(bytes), real.get(record.prev) ?? record.prev)
      return { kind: 'stored', position: expected }
    },
    last: async (subject) => {
      const entry = await journal.last(subject)
      return entry && { ...entry, bytes: toNode(entry.bytes) }
    },
  }))
}

const same = (record: JournalRecord): JournalRecord => record

/** Puts `make(real)` in the place of a method until the result is called. */
export function replace<T extends object, K extends keyof T>(
  target: T,
  name: K,
  make: (real: T[K]) => T[K],
): () => void {
  const real = target[name]
  target[name] = make(real)
  return () => {
    target[name] = real
  }
}
