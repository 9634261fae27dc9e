/**
 * A disposable index of the causal log in one SQLite file: `openEventIndex(file)`, then `update`, then questions.
 *
 * The journal is the truth. The index can be thrown away at any time and is thrown away when it does not fit.
 *
 * 1. Rows and cursor change in one transaction, and only from the cursor that the writer started at: two processes on one file
 *    never leave a gap.
 * 2. A cursor {streamId, position, hash} that the journal does not confirm, or another schema, means: built again from nothing.
 * 3. A journal whose first entry is gone, or the first steps of one of its actors (retention), is answered with `complete: false`. So
 *    is one with sealed records: they are not indexed, for an index would outlive an erased key.
 * 4. Entries that cannot be read are skipped and counted (`unreadable`), so one damaged record does not hide the others.
 */
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Journal, JournalEntry, Subjects } from '@troupe/core'
import { decodeRecord, hashOfBytes } from '@troupe/core/replay'
import { eventsOf, type LoggedEvent, type WriterNodes } from './logged-event.ts'
import {
  type ActorSummary,
  actorIn,
  actorsQuery,
  type EventFilter,
  eventIn,
  eventsQuery,
  type Row,
  type TraceSummary,
  traceIn,
  tracesMatching,
  tracesQuery,
} from './query.ts'
import { type TraceBounds, type TraceTree, traceTree } from './trace-tree.ts'

export interface IndexState {
  readonly streamId: string
  /** Journal position up to which the index answers. */
  readonly position: number
  /** When the store took the newest entry, milliseconds since 1970; 0 when there is none. */
  readonly storedAt: number
  readonly complete: boolean
  readonly unreadable: number
}

interface Cursor extends IndexState {
  readonly hash: string
}

const ENTRIES_PER_TRANSACTION = 500
const BUSY_MS = 5_000
const SCHEMA = `
  CREATE TABLE cursor (one INTEGER PRIMARY KEY CHECK (one = 1), streamId TEXT, position INTEGER, storedAt INTEGER,
    complete INTEGER, unreadable INTEGER, hash TEXT) STRICT;
  CREATE TABLE writers (writer TEXT PRIMARY KEY, node TEXT) STRICT, WITHOUT ROWID;
  CREATE TABLE events ("order" INTEGER PRIMARY KEY, id TEXT, actor TEXT, type TEXT, epoch INTEGER, seq INTEGER, kind TEXT,
    event TEXT, at INTEGER, correlation TEXT, causation TEXT, sender TEXT, key TEXT, node TEXT, outcome TEXT, error TEXT, ended TEXT,
    effectId TEXT, effectName TEXT, effectClass TEXT, began TEXT, stopped TEXT, evidence TEXT) STRICT;
  CREATE INDEX events_correlation ON events (correlation);
  CREATE INDEX events_actor ON events (actor, seq);
  CREATE INDEX events_type ON events (type, event);
  CREATE INDEX events_at ON events (at);
  CREATE INDEX events_id ON events (id);`
/** Of the text itself, so that a change of the schema cannot be forgotten. */
const SCHEMA_VERSION = createHash('sha256').update(SCHEMA).digest().readUInt32BE(0) >>> 1
const TABLES = ['events', 'writers', 'cursor']

/** @param file created when it is not there; `':memory:'` for one that nobody shares */
export function openEventIndex(file: string): EventIndex {
  try {
    return new EventIndex(file)
  } catch (error) {
    if (file === ':memory:') throw error
    for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true })
    return new EventIndex(file)
  }
}

export class EventIndex {
  /** For readers that follow the journal beyond the index. */
  readonly writers: WriterNodes = {
    get: (writer) => {
      const node = this.#run('SELECT node FROM writers WHERE writer = ?', writer)[0]?.['node']
      return typeof node === 'string' ? node : undefined
    },
    set: (writer, node) => void this.#run('INSERT OR REPLACE INTO writers VALUES (?, ?)', writer, node),
  }
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(file: string) {
    this.#db = new DatabaseSync(file, { timeout: BUSY_MS })
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    if (this.#run('PRAGMA user_version')[0]?.['user_version'] !== SCHEMA_VERSION) this.#rebuild()
  }

  // ── Building ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes in what the journal has grown by. */
  async update(journal: Journal, subjects: Subjects): Promise<IndexState> {
    for (;;) {
      const cursor = await this.#confirmed(journal, subjects)
      if (await this.#extend(journal, subjects, cursor)) return this.state()
    }
  }

  /** The cursor, once the journal has confirmed it; a fresh one otherwise. */
  async #confirmed(journal: Journal, subjects: Subjects): Promise<Cursor> {
    const cursor = this.#cursor()
    if (cursor.position === 0) return { ...cursor, streamId: journal.streamId }
    if (cursor.streamId === journal.streamId) {
      for await (const entry of journal.read(subjects.journals(), { from: cursor.position })) {
        if (entry.position === cursor.position && hashOfBytes(entry.bytes) === cursor.hash) return cursor
        break
      }
    }
    this.#rebuild()
    return { ...this.#cursor(), streamId: journal.streamId }
  }

  /** False when another process moved the cursor meanwhile. */
  async #extend(journal: Journal, subjects: Subjects, from: Cursor): Promise<boolean> {
    let cursor = from
    let batch: JournalEntry[] = []
    const flush = (): boolean => {
      const next = this.#commit(cursor, batch)
      if (next !== undefined) cursor = next
      batch = []
      return next !== undefined
    }
    for await (const entry of journal.read(subjects.journals(), { from: from.position + 1 })) {
      batch.push(entry)
      if (batch.length === ENTRIES_PER_TRANSACTION && !flush()) return false
    }
    return flush()
  }

  #commit(from: Cursor, entries: readonly JournalEntry[]): Cursor | undefined {
    const last = entries.at(-1)
    return this.#transaction(() => {
      if (this.#cursor().position !== from.position) return undefined
      let unreadable = 0
      let complete = from.position === 0 ? (entries[0]?.position ?? 1) === 1 : from.complete
      for (const entry of entries) {
        const events = this.#read(entry)
        if (events === undefined) unreadable += 1
        else complete = this.#take(events) && !isSealed(entry, events) && complete
      }
      const next = {
        streamId: from.streamId,
        position: last?.position ?? from.position,
        storedAt: last?.storedAt ?? from.storedAt,
        complete,
        unreadable: from.unreadable + unreadable,
        hash: last === undefined ? from.hash : hashOfBytes(last.bytes),
      }
      const { streamId, position, storedAt, hash } = next
      const values = [streamId, position, Math.round(storedAt), complete ? 1 : 0, next.unreadable, hash]
      this.#run('INSERT OR REPLACE INTO cursor VALUES (1, ?, ?, ?, ?, ?, ?)', ...values)
      return next
    })
  }

  #read(entry: JournalEntry): readonly LoggedEvent[] | undefined {
    try {
      return eventsOf(entry, this.writers)
    } catch {
      return undefined // counted by the caller; `replay` says what is wrong with it
    }
  }

  /** False when the steps of their actor before them are not in the log. */
  #take(events: readonly LoggedEvent[]): boolean {
    const [first] = events
    const begins = first === undefined || first.seq === 1 || this.#knows(first.actor)
    const insert = `INSERT OR REPLACE INTO events VALUES (${Array(23).fill('?').join(', ')})`
    for (const event of events) this.#run(insert, ...valuesOf(event))
    return begins
  }

  #knows(actor: string): boolean {
    return this.#run('SELECT 1 FROM events WHERE actor = ? LIMIT 1', actor).length > 0
  }

  #rebuild(): void {
    this.#transaction(() => {
      for (const table of TABLES) this.#db.exec(`DROP TABLE IF EXISTS ${table}`)
      this.#db.exec(`${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}`)
    })
    this.#statements.clear()
  }

  // ── Questions ─────────────────────────────────────────────────────────────────────────────────────────────────────

  state(): IndexState {
    const { hash: _, ...state } = this.#cursor()
    return state
  }

  /** In the order of commits. */
  events(filter: EventFilter = {}): LoggedEvent[] {
    const { sql, values } = eventsQuery(filter)
    const found = this.#run(sql, ...values).map(eventIn)
    return filter.last === undefined ? found : found.reverse()
  }

  /** All events with their evidence, in the order of commits and one at a time: together they may be larger than memory. */
  *withEvidence(): Generator<LoggedEvent> {
    const { sql, values } = eventsQuery({ evidence: true })
    // Of its own: a statement that is run again meanwhile would begin anew.
    for (const row of this.#db.prepare(sql).iterate(...values)) yield eventIn(row)
  }

  /** The newest first. */
  traces(limit = 100): TraceSummary[] {
    return this.#run(tracesQuery, limit).map(traceIn)
  }

  /** Correlations that a text means: one in full, the beginning of some, or of the id of a step or its actor. */
  tracesOf(text: string, limit = 20): string[] {
    const exact = this.#run('SELECT 1 FROM events WHERE correlation = ? LIMIT 1', text)
    if (exact.length > 0) return [text]
    const { sql, values } = tracesMatching(text, limit)
    return this.#run(sql, ...values).map((row) => String(row['correlation']))
  }

  actors(type?: string): ActorSummary[] {
    const { sql, values } = actorsQuery(type)
    return this.#run(sql, ...values).map(actorIn)
  }

  /** Undefined when nothing has that correlation. */
  getTraceTree(correlation: string, bounds?: TraceBounds): TraceTree | undefined {
    const events = this.events({ correlation, evidence: true })
    return events.length === 0 ? undefined : traceTree(correlation, events, bounds)
  }

  close(): void {
    this.#db.close()
  }

  #cursor(): Cursor {
    const row = this.#run('SELECT * FROM cursor')[0]
    return {
      streamId: String(row?.['streamId'] ?? ''),
      position: Number(row?.['position'] ?? 0),
      storedAt: Number(row?.['storedAt'] ?? 0),
      complete: row === undefined || row['complete'] === 1,
      unreadable: Number(row?.['unreadable'] ?? 0),
      hash: String(row?.['hash'] ?? ''),
    }
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
  }

  #run(sql: string, ...values: readonly (string | number | null)[]): Row[] {
    const known = this.#statements.get(sql)
    const statement = known ?? this.#db.prepare(sql)
    if (known === undefined) this.#statements.set(sql, statement)
    return statement.all(...values)
  }
}

function isSealed(entry: JournalEntry, events: readonly LoggedEvent[]): boolean {
  return events.length === 0 && decodeRecord(entry.bytes).sealed !== undefined
}

function valuesOf(event: LoggedEvent): (string | number | null)[] {
  const { order, id, actor, type, epoch, seq, kind, at, correlation, causation, outcome, effect } = event
  const json = (value: unknown) => (value === undefined ? null : JSON.stringify(value))
  const rest = [event.sender, event.key, event.node].map((value) => value ?? null)
  const end = [event.error, event.ended, effect?.id, effect?.name, effect?.class].map((value) => value ?? null)
  const data = [json(event.began), json(event.stopped), json(event.evidence)]
  const facts = [order, id, actor, type, epoch, seq, kind, event.event, Math.round(at), correlation, causation]
  return [...facts, ...rest, outcome, ...end, ...data]
}
