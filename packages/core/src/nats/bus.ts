/**
 * The bus over core NATS.
 *
 * 1. Nothing is published without a connection (`connectivity.ts`).
 * 2. What a handler throws goes to `onError` and stops nothing else.
 */
import { type Msg, type NatsConnection, headers as natsHeaders, RequestError } from '@nats-io/transport-node'
import { Disconnected, MessageTooLarge } from '../errors.ts'
import {
  type Bus,
  type BusMessage,
  type BusSubscription,
  type Headers,
  PAYLOAD_BYTES,
  type ReplySubject,
  type Subscription,
} from '../ports.ts'
import type { Connectivity } from './connectivity.ts'
import { type Inbox, statusOf } from './inbox.ts'

export class NatsBus implements Bus {
  readonly #nc: NatsConnection
  readonly #connectivity: Connectivity
  readonly #inbox: Inbox
  readonly #onError: (error: unknown, subject: string) => void

  constructor(
    nc: NatsConnection,
    connectivity: Connectivity,
    inbox: Inbox,
    onError: (error: unknown, subject: string) => void,
  ) {
    this.#nc = nc
    this.#connectivity = connectivity
    this.#inbox = inbox
    this.#onError = onError
  }

  get connected(): boolean {
    return this.#connectivity.connected
  }

  publish(subject: string, data: Uint8Array, options?: { readonly reply?: string; readonly headers?: Headers }): void {
    this.#connectivity.check()
    if (data.length > PAYLOAD_BYTES) {
      throw new MessageTooLarge(`message of ${data.length} bytes; ${PAYLOAD_BYTES} are allowed`)
    }
    const { reply, headers } = options ?? {}
    this.#nc.publish(subject, data, { ...(reply && { reply }), ...(headers && { headers: encode(headers) }) })
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): BusSubscription {
    const subscription = this.#nc.subscribe(subject, {
      ...options,
      callback: (error, msg) => {
        if (error) {
          this.#onError(error, subject)
          return
        }
        // A server's notice (status header) to a reply subject that also is a plain subscription: not a message of a peer.
        if (statusOf(msg) !== 0) return
        try {
          handler(toMessage(msg))
        } catch (thrown) {
          this.#onError(thrown, msg.subject)
        }
      },
    })
    return {
      unsubscribe: () => subscription.unsubscribe(),
      drain: async () => {
        if (!this.connected) return subscription.unsubscribe()
        // A connection that is lost meanwhile has nothing more on its way.
        await subscription.drain().catch(() => undefined)
      },
    }
  }

  openReply(listener: (answer: BusMessage | 'no-responders') => void): ReplySubject {
    return this.#inbox.open((answer) => listener(answer === 'no-responders' ? answer : toMessage(answer)))
  }

  async flush(): Promise<void> {
    this.#connectivity.check()
    try {
      await this.#nc.flush()
    } catch (error) {
      if (error instanceof RequestError) throw new Disconnected('the connection was lost before the flush', {}, error)
      throw error
    }
  }

  onConnection(listener: (connected: boolean) => void): Subscription {
    return this.#connectivity.onChange(listener)
  }
}

function encode(headers: Headers): ReturnType<typeof natsHeaders> {
  const encoded = natsHeaders()
  for (const [name, value] of Object.entries(headers)) encoded.append(name, value)
  return encoded
}

function toMessage(msg: Msg): BusMessage {
  const { subject, data, reply, headers } = msg
  if (!headers) return reply ? { subject, data, reply } : { subject, data }
  const record: Record<string, string> = {}
  for (const [name, values] of headers) record[name] = values[0] ?? ''
  return { subject, data, ...(reply && { reply }), headers: record }
}
