/**
 * How a message gets to an actor: directly when it is here, else over the bus to whoever holds its shard.
 *
 * 1. Messages of actors and orders go where only nodes may publish.
 * 2. When nobody listens for a shard, the nodes are told: its owner may be dead (`witness.ts`). Once in 200 ms per shard.
 */
import type { Address, ShardName, Subjects } from './address.ts'
import type { Transport } from './asker.ts'
import type { Route } from './askers.ts'
import { sizeOf } from './codec.ts'
import { decodeAnswer, type Envelope, type WireAnswer } from './envelope.ts'
import type { Bus, Clock } from './ports.ts'
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
}

const NOTHING_TO_CLOSE = { close: () => {} } as const
const SAY_AGAIN_MS = 200

export class BusTransport implements Transport {
  readonly #o: TransportOptions
  /** By shard: when the nodes were told that nobody listens for it. */
  readonly #told = new Map<ShardName, number>()

  constructor(options: TransportOptions) {
    this.#o = options
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

  #nobodyListens(shard: ShardName): void {
    const { bus, subjects, clock } = this.#o
    const now = clock.monotonic()
    if (now - (this.#told.get(shard) ?? Number.NEGATIVE_INFINITY) < SAY_AGAIN_MS || !bus.connected) return
    this.#told.set(shard, now)
    bus.publish(subjects.node('any', 'unheard'), Buffer.from(JSON.stringify({ shard })))
  }
}

/** For the mailbox bound of messages that never became bytes. */
function weightOf(envelope: Envelope): number {
  return envelope.kind === 'event' ? 128 + sizeOf(envelope.event) : 128
}
