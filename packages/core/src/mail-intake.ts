/**
 * One actor's mail on its way into the turn: read from the cursor, in order, no more at once than the mailbox takes.
 *
 * 1. Letters are handed over in the order in which they are stored, each once per life of the resident.
 * 2. It reads when it has heard of a position that it has not read; a reader that lags is asked again.
 *    Nothing that was announced is passed over unless the leader says that it is not there.
 * 3. Nothing is kept: what was not committed is read again by the next resident.
 */
import type { Address } from './address.ts'
import { lettersIn, type ReceivedLetter } from './letter.ts'
import type { Clock, Mail, MailEntry } from './ports.ts'

export interface MailIntakeOptions {
  readonly address: Address
  readonly subject: string
  readonly mail: Mail
  readonly clock: Clock
  /** False: no room; `more` is called when there is. */
  readonly offer: (letter: ReceivedLetter) => boolean
}

const LAG_PAUSE_MS = 50
/** What was announced and is not there after so many reads is asked of the leader: it was purged, or replicas lag long. */
const LAG_READS = 5

export class MailIntake {
  readonly #o: MailIntakeOptions
  readonly #held: ReceivedLetter[] = []
  #next = 0
  #known = 0
  #reading = false
  /** Something was heard while it read. */
  #again = false
  #stopped = false

  constructor(options: MailIntakeOptions) {
    this.#o = options
  }

  /** @param cursor what is consumed already */
  begin(cursor: number): void {
    this.#next = cursor + 1
    this.#read()
  }

  /** There is mail at this position. */
  heard(position: number): void {
    this.#known = Math.max(this.#known, position)
    this.#read()
  }

  /** There is room again. */
  more(): void {
    if (this.#handOver()) this.#read()
  }

  /** Nothing is held, nothing unread is known of. */
  get idle(): boolean {
    return this.#held.length === 0 && this.#next > this.#known
  }

  stop(): void {
    this.#stopped = true
    this.#held.length = 0
  }

  #read(): void {
    if (this.#stopped || this.#next === 0 || this.idle) return
    if (this.#reading) {
      this.#again = true
      return
    }
    this.#reading = true
    this.#again = false
    // A failure is made up for when the position is announced again.
    void this.#readAll()
      .catch(() => undefined)
      .finally(() => {
        this.#reading = false
        if (this.#again) this.#read()
      })
  }

  async #readAll(): Promise<void> {
    const { mail, subject, clock } = this.#o
    for (let lags = 0; !this.#stopped && this.#handOver() && this.#next <= this.#known; ) {
      const from = this.#next
      for await (const entry of mail.read(subject, { from })) {
        if (this.#stopped) return
        this.#take(entry)
        if (!this.#handOver()) return
        if (this.#next > this.#known) break
      }
      if (this.#next > from) {
        lags = 0
        continue
      }
      lags += 1
      if (lags < LAG_READS) await new Promise<void>((resolve) => clock.after(LAG_PAUSE_MS, resolve))
      else {
        lags = 0
        await this.#askLeader()
      }
    }
  }

  async #askLeader(): Promise<void> {
    const { mail, subject } = this.#o
    // What is announced during the read may be stored after it.
    const announced = this.#known
    const entry = await mail.next(subject, this.#next)
    if (this.#stopped) return
    if (entry === undefined) this.#next = announced + 1
    else this.#take(entry)
  }

  #take(entry: MailEntry): void {
    this.#next = entry.position + 1
    this.#held.push(...lettersIn(entry, this.#o.address, this.#o.mail.streamId))
  }

  #handOver(): boolean {
    for (let letter = this.#held[0]; letter !== undefined; letter = this.#held[0]) {
      if (!this.#o.offer(letter)) return false
      this.#held.shift()
    }
    return true
  }
}
