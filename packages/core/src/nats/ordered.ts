/**
 * Messages of a stream in order, without gaps: the one way journal and store read more than one message.
 *
 * An ephemeral push consumer delivers to a subject of ours. Its messages count up; a message that does not fit, missing
 * heartbeats or a reconnect mean that something may be lost, and a new consumer is created after the last good position.
 *
 * 1. Positions never go back and none is left out silently. `begin` says that a (new) consumer starts.
 * 2. The server waits for a slow reader: its flow control message is answered only when the reader has come that far.
 * 3. What was created is removed: at once by request, or by the server when nobody listens for `ABANDONED_MS`.
 */
import { AckPolicy, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream'
import { type Msg, type NatsConnection, nanos } from '@nats-io/transport-node'
import { LogUnavailable } from '../errors.ts'
import { pause } from '../pause.ts'
import type { Timer } from '../ports.ts'
import { type Api, isTransient, request } from './api.ts'
import { statusOf } from './inbox.ts'

const HEARTBEAT_MS = 1_000
/** So many heartbeats may be late before the consumer counts as gone. */
const SILENCE_MS = 3 * HEARTBEAT_MS
const ABANDONED_MS = 30_000
const RETRY_MS = 250

export type Reading = Omit<Api, 'nc'> & { readonly nc: Pick<NatsConnection, 'subscribe' | 'publish'> }

export type OrderedItem =
  /** `waiting`: how many stored messages come before the reader is up to date. */
  | { readonly kind: 'begin'; readonly waiting: number }
  | {
      readonly kind: 'message'
      readonly position: number
      readonly pending: number
      readonly storedAt: number
      readonly msg: Msg
    }

export interface OrderedOptions {
  readonly stream: string
  /** Subject pattern inside the stream. */
  readonly filter: string
  /** A position, or the newest message of each subject; the latter starts over with every `begin`. */
  readonly from: number | 'last-of-each'
  readonly signal: AbortSignal
  /** Messages come without their bodies. */
  readonly headersOnly?: boolean
  /** Called before a consumer is created again; throws when the stream is no longer the one that was read. */
  readonly verify: () => Promise<void>
  /** Give up with `LogUnavailable` when no consumer could be created for so long; without it, try for ever. */
  readonly patienceMs?: number
}

export async function* ordered(api: Reading, options: OrderedOptions): AsyncGenerator<OrderedItem, void, void> {
  const { signal } = options
  let from = options.from
  for (let round = 0; !signal.aborted; round++) {
    const consumer = await openPatiently(api, { ...options, from }, round > 0)
    if (!consumer) return
    try {
      yield { kind: 'begin', waiting: consumer.waiting }
      for await (const item of consumer.items(signal)) {
        yield item
        if (from !== 'last-of-each') from = item.position + 1
      }
    } finally {
      consumer.close()
    }
  }
}

async function openPatiently(api: Reading, options: OrderedOptions, again: boolean): Promise<Consumer | undefined> {
  const { signal, patienceMs } = options
  const startMs = api.clock.monotonic()
  while (!signal.aborted) {
    try {
      if (patienceMs !== undefined) api.connectivity.check()
      await api.connectivity.restored(signal)
      if (signal.aborted) return undefined
      if (again) await options.verify()
      return await Consumer.open(api, options)
    } catch (error) {
      if (!isTransient(error) || api.connectivity.closed) throw error
      if (patienceMs !== undefined && api.clock.monotonic() - startMs > patienceMs) {
        throw new LogUnavailable(`the stream '${options.stream}' could not be read for ${patienceMs} ms`, {}, error)
      }
      await pause(api.clock, RETRY_MS, signal)
    }
  }
  return undefined
}

/** One consumer: delivers in order until anything is doubtful, then ends. */
class Consumer {
  waiting = 0
  readonly #api: Reading
  readonly #stream: string
  readonly #name: string
  #arrived: Msg[] = []
  #wake: (() => void) | undefined
  #lost = false
  #heardMs: number
  #silence: Timer | undefined
  /** What to undo on close. */
  readonly #closers: (() => void)[] = []

  private constructor(api: Reading, stream: string) {
    this.#api = api
    this.#stream = stream
    this.#name = `troupe-${api.entropy.hex(64)}`
    this.#heardMs = api.clock.monotonic()
  }

  static async open(api: Reading, { stream, filter, from, headersOnly = false }: OrderedOptions): Promise<Consumer> {
    const consumer = new Consumer(api, stream)
    try {
      await consumer.#open(filter, from, headersOnly)
      return consumer
    } catch (error) {
      consumer.close()
      throw error
    }
  }

  async #open(filter: string, from: number | 'last-of-each', headersOnly: boolean): Promise<void> {
    const deliver = `_INBOX.${this.#name}`
    const subscription = this.#api.nc.subscribe(deliver, {
      callback: (error, msg) => this.#take(error ?? undefined, msg),
    })
    const connection = this.#api.connectivity.onChange(() => this.#lose())
    this.#closers.push(
      () => subscription.unsubscribe(),
      () => connection.unsubscribe(),
    )
    const start =
      from === 'last-of-each'
        ? { deliver_policy: DeliverPolicy.LastPerSubject }
        : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from }
    const info = await request(this.#api, `read '${filter}' of stream '${this.#stream}'`, () =>
      this.#api.jsm.consumers.add(this.#stream, {
        ...start,
        name: this.#name,
        deliver_subject: deliver,
        filter_subject: filter,
        ...(headersOnly && { headers_only: true }),
        ack_policy: AckPolicy.None,
        replay_policy: ReplayPolicy.Instant,
        flow_control: true,
        idle_heartbeat: nanos(HEARTBEAT_MS),
        inactive_threshold: nanos(ABANDONED_MS),
        mem_storage: true,
        num_replicas: 1,
      }),
    )
    this.#closers.push(() => this.#remove())
    // Delivery begins before this answer: what has already left is no longer pending.
    this.waiting = info.num_pending + info.delivered.consumer_seq
    this.#listen()
  }

  async *items(signal: AbortSignal): AsyncGenerator<Extract<OrderedItem, { kind: 'message' }>, void, void> {
    const wake = (): void => this.#wake?.()
    signal.addEventListener('abort', wake)
    this.#closers.push(() => signal.removeEventListener('abort', wake))
    let count = 0
    while (!signal.aborted) {
      const batch = this.#arrived
      this.#arrived = []
      if (batch.length === 0) {
        if (this.#lost) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
      for (const msg of batch) {
        const status = statusOf(msg)
        if (status === 100) {
          if (!this.#heartbeat(msg, count)) return
        } else if (status !== 0) return
        else {
          const place = placeOf(msg.reply ?? '')
          count += 1
          if (place.count !== count) return
          yield { kind: 'message', msg, ...place }
          if (signal.aborted) return
        }
      }
    }
  }

  close(): void {
    this.#silence?.cancel()
    for (const undo of this.#closers.splice(0)) undo()
  }

  /** Answers flow control; false when the server has sent more than has arrived. */
  #heartbeat(msg: Msg, count: number): boolean {
    const stalled = msg.reply || msg.headers?.get('Nats-Consumer-Stalled')
    if (stalled && this.#api.connectivity.connected) this.#api.nc.publish(stalled)
    const sent = msg.headers?.get('Nats-Last-Consumer')
    return !sent || Number(sent) === count
  }

  #take(error: Error | undefined, msg: Msg): void {
    if (error) {
      this.#lose()
      return
    }
    this.#heardMs = this.#api.clock.monotonic()
    this.#arrived.push(msg)
    this.#wake?.()
  }

  #lose(): void {
    this.#lost = true
    this.#wake?.()
  }

  #listen(): void {
    if (this.#api.clock.monotonic() - this.#heardMs > SILENCE_MS) this.#lose()
    else this.#silence = this.#api.clock.after(HEARTBEAT_MS, () => this.#listen())
  }

  #remove(): void {
    if (!this.#api.connectivity.connected) return
    // Best effort: a consumer nobody listens to is removed by the server in any case.
    this.#api.jsm.consumers.delete(this.#stream, this.#name).catch(() => undefined)
  }
}

/** From the reply subject: `$JS.ACK.<stream>.<consumer>.<times>.<position>.<count>.<nanoseconds>.<pending>`. */
function placeOf(reply: string): { position: number; count: number; storedAt: number; pending: number } {
  const tokens = reply.split('.')
  // The longer form has domain and account before the stream.
  const at = tokens.length >= 11 ? 2 : 0
  const number = (index: number): number => Number(tokens[index + at])
  return { position: number(5), count: number(6), storedAt: Math.floor(number(7) / 1e6), pending: number(8) }
}
