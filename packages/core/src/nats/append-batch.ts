/**
 * Appends of many actors in one atomic batch, for servers that sync every write: one sync for all of them.
 *
 * 1. Every member keeps its own expectation. A batch is stored whole or not at all.
 * 2. When the server says no, whatever the reason, each member goes again alone: a stale actor fails alone. Its expectation
 *    makes that safe.
 * 3. Without a word of the server the outcome is `unknown` to every member.
 * 4. One batch at a time: two share the same disk and take three times as long. What comes meanwhile travels in the next.
 */
import { type AppendOutcome, type Clock, PAYLOAD_BYTES } from '../ports.ts'
import { codeOf } from './api.ts'
import type { StoredPublish, StoredPublisher } from './stored-publish.ts'

/** A batch costs as much as so many synced messages: 15 ms to 0.9 ms on a busy disk, 3 ms to 0.23 ms on a quiet one. */
const WORTH_A_BATCH = 16
/** The server takes 1,000. */
const MOST_MEMBERS = 512
const MOST_BYTES = 8_388_608
/** Of the time that a batch took: callers that it has answered ask again within it, and travel with those that waited. */
const LINGER = 1 / 8

type Publisher = Pick<StoredPublisher, 'publish' | 'publishBatch'>

interface Member {
  readonly message: StoredPublish
  readonly settle: (outcome: AppendOutcome) => void
}

export class AppendBatches {
  readonly #publisher: Publisher
  readonly #clock: Clock
  /** Batch ids of all writers of a stream must differ. */
  readonly #unique: string
  readonly #waiting: Member[] = []
  #alone = 0
  #together = false
  #batches = 0

  constructor(publisher: Publisher, clock: Clock, unique: string) {
    this.#publisher = publisher
    this.#clock = clock
    this.#unique = unique
  }

  publish(message: StoredPublish): Promise<AppendOutcome> {
    const tooLarge = message.bytes.length > PAYLOAD_BYTES
    if (tooLarge || (!this.#together && this.#alone < WORTH_A_BATCH)) return this.#publishAlone(message)
    return new Promise((settle) => this.#waiting.push({ message, settle }))
  }

  async #publishAlone(message: StoredPublish): Promise<AppendOutcome> {
    this.#alone += 1
    const outcome = await this.#publisher.publish(message)
    this.#alone -= 1
    this.#next()
    return outcome
  }

  #next(): void {
    if (this.#together) return
    if (this.#waiting.length >= WORTH_A_BATCH) return void this.#publishTogether(this.#gathered())
    for (const member of this.#waiting.splice(0, WORTH_A_BATCH - this.#alone)) this.#settleAlone(member)
  }

  #gathered(): readonly Member[] {
    let bytes = 0
    const over = this.#waiting.findIndex(({ message }) => (bytes += message.bytes.length) > MOST_BYTES)
    return this.#waiting.splice(0, Math.min(over > 0 ? over : this.#waiting.length, MOST_MEMBERS))
  }

  async #publishTogether(members: readonly Member[]): Promise<void> {
    this.#together = true
    const startedAt = this.#clock.monotonic()
    const outcome = await this.#publishBatch(members.map(({ message }) => message))
    const silent = outcome.kind === 'unknown' && codeOf(outcome.cause) === undefined
    for (const [i, member] of members.entries()) {
      // Nothing comes between the members of a batch.
      if (outcome.kind === 'stored')
        member.settle({ kind: 'stored', position: outcome.position - members.length + 1 + i })
      else if (silent) member.settle(outcome)
      else this.#settleAlone(member)
    }
    this.#clock.after((this.#clock.monotonic() - startedAt) * LINGER, () => {
      this.#together = false
      this.#next()
    })
  }

  #publishBatch(messages: readonly StoredPublish[]): Promise<AppendOutcome> {
    this.#batches += 1
    return this.#publisher.publishBatch(messages, `${this.#unique}-${this.#batches}`)
  }

  #settleAlone({ message, settle }: Member): void {
    void this.#publishAlone(message).then(settle)
  }
}
