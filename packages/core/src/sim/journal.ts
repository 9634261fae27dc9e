/**
 * The simulated journal: one log per world, one `SimJournal` per connection.
 *
 * 1. The log compares and stores in one event: of two appends with one expectation exactly one is stored.
 * 2. An append may be stored after its sender was told that the outcome is unknown, or stored and never acknowledged.
 * 3. `last` sees every entry that was stored when it arrived; `read` and `heads` may see an older log.
 */
import { Disconnected, LogUnavailable, MessageTooLarge, TroupeError } from '../errors.ts'
import type { Log } from '../memory/journal.ts'
import { subjectMatch } from '../memory/subject-match.ts'
import { type AppendOutcome, type Journal, type JournalEntry, PAYLOAD_BYTES } from '../ports.ts'
import type { SimLink } from './link.ts'

/** How far a stale reader may lag behind. */
const LAG_MS = [0, 3_000] as const

export interface SimJournalOptions {
  readonly link: SimLink
  readonly log: Log
  readonly store: (subject: string, bytes: Uint8Array) => number
  /** Resolves with the next stored entry, a change of the link or the network, or the abort. */
  readonly grown: (link: SimLink, signal: AbortSignal) => Promise<void>
  /** Called when the sender of an append learns that it is stored. */
  readonly onAcknowledged: (subject: string, bytes: Uint8Array) => void
}

const copyOf = (entry: JournalEntry): JournalEntry => ({ ...entry, bytes: new Uint8Array(entry.bytes) })

export class SimJournal implements Journal {
  readonly #o: SimJournalOptions
  readonly #name: string

  constructor(options: SimJournalOptions) {
    this.#o = options
    this.#name = options.link.process.name
  }

  get streamId(): string {
    return this.#o.log.streamId
  }

  async append(subject: string, expected: number, bytes: Uint8Array): Promise<AppendOutcome> {
    if (bytes.length > PAYLOAD_BYTES) {
      const cause = new MessageTooLarge(`entry of ${bytes.length} bytes; ${PAYLOAD_BYTES} are allowed`)
      return { kind: 'refused', cause }
    }
    const copy = new Uint8Array(bytes)
    const label = `${this.#name} appends ${subject} after ${expected}`
    try {
      const store = () => this.#append(subject, expected, copy)
      return await this.#o.link.call('journal', label, store, ({ kind }) => {
        if (kind === 'stored') this.#o.onAcknowledged(subject, copy)
      })
    } catch (error) {
      if (error instanceof TroupeError) return { kind: 'unknown', cause: error }
      throw error
    }
  }

  #append(subject: string, expected: number, bytes: Uint8Array): AppendOutcome {
    const { log } = this.#o
    if (!log.takes(subject)) {
      return { kind: 'refused', cause: new LogUnavailable(`no log takes the subject '${subject}'`) }
    }
    if (log.lastPosition(subject) !== expected) return { kind: 'conflict' }
    return { kind: 'stored', position: this.#o.store(subject, bytes) }
  }

  last(subject: string): Promise<JournalEntry | undefined> {
    const { link, log } = this.#o
    return link.call('journal', `${this.#name} reads the last of ${subject}`, () => {
      const entry = log.at(log.lastPosition(subject))
      return entry && copyOf(entry)
    })
  }

  async *heads(pattern: string): AsyncIterable<JournalEntry> {
    const { link, log } = this.#o
    const { scheduler } = link.process
    const match = subjectMatch(pattern)
    yield* await link.call('journal', `${this.#name} reads the heads of ${pattern}`, () => {
      if (!scheduler.chance(scheduler.faults.stale)) return log.heads(match)
      const asOf = scheduler.time.wallMs - scheduler.between(LAG_MS)
      const heads = new Map<string, JournalEntry>()
      for (let at = 1; at <= log.size; at++) {
        const entry = log.at(at)
        if (entry !== undefined && entry.storedAt <= asOf && match(entry.subject)) {
          heads.set(entry.subject, copyOf(entry))
        }
      }
      return [...heads.values()]
    })
  }

  async *read(pattern: string, options?: { readonly from?: number }): AsyncIterable<JournalEntry> {
    const { link, log } = this.#o
    const match = subjectMatch(pattern)
    const label = `${this.#name} reads ${pattern}`
    const end = await link.call('journal', label, () => this.#sizeSeen())
    for (let from = options?.from ?? 1; from <= end; ) {
      const start = from
      const chunk = await link.call('journal', label, () => log.chunk(pattern, match, start, end))
      yield* chunk.entries
      from = chunk.next
    }
  }

  purge(subject: string, below: number): Promise<void> {
    const { link, log } = this.#o
    return link.call('journal', `${this.#name} purges ${subject} below ${below}`, () => log.purge(subject, below))
  }

  /** Of the whole log, or of a replica that lags behind. */
  #sizeSeen(): number {
    const { link, log } = this.#o
    const { scheduler } = link.process
    if (!scheduler.chance(scheduler.faults.stale)) return log.size
    const asOf = scheduler.time.wallMs - scheduler.between(LAG_MS)
    let size = log.size
    while (size > 0 && (log.at(size)?.storedAt ?? 0) > asOf) size -= 1
    return size
  }

  async *follow(
    pattern: string,
    options: { readonly from?: number; readonly signal: AbortSignal },
  ): AsyncIterable<JournalEntry> {
    const { link, log, grown } = this.#o
    const { signal } = options
    const match = subjectMatch(pattern)
    let from = options.from ?? 1
    while (!signal.aborted) {
      if (link.closed) throw new Disconnected('the connection was closed while a log was being followed')
      if (!link.hears('journal') || from > log.size) {
        await grown(link, signal)
        continue
      }
      const { process } = link
      await new Promise<void>((resolve) => process.clock.after(process.scheduler.latencyMs(), resolve))
      const chunk = log.chunk(pattern, match, from, log.size)
      for (const entry of chunk.entries) {
        if (signal.aborted) return
        yield entry
      }
      from = chunk.next
    }
  }
}
