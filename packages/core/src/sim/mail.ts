/**
 * Simulated mail: one post office per world, one `SimMail` per connection.
 *
 * 1. What is stored may be stored after its sender was told that the outcome is unknown, or stored and never acknowledged.
 * 2. `waiting` may lag; `read` sees what is there when it arrives.
 */
import { TroupeError } from '../errors.ts'
import { refusalOf } from '../memory/mail.ts'
import type { PostOffice } from '../memory/post-office.ts'
import type { Headers, Mail, MailEntry, MailOutcome } from '../ports.ts'
import type { SimLink } from './link.ts'

const CHUNK = 64

export interface MailTold {
  /** A dead letter is stored. */
  readonly onDead: (bytes: Uint8Array) => void
  /** A message is stored that will lie on `target` later. */
  readonly onPlanned: (target: string, entry: MailEntry) => void
}

export class SimMail implements Mail {
  readonly #link: SimLink
  readonly #office: PostOffice
  readonly #name: string
  readonly #told: MailTold

  constructor(link: SimLink, office: PostOffice, told: MailTold) {
    this.#told = told
    this.#link = link
    this.#office = office
    this.#name = link.process.name
  }

  get streamId(): string {
    return this.#office.streamId
  }

  store(
    subject: string,
    bytes: Uint8Array,
    { id, headers }: { readonly id: string; readonly headers?: Headers },
  ): Promise<MailOutcome> {
    return this.#stored('mails', subject, bytes, (copy) => {
      if (this.#office.isDead(subject)) this.#told.onDead(copy)
      return this.#office.store(subject, copy, headers, id)
    })
  }

  schedule(
    subject: string,
    bytes: Uint8Array,
    options: { readonly id: string; readonly at: number; readonly target: string; readonly headers?: Headers },
  ): Promise<MailOutcome> {
    return this.#stored('schedules', subject, bytes, (copy) => {
      const position = this.#office.schedule(subject, copy, options)
      const { target, headers = {}, at } = options
      this.#told.onPlanned(target, { subject, position, bytes: copy, headers, storedAt: at })
      return position
    })
  }

  async #stored(
    verb: string,
    subject: string,
    bytes: Uint8Array,
    run: (copy: Uint8Array) => number,
  ): Promise<MailOutcome> {
    const refused = refusalOf(this.#office, subject, bytes)
    if (refused !== undefined) return refused
    const copy = new Uint8Array(bytes)
    try {
      return {
        kind: 'stored',
        position: await this.#link.call('mail', `${this.#name} ${verb} ${subject}`, () => run(copy)),
      }
    } catch (error) {
      if (error instanceof TroupeError) return { kind: 'unknown', cause: error }
      throw error
    }
  }

  async *read(pattern: string, options?: { readonly from?: number }): AsyncIterable<MailEntry> {
    for (let from = options?.from ?? 1; ; ) {
      const start = from
      const label = `${this.#name} reads mail ${pattern}`
      const chunk = await this.#link.call('mail', label, () => this.#office.read(pattern, start, CHUNK))
      yield* chunk
      const last = chunk.at(-1)
      if (last === undefined || chunk.length < CHUNK) return
      from = last.position + 1
    }
  }

  async next(subject: string, from: number): Promise<MailEntry | undefined> {
    const label = `${this.#name} asks for mail ${subject}`
    return (await this.#link.call('mail', label, () => this.#office.read(subject, from, 1)))[0]
  }

  async *waiting(pattern: string): AsyncIterable<{ readonly subject: string; readonly position: number }> {
    const { scheduler } = this.#link.process
    const label = `${this.#name} lists mail ${pattern}`
    const found = await this.#link.call('mail', label, () => this.#office.waiting(pattern))
    yield* scheduler.chance(scheduler.faults.stale) ? found.slice(0, -1) : found
  }

  purge(subject: string, upTo?: number): Promise<void> {
    return this.#link.call('mail', `${this.#name} purges ${subject}`, () => this.#office.purge(subject, upTo))
  }

  remove(subject: string, position: number): Promise<void> {
    const label = `${this.#name} removes ${position} of ${subject}`
    return this.#link.call('mail', label, () => this.#office.remove(subject, position))
  }
}
