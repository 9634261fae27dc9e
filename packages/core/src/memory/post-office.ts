/**
 * Mail of a world in this process: what a JetStream stream with schedules, message ids and republish does, as data.
 *
 * 1. Positions count up over all subjects and are never given twice, whatever is purged.
 * 2. An id that came again within two minutes is not stored again; the first position is told.
 * 3. A schedule fires once, at its time or later, unless it was purged or replaced; then its own entry is gone.
 * 4. Each entry on a noticed subject is told to `onStored`: mail and fired wake-ups, not schedules or dead letters.
 */
import type { Subjects } from '../address.ts'
import type { Clock, Headers, MailEntry, Timer } from '../ports.ts'
import { type Match, subjectMatch } from './subject-match.ts'

const DEDUPE_MS = 120_000

export interface PostOfficeOptions {
  readonly streamId: string
  readonly subjects: Subjects
  readonly clock: Pick<Clock, 'now' | 'after'>
  readonly onStored: (noticeSubject: string, entry: MailEntry) => void
}

export class PostOffice {
  readonly streamId: string
  readonly #o: PostOfficeOptions
  readonly #bySubject = new Map<string, MailEntry[]>()
  /** In the order in which they came. */
  readonly #ids = new Map<string, { readonly position: number; readonly at: number }>()
  readonly #schedules = new Map<string, Timer>()
  readonly #mail: readonly Match[]
  readonly #dead: Match
  #position = 0

  constructor(options: PostOfficeOptions) {
    const { mail, dead } = options.subjects.mailPatterns()
    this.#o = options
    this.streamId = options.streamId
    this.#mail = mail.map(subjectMatch)
    this.#dead = subjectMatch(dead)
  }

  takes(subject: string): boolean {
    return this.#mail.some((match) => match(subject)) || this.#dead(subject)
  }

  /** Whether dead letters lie there. */
  isDead(subject: string): boolean {
    return this.#dead(subject)
  }

  store(subject: string, bytes: Uint8Array, headers: Headers = {}, id?: string): number {
    return this.#known(id) ?? this.#put(subject, bytes, headers, id)
  }

  schedule(
    subject: string,
    bytes: Uint8Array,
    { at, target, headers = {}, id }: { at: number; target: string; headers?: Headers; id?: string },
  ): number {
    const known = this.#known(id)
    if (known !== undefined) return known
    this.purge(subject)
    const position = this.#put(subject, bytes, headers, id)
    this.#arm(subject, at, () => {
      this.#bySubject.delete(subject)
      this.#put(target, bytes, headers, undefined)
    })
    return position
  }

  /** A clock's timers may be early by its own measure of time. */
  #arm(subject: string, at: number, fire: () => void): void {
    const timer = this.#o.clock.after(Math.max(1, at - this.#o.clock.now()), () => {
      if (this.#schedules.get(subject) !== timer) return
      if (this.#o.clock.now() < at) return this.#arm(subject, at, fire)
      this.#schedules.delete(subject)
      fire()
    })
    this.#schedules.set(subject, timer)
  }

  /** Entries from a position on, oldest first; copies. */
  read(pattern: string, from: number, limit: number): MailEntry[] {
    const match = subjectMatch(pattern)
    const found: MailEntry[] = []
    for (const [subject, entries] of this.#bySubject) {
      if (match(subject)) found.push(...entries.filter(({ position }) => position >= from))
    }
    const first = found.sort((a, b) => a.position - b.position).slice(0, limit)
    return first.map((entry) => ({ ...entry, bytes: new Uint8Array(entry.bytes) }))
  }

  waiting(pattern: string): { subject: string; position: number }[] {
    const match = subjectMatch(pattern)
    const found: { subject: string; position: number }[] = []
    for (const [subject, entries] of this.#bySubject) {
      const newest = entries.at(-1)
      if (newest !== undefined && match(subject)) found.push({ subject, position: newest.position })
    }
    return found
  }

  purge(subject: string, upTo = Number.POSITIVE_INFINITY): void {
    const rest = (this.#bySubject.get(subject) ?? []).filter(({ position }) => position > upTo)
    if (rest.length > 0) this.#bySubject.set(subject, rest)
    else {
      this.#bySubject.delete(subject)
      this.#schedules.get(subject)?.cancel()
      this.#schedules.delete(subject)
    }
  }

  remove(subject: string, position: number): void {
    const rest = (this.#bySubject.get(subject) ?? []).filter((entry) => entry.position !== position)
    if (rest.length > 0) this.#bySubject.set(subject, rest)
    else this.#bySubject.delete(subject)
  }

  /** Ends the schedules, with the world. */
  close(): void {
    for (const timer of this.#schedules.values()) timer.cancel()
    this.#schedules.clear()
  }

  #put(subject: string, bytes: Uint8Array, headers: Headers, id: string | undefined): number {
    const { clock, subjects, onStored } = this.#o
    const position = ++this.#position
    const entry = { subject, position, bytes, headers, storedAt: clock.now() }
    const entries = this.#bySubject.get(subject)
    if (entries === undefined) this.#bySubject.set(subject, [entry])
    else entries.push(entry)
    if (id !== undefined) this.#ids.set(id, { position, at: clock.now() })
    const depth = subject.split('.').length
    if (depth === 6) onStored(subjects.notices(subjects.shardIn(subject)), entry)
    return position
  }

  #known(id: string | undefined): number | undefined {
    const now = this.#o.clock.now()
    for (const [old, { at }] of this.#ids) {
      if (at + DEDUPE_MS > now) break
      this.#ids.delete(old)
    }
    return id === undefined ? undefined : this.#ids.get(id)?.position
  }
}
