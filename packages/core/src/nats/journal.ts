/**
 * The journal over one JetStream stream.
 *
 * 1. An append is one message with its expectation in the headers; the server compares and stores in one step.
 * 2. `last` asks the leader. `heads`, `read` and `follow` read in order and without gaps (`ordered.ts`); `read` first asks the
 *    leader where the end is, so a lagging replica can delay but never shorten it.
 * 3. A purge is by subject and below a position that is no later than the newest entry, as the leader knows it: a subject that were
 *    emptied would expect 0 again.
 * 4. After a reconnect, and before an expectation of "nothing yet", the stream's identity is settled first.
 */
import type { StoredMsg } from '@nats-io/jetstream'
import { LogDamaged, LogUnavailable, TroupeError } from '../errors.ts'
import type { AppendOutcome, Journal, JournalEntry } from '../ports.ts'
import { type Api, request } from './api.ts'
import { type OrderedItem, type OrderedOptions, ordered } from './ordered.ts'
import type { StoredPublish } from './stored-publish.ts'
import type { StreamIdentity } from './stream-identity.ts'

/** How old the proof of the stream's identity may be before the first entry of a subject. */
const IDENTITY_AGE_MS = 1_000
/** A finite read that gets nothing for so long gives up. */
const READ_PATIENCE_MS = 10_000

/** The way to the stream: alone (`stored-publish.ts`), or with what else is ready (`append-batch.ts`). */
export interface Appends {
  publish(message: StoredPublish): Promise<AppendOutcome>
}

export class NatsJournal implements Journal {
  readonly #api: Api
  readonly #appends: Appends
  readonly #identity: StreamIdentity
  /** What all subjects of the stream begin with. */
  readonly #prefix: string

  constructor(api: Api, appends: Appends, identity: StreamIdentity, prefix: string) {
    this.#api = api
    this.#appends = appends
    this.#identity = identity
    this.#prefix = prefix
  }

  get streamId(): string {
    return this.#identity.id
  }

  async append(subject: string, expected: number, bytes: Uint8Array): Promise<AppendOutcome> {
    if (!subject.startsWith(this.#prefix)) {
      return { kind: 'refused', cause: new LogUnavailable(`no log takes the subject '${subject}'`) }
    }
    const doubt = this.#identity.settle(expected === 0 ? IDENTITY_AGE_MS : undefined)
    if (doubt) {
      const cause = await failureOf(doubt)
      if (cause) return { kind: cause instanceof LogDamaged ? 'refused' : 'unknown', cause }
    }
    const stream = this.#identity.stream
    const outcome = await this.#appends.publish({ stream, subject, expected, bytes })
    if (outcome.kind !== 'unknown' || !isNoResponders(outcome.cause)) return outcome
    // Nobody took it: an election, or the stream is gone for good.
    const gone = await failureOf(this.#identity.ask())
    return gone instanceof LogDamaged ? { kind: 'refused', cause: gone } : outcome
  }

  async last(subject: string): Promise<JournalEntry | undefined> {
    await this.#identity.settle()
    return this.#last(subject)
  }

  async *heads(pattern: string): AsyncIterable<JournalEntry> {
    await this.#identity.settle()
    let seen = 0
    for await (const item of this.#finite(pattern, 'last-of-each')) {
      if (item.kind === 'begin' && item.waiting === 0) return
      if (item.kind === 'begin') continue
      // After a gap the list starts over.
      if (item.position > seen) yield entryOf(item)
      seen = Math.max(seen, item.position)
      if (item.pending === 0) return
    }
  }

  async *read(pattern: string, options?: { readonly from?: number }): AsyncIterable<JournalEntry> {
    const from = options?.from ?? 1
    await this.#identity.settle()
    const end = (await this.#last(pattern))?.position ?? 0
    if (end < from) return
    for await (const item of this.#finite(pattern, from)) {
      if (item.kind === 'begin') continue
      // An operator may have purged the last one meanwhile.
      if (item.position > end) return
      yield entryOf(item)
      if (item.position === end) return
    }
  }

  async *follow(
    pattern: string,
    options: { readonly from?: number; readonly signal: AbortSignal },
  ): AsyncIterable<JournalEntry> {
    const items = ordered(this.#api, { ...this.#reading(pattern), from: options.from ?? 1, signal: options.signal })
    for await (const item of items) if (item.kind === 'message') yield entryOf(item)
  }

  async purge(subject: string, below: number): Promise<void> {
    await this.#identity.settle()
    const newest = (await this.#last(subject))?.position ?? 0
    const seq = Math.min(below, newest)
    if (seq <= 1) return
    await request(this.#api, `purge '${subject}' below ${seq}`, () =>
      this.#api.jsm.streams.purge(this.#identity.stream, { filter: subject, seq }),
    )
  }

  async #last(subject: string): Promise<JournalEntry | undefined> {
    const message = await request(this.#api, `read the last entry of '${subject}'`, () =>
      this.#api.jsm.streams.getMessage(this.#identity.stream, { last_by_subj: subject }),
    )
    return message ? storedEntry(message) : undefined
  }

  async *#finite(pattern: string, from: OrderedOptions['from']): AsyncGenerator<OrderedItem, void, void> {
    const stalled = new AbortController()
    let progress = true
    const watch = (): void => {
      if (!progress) stalled.abort()
      progress = false
      timer = this.#api.clock.after(READ_PATIENCE_MS, watch)
    }
    let timer = this.#api.clock.after(READ_PATIENCE_MS, watch)
    try {
      const options = { ...this.#reading(pattern), from, signal: stalled.signal, patienceMs: READ_PATIENCE_MS }
      for await (const item of ordered(this.#api, options)) {
        yield item
        progress = true
      }
    } finally {
      timer.cancel()
    }
    throw new LogUnavailable(`reading '${pattern}' got nothing for ${READ_PATIENCE_MS} ms`)
  }

  #reading(pattern: string): Pick<OrderedOptions, 'stream' | 'filter' | 'verify'> {
    return { stream: this.#identity.stream, filter: pattern, verify: () => this.#identity.ask() }
  }
}

const isNoResponders = (cause: Error): boolean => cause instanceof TroupeError && cause.details['noResponders'] === true

const failureOf = (work: Promise<void>): Promise<Error | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  )

// Copied: the client's bytes are a view of a whole network buffer, which a kept entry would hold.
const entryOf = ({ msg, position, storedAt }: Extract<OrderedItem, { kind: 'message' }>): JournalEntry => ({
  subject: msg.subject,
  position,
  bytes: new Uint8Array(msg.data),
  storedAt,
})

const storedEntry = ({ subject, seq, data, time }: StoredMsg): JournalEntry => ({
  subject,
  position: seq,
  bytes: new Uint8Array(data),
  storedAt: time.getTime(),
})
