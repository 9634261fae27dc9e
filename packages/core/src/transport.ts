/**
 * How a message gets to an actor: directly when it is here, else over the bus to whoever holds its shard.
 *
 * 1. Messages of actors and orders go where only nodes may publish.
 * 2. When nobody listens for a shard, the nodes are told: its owner may be dead (`witness.ts`). Once in 200 ms per shard.
 * 3. Who waits for an answer may ask whether anybody listens at all: a message to a node that has just died is lost without a word.
 * 4. What waits for shards that a node has opened is told so, for many shards at a time.
 */
import type { Address, ShardName, Subjects } from './address.ts'
import type { Transport } from './asker.ts'
import type { Route } from './askers.ts'
import { shardIn } from './cluster-keys.ts'
import { sizeOf } from './codec.ts'
import { decodeAnswer, type Envelope, type WireAnswer } from './envelope.ts'
import type { Bus, Clock, Subscription } from './ports.ts'
import { packWire } from './wire.ts'

export interface TransportOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
  readonly shardOf: (address: Address) => ShardName
  readonly holds: (address: Address) => boolean
  readonly receive: (envelope: Envelope, route: Route, sizeBytes: number) => void
  /** @throws SystemStopped */
  readonly check: () => void
  /** A node has opened shards: those of which this says yes are reached now. */
  readonly onOpened: (isThere: (address: Address) => boolean) => void
}

const NOTHING_TO_CLOSE = { close: () => {} } as const
const SAY_AGAIN_MS = 200
const DOUBT_AGAIN_MS = 500
/** A takeover opens dozens of shards within some milliseconds. */
const GATHER_MS = 5
const NOTHING = new Uint8Array()

export class BusTransport implements Transport {
  readonly #o: TransportOptions
  /** By shard: when the nodes were told that nobody listens for it. */
  readonly #told = new Map<ShardName, number>()
  /** By shard: when somebody asked whether anybody listens. */
  readonly #doubted = new Map<ShardName, number>()
  readonly #words: Subscription
  #opened: Set<ShardName> | undefined

  constructor(options: TransportOptions) {
    this.#o = options
    const { bus, subjects } = options
    this.#words = bus.subscribe(subjects.node('any', 'opened'), ({ data }) => this.#isOpen(shardIn(data)))
  }

  close(): void {
    this.#words.unsubscribe()
  }

  get connected(): boolean {
    return this.#o.bus.connected
  }

  send(envelope: Envelope, listener: (answer: WireAnswer | 'no-responders') => void): { close(): void } {
    const { bus, subjects, shardOf, holds, receive, check } = this.#o
    check()
    if (holds(envelope.to)) {
      receive(envelope, listener, weightOf(envelope))
      return NOTHING_TO_CLOSE
    }
    const { to, cause } = envelope
    const shard = shardOf(to)
    const asNode = cause.sender !== undefined || envelope.kind === 'operator'
    const subject = !asNode ? subjects.command(shard, to) : subjects.internal(shard, to)
    if (envelope.kind === 'event' && envelope.command === undefined) {
      bus.publish(subject, packWire(envelope))
      return NOTHING_TO_CLOSE
    }
    const reply = bus.openReply((answer) => {
      if (answer === 'no-responders') this.#nobodyListens(shard)
      listener(answer === 'no-responders' ? answer : decodeAnswer(answer.data))
    })
    try {
      bus.publish(subject, packWire(envelope), { reply: reply.subject })
    } catch (error) {
      reply.close()
      throw error
    }
    return reply
  }

  /** The node may have died with the message. An empty one has no effect, and tells whether somebody listens. */
  doubt(address: Address): void {
    const { bus, subjects, clock, shardOf, holds } = this.#o
    const shard = shardOf(address)
    const now = clock.monotonic()
    if (!bus.connected || holds(address) || now - (this.#doubted.get(shard) ?? -DOUBT_AGAIN_MS) < DOUBT_AGAIN_MS) return
    this.#doubted.set(shard, now)
    const reply = bus.openReply((answer) => {
      reply.close()
      if (answer === 'no-responders') this.#nobodyListens(shard)
    })
    clock.after(DOUBT_AGAIN_MS, () => reply.close())
    bus.publish(subjects.command(shard, address), NOTHING, { reply: reply.subject })
  }

  #isOpen(shard: ShardName | undefined): void {
    if (shard === undefined) return
    if (this.#opened !== undefined) return void this.#opened.add(shard)
    const opened = new Set([shard])
    this.#opened = opened
    const { clock, shardOf, onOpened } = this.#o
    clock.after(GATHER_MS, () => {
      this.#opened = undefined
      onOpened((address) => opened.has(shardOf(address)))
    })
  }

  #nobodyListens(shard: ShardName): void {
    const { bus, subjects, clock } = this.#o
    const now = clock.monotonic()
    if (now - (this.#told.get(shard) ?? -SAY_AGAIN_MS) < SAY_AGAIN_MS || !bus.connected) return
    this.#told.set(shard, now)
    bus.publish(subjects.node('any', 'unheard'), Buffer.from(JSON.stringify({ shard })))
  }
}

/** For the mailbox bound of messages that never became bytes. */
function weightOf(envelope: Envelope): number {
  return envelope.kind === 'event' ? 128 + sizeOf(envelope.event) : 128
}
