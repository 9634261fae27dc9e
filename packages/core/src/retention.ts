/**
 * How much of an actor's log is kept, and how what is older leaves it. Without a `retention` nothing ever does.
 *
 * Owns where one actor's log begins; its journal asks for the note and says what is committed.
 *
 * 1. A log begins with a record that carries a state, and the newest state with all behind it stays: the actor recovers as before.
 * 2. What leaves is said in the log first: a record notes where the log begins (`kept`), and what lies below goes once that record is
 *    committed. A log that begins later than it says is damaged.
 * 3. Positions only grow, so a removal that is late, repeated, or made by a fenced writer takes nothing that another one needs.
 * 4. A log that cannot be trimmed stays whole, and that is said. It is never a reason to refuse a step.
 */
import { LogicRefused } from './errors.ts'
import type { Clock, Journal } from './ports.ts'
import { decodeRecord, type JournalRecord, type Step } from './step.ts'

/** A step beyond either limit leaves the log with the next state behind it. */
export interface Retention {
  /** So many of the newest steps stay. */
  readonly steps?: number
  /** Steps that are younger stay. */
  readonly ageMs?: number
}

/** @throws LogicRefused for one without a limit, or with one that keeps nothing */
export function checkRetention(retention: Retention | undefined, type: string): void {
  if (retention === undefined) return
  const { steps, ageMs } = retention
  const fits = (limit: number | undefined) => limit === undefined || (Number.isInteger(limit) && limit >= 1)
  if ((steps === undefined && ageMs === undefined) || !fits(steps) || !fits(ageMs)) {
    throw new LogicRefused(`actor '${type}': retention needs steps or ageMs, as whole numbers of at least 1`)
  }
}

/** How far a limit is exceeded before the beginning of the log is read again. */
const SLACK = 0.1
const TRY_AGAIN_MS = 60_000
/** Ages are not looked at more often. */
const SHORTEST_LOOK_MS = 1_000

export interface LogTrimOptions {
  readonly address: string
  readonly subject: string
  readonly retention: Retention
  readonly journal: Journal
  readonly clock: Clock
  readonly open: (record: JournalRecord) => JournalRecord
  readonly onLog: (text: string, data: object) => void
}

export class LogTrim {
  readonly #o: LogTrimOptions
  /** Where the log begins, as it is or will be noted; 0: nothing has left it. */
  #kept = 0
  /** What the record under way says of it. */
  #noted = 0
  #removed = 0
  /** The log is looked at again from this step or this time on. */
  #dueSeq = 0
  #dueAt = 0
  #notBefore = 0
  #busy = false

  constructor(options: LogTrimOptions) {
    this.#o = options
  }

  /** Goes on from what the newest record notes; what that record promised may still have to be removed. */
  follow(kept: number): void {
    this.#kept = kept
  }

  /** What the next record says of the beginning of its log. */
  get note(): { readonly kept?: number } {
    this.#noted = this.#kept
    return this.#kept === 0 ? {} : { kept: this.#kept }
  }

  /** A record is in the log, up to step `seq`; `base` is the position of the newest state. */
  committed(base: number, seq: number): void {
    const now = this.#o.clock.monotonic()
    const due = this.#noted > this.#removed || seq >= this.#dueSeq || now >= this.#dueAt
    if (this.#busy || !due || now < this.#notBefore) return
    this.#busy = true
    void this.#trim(this.#noted, base, seq).finally(() => {
      this.#busy = false
    })
  }

  async #trim(noted: number, base: number, seq: number): Promise<void> {
    const { address, subject, journal, clock, onLog } = this.#o
    try {
      if (noted > this.#removed) {
        await journal.purge(subject, noted)
        this.#removed = noted
      }
      await this.#look(base, seq)
    } catch (error) {
      this.#notBefore = clock.monotonic() + TRY_AGAIN_MS
      onLog('the log of an actor could not be trimmed', { actor: address, error: String(error) })
    }
  }

  async #look(base: number, newest: number): Promise<void> {
    const { address, subject, retention, journal, clock, open } = this.#o
    const { steps = Number.POSITIVE_INFINITY, ageMs = Number.POSITIVE_INFINITY } = retention
    const now = clock.now()
    const leaves = ({ seq, at }: Step) => seq <= newest - steps || at < now - ageMs
    let begins = { position: 0, seq: 0 }
    let first: number | undefined
    for await (const entry of journal.read(subject)) {
      if (entry.position > base) break
      first ??= entry.position
      const record = open(decodeRecord(entry.bytes, address))
      if (record.state !== undefined) begins = { position: entry.position, seq: firstSeq(record) }
      if (record.steps.length > 0 && !record.steps.every(leaves)) break
    }
    if (begins.position > Math.max(first ?? 0, this.#kept)) this.#kept = begins.position
    this.#dueSeq = begins.seq + steps * (1 + SLACK)
    this.#dueAt = clock.monotonic() + Math.max(ageMs * SLACK, SHORTEST_LOOK_MS)
  }
}

/** Of the steps that a log holds which begins with this record. */
function firstSeq({ steps, state }: JournalRecord): number {
  return steps[0]?.seq ?? (state?.seq ?? 0) + 1
}
