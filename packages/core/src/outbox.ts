/**
 * What leaves by mail: letters of this node's actors and of its `deliver`.
 *
 * 1. One message is under way per sender and receiver; what waits meanwhile travels together in the next one.
 * 2. While the outcome of a message is unknown the same bytes go again under the same id, so the order is kept and the stream
 *    stores it once.
 * 3. `stored` is the stream's word. A letter given up at its deadline may still be stored.
 */
import { type Address, type ShardName, type Subjects, token } from './address.ts'
import { LogUnavailable, MessageTooLarge, SystemStopped, Timeout, TroupeError, TypeNotServed } from './errors.ts'
import { type Letter, packLetters } from './letter.ts'
import type { Clock, Mail, MailOutcome } from './ports.ts'

const BATCH_LETTERS = 64
const BATCH_BYTES = 256 * 1024
const FIRST_PAUSE_MS = 25
const LONGEST_PAUSE_MS = 1_000

export type Posted = { readonly kind: 'stored' } | { readonly kind: 'failed'; readonly error: TroupeError }

export interface OutboxOptions {
  readonly mail: Mail
  readonly subjects: Subjects
  readonly clock: Clock
  /** Undefined: no node has ever served that type. */
  readonly shardOf: (address: Address) => Promise<ShardName | undefined>
}

interface Waiting {
  readonly letter: Letter
  readonly sizeBytes: number
  /** Monotonic; without one the letter is tried until the node stops. */
  readonly deadline: number | undefined
  readonly tell: (posted: Posted) => void
}

interface Lane {
  readonly to: Address
  readonly waiting: Waiting[]
}

export class Outbox {
  readonly #o: OutboxOptions
  readonly #lanes = new Map<string, Lane>()
  #stopped = false

  constructor(options: OutboxOptions) {
    this.#o = options
  }

  /** @param deadline monotonic; a send of an actor has none */
  post(to: Address, letter: Letter, deadline?: number): Promise<Posted> {
    return new Promise((tell) => {
      const name = `${letter.command.client} ${to}`
      const lane = this.#lanes.get(name) ?? { to, waiting: [] }
      lane.waiting.push({ letter, sizeBytes: 256 + JSON.stringify(letter.event).length, deadline, tell })
      if (this.#lanes.has(name)) return
      this.#lanes.set(name, lane)
      void this.#run(name, lane)
    })
  }

  /** Stores the letter at `at`; it has no place in the order of its sender's other letters. */
  async postLater(to: Address, letter: Letter, at: number, deadline: number): Promise<Posted> {
    const { subjects, mail } = this.#o
    const id = token(`${letter.command.client}:${letter.command.n}`)
    let bytes: Uint8Array
    try {
      bytes = packLetters([letter])
    } catch (error) {
      return { kind: 'failed', error: asError(error) }
    }
    return this.#insist(to, deadline, (shard) =>
      mail.schedule(subjects.schedule(shard, to, id), bytes, { id, at, target: subjects.mail(shard, to) }),
    )
  }

  stop(): void {
    this.#stopped = true
  }

  async #run(name: string, lane: Lane): Promise<void> {
    while (lane.waiting.length > 0) await this.#postBatch(lane.to, takeBatch(lane.waiting))
    this.#lanes.delete(name)
  }

  async #postBatch(to: Address, batch: readonly Waiting[]): Promise<void> {
    const posted = await this.#posted(to, batch)
    for (const { tell } of batch) tell(posted)
  }

  #posted(to: Address, batch: readonly Waiting[]): Promise<Posted> {
    const { mail, subjects } = this.#o
    const letters = batch.map(({ letter }) => letter)
    const [first, last] = [letters[0]?.command, letters.at(-1)?.command]
    let bytes: Uint8Array
    try {
      bytes = packLetters(letters)
    } catch (error) {
      // Only a letter that travels alone can be too large.
      return Promise.resolve({ kind: 'failed', error: asError(error) })
    }
    const id = token(`${first?.client}:${first?.n}-${last?.n}`)
    const deadlines = batch.map(({ deadline }) => deadline ?? Number.POSITIVE_INFINITY)
    return this.#insist(to, Math.max(...deadlines), (shard) => mail.store(subjects.mail(shard, to), bytes, { id }))
  }

  async #insist(to: Address, deadline: number, store: (shard: ShardName) => Promise<MailOutcome>): Promise<Posted> {
    const { clock, shardOf } = this.#o
    let last: TroupeError | undefined
    for (let pauseMs = FIRST_PAUSE_MS; !this.#stopped; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const outcome = await this.#try(to, shardOf, store)
      if (outcome.kind === 'stored') return { kind: 'stored' }
      last = asError(outcome.cause)
      const final = outcome.kind === 'refused' && (last instanceof MessageTooLarge || deadline < Infinity)
      if (final) return { kind: 'failed', error: last }
      if (clock.monotonic() + pauseMs >= deadline) break
      await new Promise<void>((resolve) => clock.after(pauseMs, resolve, { keepAlive: deadline < Infinity }))
    }
    if (this.#stopped) return { kind: 'failed', error: new SystemStopped('this system has stopped') }
    const why = last === undefined ? '' : ` (${last.message})`
    return { kind: 'failed', error: new Timeout(`the mail to '${to}' was not confirmed in time${why}`, { to }, last) }
  }

  async #try(
    to: Address,
    shardOf: OutboxOptions['shardOf'],
    store: (shard: ShardName) => Promise<MailOutcome>,
  ): Promise<MailOutcome> {
    try {
      const shard = await shardOf(to)
      if (shard !== undefined) return await store(shard)
      return { kind: 'refused', cause: new TypeNotServed(`no node of this namespace has ever served '${to}'`) }
    } catch (error) {
      return { kind: 'unknown', cause: asError(error) }
    }
  }
}

function takeBatch(waiting: Waiting[]): Waiting[] {
  let bytes = 0
  let count = 0
  for (const { sizeBytes } of waiting.slice(0, BATCH_LETTERS)) {
    if (count > 0 && bytes + sizeBytes > BATCH_BYTES) break
    bytes += sizeBytes
    count += 1
  }
  return waiting.splice(0, count)
}

function asError(error: unknown): TroupeError {
  return error instanceof TroupeError ? error : new LogUnavailable(String(error), {}, error)
}
