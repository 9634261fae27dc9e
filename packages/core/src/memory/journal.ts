/**
 * The memory journal: one `Log` per world, one `MemoryJournal` per connection.
 *
 * 1. Positions are the entries' places in one list, starting at 1; a purge leaves holes in it.
 * 2. `append` compares and stores in one hop: of two appends with one expectation exactly one is stored.
 * 3. Bytes are copied on the way in and on the way out.
 */
import { setImmediate } from 'node:timers'
import { Disconnected, LogUnavailable, MessageTooLarge, TroupeError } from '../errors.ts'
import { type AppendOutcome, type Clock, type Journal, type JournalEntry, PAYLOAD_BYTES } from '../ports.ts'
import type { Link } from './link.ts'
import { isLiteral, type Match, subjectMatch } from './subject-match.ts'

/** Entries handed over per hop while reading. */
const CHUNK = 256

const copyOf = (entry: JournalEntry): JournalEntry => ({ ...entry, bytes: new Uint8Array(entry.bytes) })

interface Chunk {
  readonly entries: readonly JournalEntry[]
  /** Where the next chunk begins. */
  readonly next: number
}

export class Log {
  readonly streamId: string
  /** Subjects the log takes, a pattern. */
  readonly #takes: Match
  readonly #entries: (JournalEntry | undefined)[] = []
  readonly #bySubject = new Map<string, number[]>()
  #waiting: (() => void)[] = []

  constructor(streamId: string, pattern: string) {
    this.streamId = streamId
    this.#takes = subjectMatch(pattern)
  }

  get size(): number {
    return this.#entries.length
  }

  takes(subject: string): boolean {
    return this.#takes(subject)
  }

  lastPosition(subject: string): number {
    return this.#bySubject.get(subject)?.at(-1) ?? 0
  }

  at(position: number): JournalEntry | undefined {
    return this.#entries[position - 1]
  }

  store(subject: string, bytes: Uint8Array, storedAt: number): number {
    const position = this.#entries.push({ subject, position: this.size + 1, bytes, storedAt })
    const positions = this.#bySubject.get(subject)
    if (positions) positions.push(position)
    else this.#bySubject.set(subject, [position])
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
    return position
  }

  purge(subject: string, below: number): void {
    const positions = this.#bySubject.get(subject) ?? []
    const goes = positions.findIndex((position, i) => position >= below || i === positions.length - 1)
    for (const position of positions.splice(0, Math.max(0, goes))) this.#entries[position - 1] = undefined
  }

  heads(match: Match): JournalEntry[] {
    const heads: JournalEntry[] = []
    for (const [subject, positions] of this.#bySubject) {
      const entry = this.at(positions.at(-1) ?? 0)
      if (entry && match(subject)) heads.push(copyOf(entry))
    }
    return heads
  }

  chunk(pattern: string, match: Match, from: number, end: number): Chunk {
    const entries: JournalEntry[] = []
    // One subject has its own list; everything else looks at each entry.
    const positions = isLiteral(pattern) ? (this.#bySubject.get(pattern) ?? []).filter((at) => at >= from) : undefined
    for (let at = from, i = 0; ; i++, at++) {
      const position = positions ? positions[i] : at
      if (position === undefined || position > end) return { entries, next: Math.max(from, end + 1) }
      const entry = this.at(position)
      if (entry === undefined) continue
      if (match(entry.subject)) entries.push(copyOf(entry))
      if (entries.length === CHUNK) return { entries, next: entry.position + 1 }
    }
  }

  /** Resolves with the next stored entry, a change of the link, or the abort. */
  grown(link: Link, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        changed.unsubscribe()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const changed = link.onChange(done)
      signal.addEventListener('abort', done)
      this.#waiting.push(done)
    })
  }
}

export class MemoryJournal implements Journal {
  readonly #link: Link
  readonly #log: Log
  readonly #clock: Clock

  constructor(link: Link, log: Log, clock: Clock) {
    this.#link = link
    this.#log = log
    this.#clock = clock
  }

  get streamId(): string {
    return this.#log.streamId
  }

  async append(subject: string, expected: number, bytes: Uint8Array): Promise<AppendOutcome> {
    if (bytes.length > PAYLOAD_BYTES) {
      const cause = new MessageTooLarge(`entry of ${bytes.length} bytes; ${PAYLOAD_BYTES} are allowed`)
      return { kind: 'refused', cause }
    }
    const copy = new Uint8Array(bytes)
    try {
      return await this.#link.call(() => this.#append(subject, expected, copy))
    } catch (error) {
      if (error instanceof TroupeError) return { kind: 'unknown', cause: error }
      throw error
    }
  }

  #append(subject: string, expected: number, bytes: Uint8Array): AppendOutcome {
    if (!this.#log.takes(subject)) {
      return { kind: 'refused', cause: new LogUnavailable(`no log takes the subject '${subject}'`) }
    }
    if (this.#log.lastPosition(subject) !== expected) return { kind: 'conflict' }
    return { kind: 'stored', position: this.#log.store(subject, bytes, this.#clock.now()) }
  }

  last(subject: string): Promise<JournalEntry | undefined> {
    return this.#link.call(() => {
      const entry = this.#log.at(this.#log.lastPosition(subject))
      return entry && copyOf(entry)
    })
  }

  async *heads(pattern: string): AsyncIterable<JournalEntry> {
    const match = subjectMatch(pattern)
    yield* await this.#link.call(() => this.#log.heads(match))
  }

  async *read(pattern: string, options?: { readonly from?: number }): AsyncIterable<JournalEntry> {
    const match = subjectMatch(pattern)
    const end = await this.#link.call(() => this.#log.size)
    for (let from = options?.from ?? 1; from <= end; ) {
      const start = from
      const chunk = await this.#link.call(() => this.#log.chunk(pattern, match, start, end))
      yield* chunk.entries
      from = chunk.next
    }
  }

  purge(subject: string, below: number): Promise<void> {
    return this.#link.call(() => this.#log.purge(subject, below))
  }

  async *follow(
    pattern: string,
    options: { readonly from?: number; readonly signal: AbortSignal },
  ): AsyncIterable<JournalEntry> {
    const { signal } = options
    const match = subjectMatch(pattern)
    let from = options.from ?? 1
    while (!signal.aborted) {
      if (this.#link.closed) throw new Disconnected('the connection was closed while a log was being followed')
      if (!this.#link.connected || from > this.#log.size) {
        await this.#log.grown(this.#link, signal)
        continue
      }
      const chunk = this.#log.chunk(pattern, match, from, this.#log.size)
      await new Promise((resolve) => setImmediate(resolve))
      for (const entry of chunk.entries) {
        if (signal.aborted) return
        yield entry
      }
      from = chunk.next
    }
  }
}
