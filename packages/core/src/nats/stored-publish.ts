/**
 * A publish to a stream and its outcome: what journal appends and store writes have in common.
 *
 * 1. One message, one acknowledgement over the connection's inbox. One shared sweep for all timeouts, no timer per call.
 * 2. `stored`, `conflict` and `refused` are the server's word; whatever we cannot know is `unknown`. An outcome told is final:
 *    an acknowledgement that comes later is ignored.
 * 3. A batch is stored whole or not at all. Its last message is acknowledged for all, with its own position.
 * 4. Never sent again from here: only the caller knows whether the same bytes may go twice.
 */
import { MsgHdrsImpl, type NatsConnection } from '@nats-io/transport-node'
import { invariant, LogUnavailable, MessageTooLarge, Timeout } from '../errors.ts'
import { type AppendOutcome, type Clock, PAYLOAD_BYTES, type Timer } from '../ports.ts'
import { type Place, WaitingList } from '../waiting-list.ts'
import { codeOf } from './api.ts'
import type { Connectivity } from './connectivity.ts'
import type { Answer, Inbox } from './inbox.ts'

/** A leader election takes 4-9 s; an append that waited this long is better asked about than waited for. */
const ACK_TIMEOUT_MS = 5_000
const SWEEP_MS = 250

/** Header block of a stored message, written at once: the client's own `set` costs more than the rest of the publish. */
class StoredHeaders extends MsgHdrsImpl {
  readonly #text: string

  constructor(text: string) {
    super()
    this.#text = text
  }

  override encode(): Uint8Array {
    return Buffer.from(this.#text, 'latin1')
  }
}

export interface StoredPublish {
  readonly stream: string
  readonly subject: string
  /** Last position of the subject, 0 for none; absent: whatever it is. */
  readonly expected?: number
  readonly bytes: Uint8Array
  readonly ttlMs?: number
  /** More headers: names and values without line breaks. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A message's place in a batch: `n` counts from 1, the last one commits. */
interface BatchPlace {
  readonly id: string
  readonly n: number
  readonly size: number
}

interface Waiting {
  readonly dueMs: number
  readonly settle: (outcome: AppendOutcome) => void
}

export class StoredPublisher {
  readonly #nc: NatsConnection
  readonly #connectivity: Connectivity
  readonly #inbox: Inbox
  readonly #clock: Clock
  /** In the order of their deadlines, since all wait equally long. */
  readonly #waiting = new WaitingList<Waiting>()
  #sweep: Timer | undefined

  constructor(nc: NatsConnection, connectivity: Connectivity, inbox: Inbox, clock: Clock) {
    this.#nc = nc
    this.#connectivity = connectivity
    this.#inbox = inbox
    this.#clock = clock
    connectivity.onChange((connected) => {
      if (connected) return
      const cause = new LogUnavailable('the connection was lost before the acknowledgement')
      for (const { settle } of this.#waiting) settle({ kind: 'unknown', cause })
    })
  }

  publish(message: StoredPublish): Promise<AppendOutcome> {
    return this.#publish(message)
  }

  async publishBatch(messages: readonly StoredPublish[], id: string): Promise<AppendOutcome> {
    const size = messages.length
    const last = messages[size - 1]
    invariant(last !== undefined, 'a batch has messages')
    try {
      this.#connectivity.check()
      for (const [i, message] of messages.slice(0, -1).entries()) this.#send(message, { batch: { id, n: i + 1, size } })
    } catch (error) {
      return unsent(error)
    }
    return this.#publish(last, { id, n: size, size })
  }

  #publish(message: StoredPublish, batch?: BatchPlace): Promise<AppendOutcome> {
    const { subject, bytes, stream } = message
    if (bytes.length > PAYLOAD_BYTES) {
      const cause = new MessageTooLarge(`${bytes.length} bytes for '${subject}'; ${PAYLOAD_BYTES} are allowed`)
      return Promise.resolve({ kind: 'refused', cause })
    }
    return new Promise((resolve) => {
      const reply = this.#inbox.open((answer) => settle(outcomeOf(answer, stream, subject, batch?.size)))
      const waiting: Waiting = { dueMs: this.#clock.monotonic() + ACK_TIMEOUT_MS, settle: (outcome) => settle(outcome) }
      const settle = (outcome: AppendOutcome): void => {
        reply.close()
        if (place !== undefined) this.#waiting.leave(place)
        resolve(outcome)
      }
      let place: Place<Waiting> | undefined
      try {
        this.#connectivity.check()
        this.#send(message, { reply: reply.subject, ...(batch && { batch }) })
      } catch (error) {
        settle(unsent(error))
        return
      }
      place = this.#waiting.add(waiting)
      this.#sweep ??= this.#clock.after(SWEEP_MS, this.#expire)
    })
  }

  #send(message: StoredPublish, { reply, batch }: { readonly reply?: string; readonly batch?: BatchPlace }): void {
    const headers = new StoredHeaders(headerText(message, batch))
    this.#nc.publish(message.subject, message.bytes, { headers, ...(reply && { reply }) })
  }

  #expire = (): void => {
    const nowMs = this.#clock.monotonic()
    for (const { dueMs, settle } of this.#waiting) {
      if (dueMs > nowMs) break
      settle({ kind: 'unknown', cause: new Timeout(`no acknowledgement within ${ACK_TIMEOUT_MS} ms`) })
    }
    this.#sweep = !this.#waiting.empty ? this.#clock.after(SWEEP_MS, this.#expire) : undefined
  }
}

const unsent = (error: unknown): AppendOutcome => ({
  kind: 'unknown',
  cause: error instanceof Error ? error : new Error(String(error)),
})

function headerText({ stream, expected, ttlMs, headers }: StoredPublish, batch: BatchPlace | undefined): string {
  let text = `NATS/1.0\r\nNats-Expected-Stream: ${stream}\r\n`
  if (expected !== undefined) text += `Nats-Expected-Last-Subject-Sequence: ${expected}\r\n`
  if (batch) text += `Nats-Batch-Id: ${batch.id}\r\nNats-Batch-Sequence: ${batch.n}\r\n`
  if (batch && batch.n === batch.size) text += 'Nats-Batch-Commit: 1\r\n'
  if (ttlMs !== undefined) text += `Nats-TTL: ${ttlMs / 1000}s\r\n`
  if (headers) for (const [name, value] of Object.entries(headers)) text += `${name}: ${value}\r\n`
  return `${text}\r\n`
}

/** What an acknowledgement is read from. */
export type Ack = Pick<Exclude<Answer, 'no-responders'>, 'data'> | 'no-responders'

/** Exported for its tests. */
export function outcomeOf(answer: Ack, stream: string, subject: string, batchSize?: number): AppendOutcome {
  if (answer === 'no-responders') {
    // No stream listens, or its leader is being elected. Nothing was stored, but the caller should try again.
    const cause = new LogUnavailable(`no stream takes '${subject}' now; expected '${stream}'`, { noResponders: true })
    return { kind: 'unknown', cause }
  }
  // The usual acknowledgement is `{"stream":"…","seq":7}`: a search is several times cheaper than a parse.
  const text = Buffer.from(answer.data.buffer, answer.data.byteOffset, answer.data.length).toString('latin1')
  if (!text.includes('"error"')) {
    const at = text.indexOf('"seq":')
    const position = at < 0 ? 0 : Number.parseInt(text.slice(at + 6, at + 26), 10)
    // A server that knows no batches would have stored them as strangers.
    const whole = batchSize === undefined || text.includes(`"count":${batchSize}`)
    if (position > 0 && whole) return { kind: 'stored', position }
    return { kind: 'unknown', cause: new LogUnavailable(`answer of '${stream}' is no acknowledgement: ${text}`) }
  }
  return refusal(text, stream)
}

/** Server error codes: `server/errors.json` of nats-server. */
const WRONG_LAST_SEQUENCE = 10071
/** Of replicated streams: another message of the subject is on its way to the followers, and this one was not proposed. */
const CONTENDED = 10164
const STORE_FAILED = 10077
const MESSAGE_TOO_LARGE = 10054
/** Not the expected stream; limits and quotas of server, account or stream. */
const NOTHING_STORED: ReadonlySet<number> = new Set([10060, 10023, 10028, 10047, 10002])

export const isContended = (outcome: AppendOutcome): boolean =>
  outcome.kind === 'unknown' && codeOf(outcome.cause) === CONTENDED

function refusal(text: string, stream: string): AppendOutcome {
  const { code, description } = parseError(text)
  const said = `the stream '${stream}' answered: ${description} (${code})`
  if (code === WRONG_LAST_SEQUENCE) return { kind: 'conflict' }
  if (code === MESSAGE_TOO_LARGE) return { kind: 'refused', cause: new MessageTooLarge(said) }
  // "store failed" covers limits, decided before anything is written, and failing disks, where we cannot know.
  const limit = code === STORE_FAILED && /maximum|exceed/.test(description)
  if (limit || NOTHING_STORED.has(code)) return { kind: 'refused', cause: new LogUnavailable(said, { code }) }
  return { kind: 'unknown', cause: new LogUnavailable(said, { code }) }
}

function parseError(text: string): { readonly code: number; readonly description: string } {
  const answer: unknown = JSON.parse(text)
  const error: unknown = typeof answer === 'object' && answer && 'error' in answer ? answer.error : undefined
  if (typeof error !== 'object' || !error) return { code: 0, description: text }
  const code = 'err_code' in error && typeof error.err_code === 'number' ? error.err_code : 0
  const description = 'description' in error ? String(error.description) : text
  return { code, description }
}
