/**
 * The memory bus: one broker per world, one `MemoryBus` per connection.
 *
 * 1. Bytes are copied when published and once more for every further subscriber: no two parties share a buffer.
 * 2. Each subscriber sees messages in the order they were published.
 * 3. A message that finds its receiver cut off is gone, and a cut-off subscriber does not count as a responder.
 * 4. Nothing a handler throws reaches the publisher or another handler.
 */
import { invariant, MessageTooLarge } from '../errors.ts'
import {
  type Bus,
  type BusMessage,
  type BusSubscription,
  type Entropy,
  type Headers,
  PAYLOAD_BYTES,
  type ReplySubject,
  type Subscription,
} from '../ports.ts'
import type { Link, Wire } from './link.ts'
import { isLiteral, isSubject, type Match, subjectMatch } from './subject-match.ts'

interface Member {
  readonly link: Link
  readonly queue: string | undefined
  readonly take: (message: BusMessage) => void
}

/** What listens besides subscribers: the journal stores every message on its subjects, as a JetStream stream does. */
export type Tap = (message: BusMessage) => boolean

export class Broker {
  readonly #literal = new Map<string, Set<Member>>()
  readonly #patterns = new Map<Member, Match>()
  readonly #tap: Tap

  constructor(tap: Tap) {
    this.#tap = tap
  }

  add(subject: string, member: Member): Subscription {
    if (!isLiteral(subject)) {
      this.#patterns.set(member, subjectMatch(subject))
      return { unsubscribe: () => this.#patterns.delete(member) }
    }
    const members = this.#literal.get(subject) ?? new Set()
    this.#literal.set(subject, members.add(member))
    return {
      unsubscribe: () => {
        members.delete(member)
        if (members.size === 0 && this.#literal.get(subject) === members) this.#literal.delete(subject)
      },
    }
  }

  /** Hands the message to all who get it; false when that is nobody. `random` picks a member of each queue group. */
  route(message: BusMessage, random: () => number): boolean {
    const tapped = this.#tap(message)
    const takers = this.#takers(message.subject, random)
    let { data } = message
    for (const [at, member] of takers.entries()) {
      if (at > 0) data = new Uint8Array(data)
      member.take({ ...message, data })
    }
    return tapped || takers.length > 0
  }

  #takers(subject: string, random: () => number): Member[] {
    const takers: Member[] = []
    const groups = new Map<string, Member[]>()
    const consider = (member: Member): void => {
      if (!member.link.connected) return
      if (member.queue === undefined) takers.push(member)
      else groups.set(member.queue, [...(groups.get(member.queue) ?? []), member])
    }
    for (const member of this.#literal.get(subject) ?? []) consider(member)
    for (const [member, match] of this.#patterns) if (match(subject)) consider(member)
    for (const group of groups.values()) {
      const picked = group[Math.floor(random() * group.length)]
      if (picked) takers.push(picked)
    }
    return takers
  }
}

export class MemoryBus implements Bus {
  readonly #link: Link
  readonly #wire: Wire
  readonly #broker: Broker
  readonly #entropy: Entropy
  readonly #onHandlerError: (error: unknown, subject: string) => void
  readonly #inbox: string
  readonly #replies = new Map<string, (answer: BusMessage | 'no-responders') => void>()
  #replyCount = 0

  constructor(
    link: Link,
    wire: Wire,
    broker: Broker,
    entropy: Entropy,
    onHandlerError: (error: unknown, subject: string) => void,
  ) {
    this.#link = link
    this.#wire = wire
    this.#broker = broker
    this.#entropy = entropy
    this.#onHandlerError = onHandlerError
    this.#inbox = `_INBOX.${entropy.hex(96)}`
    broker.add(`${this.#inbox}.*`, { link, queue: undefined, take: (answer) => this.#answered(answer.subject, answer) })
  }

  get connected(): boolean {
    return this.#link.connected
  }

  publish(subject: string, data: Uint8Array, options?: { readonly reply?: string; readonly headers?: Headers }): void {
    this.#link.check()
    invariant(isSubject(subject), `'${subject}' is a subject that can be published to`)
    if (data.length > PAYLOAD_BYTES) {
      throw new MessageTooLarge(`message of ${data.length} bytes; ${PAYLOAD_BYTES} are allowed`)
    }
    const { reply, headers } = options ?? {}
    const message: BusMessage = {
      subject,
      data: new Uint8Array(data),
      ...(reply !== undefined && { reply }),
      ...(headers && { headers: { ...headers } }),
    }
    this.#wire.post(() => {
      const taken = this.#broker.route(message, this.#entropy.random)
      if (!taken && reply !== undefined && this.#link.connected) {
        this.#wire.post(() => this.#answered(reply, 'no-responders'))
      }
    })
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): BusSubscription {
    let open = true
    const take = (message: BusMessage): void => {
      if (open) this.#guard(message.subject, () => handler(message))
    }
    const subscription = this.#broker.add(subject, { link: this.#link, queue: options?.queue, take })
    return {
      unsubscribe: () => {
        open = false
        subscription.unsubscribe()
      },
      // What is routed is taken at once.
      drain: async () => subscription.unsubscribe(),
    }
  }

  openReply(listener: (answer: BusMessage | 'no-responders') => void): ReplySubject {
    this.#replyCount += 1
    const subject = `${this.#inbox}.${this.#replyCount.toString(36)}`
    this.#replies.set(subject, listener)
    return { subject, close: () => this.#replies.delete(subject) }
  }

  flush(): Promise<void> {
    return this.#link.call(() => undefined)
  }

  onConnection(listener: (connected: boolean) => void): Subscription {
    return this.#link.onChange(listener)
  }

  #answered(subject: string, answer: BusMessage | 'no-responders'): void {
    const listener = this.#replies.get(subject)
    if (listener) this.#guard(subject, () => listener(answer))
  }

  #guard(subject: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#onHandlerError(error, subject)
    }
  }
}
