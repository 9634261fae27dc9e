/**
 * Mail over one memory connection: one `PostOffice` per world, one `MemoryMail` per connection.
 *
 * 1. Bytes are copied on the way in and on the way out.
 * 2. Nothing is stored by a connection that was cut before; what had left is stored, its outcome unknown.
 */
import { LogUnavailable, MessageTooLarge, TroupeError } from '../errors.ts'
import { type Headers, type Mail, type MailEntry, type MailOutcome, PAYLOAD_BYTES } from '../ports.ts'
import type { Link } from './link.ts'
import type { PostOffice } from './post-office.ts'

/** Entries handed over per hop while reading. */
const CHUNK = 64

export class MemoryMail implements Mail {
  readonly #link: Link
  readonly #office: PostOffice

  constructor(link: Link, office: PostOffice) {
    this.#link = link
    this.#office = office
  }

  get streamId(): string {
    return this.#office.streamId
  }

  store(
    subject: string,
    bytes: Uint8Array,
    { id, headers }: { readonly id: string; readonly headers?: Headers },
  ): Promise<MailOutcome> {
    return this.#stored(subject, bytes, (copy) => this.#office.store(subject, copy, headers, id))
  }

  schedule(
    subject: string,
    bytes: Uint8Array,
    options: { readonly id: string; readonly at: number; readonly target: string; readonly headers?: Headers },
  ): Promise<MailOutcome> {
    return this.#stored(subject, bytes, (copy) => this.#office.schedule(subject, copy, options))
  }

  async #stored(subject: string, bytes: Uint8Array, run: (copy: Uint8Array) => number): Promise<MailOutcome> {
    const refused = refusalOf(this.#office, subject, bytes)
    if (refused !== undefined) return refused
    const copy = new Uint8Array(bytes)
    try {
      return { kind: 'stored', position: await this.#link.call(() => run(copy)) }
    } catch (error) {
      if (error instanceof TroupeError) return { kind: 'unknown', cause: error }
      throw error
    }
  }

  async *read(pattern: string, options?: { readonly from?: number }): AsyncIterable<MailEntry> {
    for (let from = options?.from ?? 1; ; ) {
      const start = from
      const chunk = await this.#link.call(() => this.#office.read(pattern, start, CHUNK))
      yield* chunk
      const last = chunk.at(-1)
      if (last === undefined || chunk.length < CHUNK) return
      from = last.position + 1
    }
  }

  async next(subject: string, from: number): Promise<MailEntry | undefined> {
    return (await this.#link.call(() => this.#office.read(subject, from, 1)))[0]
  }

  async *waiting(pattern: string): AsyncIterable<{ readonly subject: string; readonly position: number }> {
    yield* await this.#link.call(() => this.#office.waiting(pattern))
  }

  purge(subject: string, upTo?: number): Promise<void> {
    return this.#link.call(() => this.#office.purge(subject, upTo))
  }

  remove(subject: string, position: number): Promise<void> {
    return this.#link.call(() => this.#office.remove(subject, position))
  }
}

export function refusalOf(office: PostOffice, subject: string, bytes: Uint8Array): MailOutcome | undefined {
  if (bytes.length > PAYLOAD_BYTES) {
    const cause = new MessageTooLarge(`${bytes.length} bytes for '${subject}'; ${PAYLOAD_BYTES} are allowed`)
    return { kind: 'refused', cause }
  }
  if (office.takes(subject)) return undefined
  return { kind: 'refused', cause: new LogUnavailable(`no mail is kept on the subject '${subject}'`) }
}
