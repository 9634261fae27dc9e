/**
 * All answers of one connection: replies to bus messages and acknowledgements of the streams.
 *
 * 1. One subscription, `_INBOX.<random>.*`; a reply subject costs a map entry and no timer.
 * 2. A server's "no responders" notice is told apart here and nowhere else.
 */
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { ReplySubject } from '../ports.ts'

export type Answer = Msg | 'no-responders'

/** Headers of a message that a server and not a peer has written. */
export const statusOf = (msg: Msg): number => (msg.data.length === 0 ? (msg.headers?.code ?? 0) : 0)

export class Inbox {
  readonly #prefix: string
  readonly #listeners = new Map<string, (answer: Answer) => void>()
  #count = 0

  constructor(nc: NatsConnection, unique: string, onError: (error: unknown, subject: string) => void) {
    this.#prefix = `_INBOX.${unique}.`
    nc.subscribe(`${this.#prefix}*`, {
      callback: (error, msg) => {
        if (error) {
          onError(error, this.#prefix)
          return
        }
        try {
          this.#listeners.get(msg.subject)?.(statusOf(msg) === 503 ? 'no-responders' : msg)
        } catch (thrown) {
          onError(thrown, msg.subject)
        }
      },
    })
  }

  open(listener: (answer: Answer) => void): ReplySubject {
    this.#count += 1
    const subject = this.#prefix + this.#count.toString(36)
    this.#listeners.set(subject, listener)
    return { subject, close: () => this.#listeners.delete(subject) }
  }
}
