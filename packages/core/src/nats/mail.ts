/**
 * Mail over two JetStream streams: one for mail, wake-ups and schedules, one for dead letters.
 *
 * 1. One message is one publish; its id makes a second one within the stream's window a repetition.
 * 2. No consumer, no acknowledgement: a reader asks for what follows a position, message by message, then in batches.
 * 3. The server runs the schedules. Removing or replacing a schedule's own message ends it.
 */
import type { StoredMsg } from '@nats-io/jetstream'
import { LogUnavailable } from '../errors.ts'
import type { Headers, Mail, MailEntry, MailOutcome } from '../ports.ts'
import { type Api, request } from './api.ts'
import { ordered } from './ordered.ts'
import type { StoredPublisher } from './stored-publish.ts'
import type { StreamIdentity } from './stream-identity.ts'

const BATCH = 64
/** A listing that cannot be started or goes on for so long is given up. */
const LIST_PATIENCE_MS = 10_000
/** The server's headers on a stored message; the rest is the sender's. */
const OWN = /^nats-/i

interface Kept {
  readonly headers?: Headers
  readonly id: string
}

export class NatsMail implements Mail {
  readonly #api: Api
  readonly #publisher: StoredPublisher
  readonly #mail: StreamIdentity
  readonly #dead: StreamIdentity

  constructor(api: Api, publisher: StoredPublisher, mail: StreamIdentity, dead: StreamIdentity) {
    this.#api = api
    this.#publisher = publisher
    this.#mail = mail
    this.#dead = dead
  }

  get streamId(): string {
    return this.#mail.id
  }

  store(subject: string, bytes: Uint8Array, { id, headers }: Kept): Promise<MailOutcome> {
    return this.#publish(subject, bytes, { ...headers, 'Nats-Msg-Id': id })
  }

  schedule(
    subject: string,
    bytes: Uint8Array,
    { id, at, target, headers }: Kept & { readonly at: number; readonly target: string },
  ): Promise<MailOutcome> {
    return this.#publish(subject, bytes, {
      ...headers,
      'Nats-Msg-Id': id,
      'Nats-Schedule': `@at ${new Date(at).toISOString()}`,
      'Nats-Schedule-Target': target,
    })
  }

  async #publish(subject: string, bytes: Uint8Array, headers: Headers): Promise<MailOutcome> {
    const { stream } = this.#of(subject)
    const outcome = await this.#publisher.publish({ stream, subject, bytes, headers })
    if (outcome.kind !== 'conflict') return outcome
    return { kind: 'unknown', cause: new LogUnavailable(`the stream '${stream}' saw a conflict that nobody asked for`) }
  }

  async *read(pattern: string, options?: { readonly from?: number }): AsyncIterable<MailEntry> {
    const identity = this.#of(pattern)
    await identity.settle()
    const { stream } = identity
    // Mostly there is one message: a batch costs five times as much.
    const what = `read mail on '${pattern}'`
    const query = { seq: options?.from ?? 1, next_by_subj: pattern }
    const first = await request(this.#api, what, () => this.#api.jsm.direct.getMessage(stream, query))
    if (first === null) return
    yield entryOf(first)
    for (let from = first.seq + 1; ; ) {
      const batch = await request(this.#api, what, () => this.#batch(stream, pattern, from))
      yield* batch
      const last = batch.at(-1)
      if (last === undefined || batch.length < BATCH) return
      from = last.position + 1
    }
  }

  async #batch(stream: string, pattern: string, from: number): Promise<MailEntry[]> {
    const found: MailEntry[] = []
    try {
      const query = { seq: from, next_by_subj: pattern, batch: BATCH, max_bytes: 4 * 1024 * 1024 }
      for await (const message of await this.#api.jsm.direct.getBatch(stream, query)) found.push(entryOf(message))
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
    return found
  }

  async next(subject: string, from: number): Promise<MailEntry | undefined> {
    const identity = this.#of(subject)
    await identity.settle()
    // Not the direct API: any replica answers that one. The client's type for this one leaves out `next_by_subj`.
    const query = { seq: from, next_by_subj: subject }
    const found = await request(this.#api, `read mail on '${subject}'`, () =>
      this.#api.jsm.streams.getMessage(identity.stream, query),
    )
    return found === null ? undefined : entryOf(found)
  }

  async *waiting(pattern: string): AsyncIterable<{ readonly subject: string; readonly position: number }> {
    const identity = this.#of(pattern)
    await identity.settle()
    const late = new AbortController()
    const timer = this.#api.clock.after(LIST_PATIENCE_MS, () => late.abort())
    try {
      const reading = {
        stream: identity.stream,
        filter: pattern,
        from: 'last-of-each',
        signal: late.signal,
        patienceMs: LIST_PATIENCE_MS,
        headersOnly: true,
        verify: () => identity.ask(),
      } as const
      for await (const item of ordered(this.#api, reading)) {
        if (item.kind === 'begin' && item.waiting === 0) return
        if (item.kind === 'begin') continue
        yield { subject: item.msg.subject, position: item.position }
        if (item.pending === 0) return
      }
    } finally {
      timer.cancel()
    }
    throw new LogUnavailable(`listing '${pattern}' did not end within ${LIST_PATIENCE_MS} ms`)
  }

  async purge(subject: string, upTo?: number): Promise<void> {
    const { stream } = this.#of(subject)
    const what = { filter: subject, ...(upTo !== undefined && { seq: upTo + 1 }) }
    await request(this.#api, `purge '${subject}'`, () => this.#api.jsm.streams.purge(stream, what))
  }

  async remove(subject: string, position: number): Promise<void> {
    const isThere = async () => (await this.next(subject, position))?.position === position
    if (!(await isThere())) return
    const { stream } = this.#of(subject)
    const what = `remove ${position} of '${subject}'`
    try {
      await request(this.#api, what, () => this.#api.jsm.streams.deleteMessage(stream, position, false))
    } catch (error) {
      // Whoever else removed it meanwhile has done the same.
      if (await isThere()) throw error
    }
  }

  #of(subject: string): StreamIdentity {
    return subject.split('.')[2] === 'd' ? this.#dead : this.#mail
  }
}

const entryOf = ({ subject, seq, data, time, header }: StoredMsg): MailEntry => {
  const headers: Record<string, string> = {}
  for (const [name, values] of header) if (!OWN.test(name)) headers[name] = values[0] ?? ''
  return { subject, position: seq, bytes: new Uint8Array(data), headers, storedAt: time.getTime() }
}

const isNotFound = (error: unknown): boolean => error instanceof Error && /message not found/.test(error.message)
