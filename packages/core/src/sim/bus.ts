/**
 * The simulated bus: one broker per world, one `SimBus` per connection.
 *
 * 1. Bytes are copied when published: no two parties share a buffer.
 * 2. Messages of one publisher reach one subscriber in their order; any may get lost, a question may come twice.
 * 3. A subscription counts from when the server has learnt of it.
 * 4. A receiver that is cut off does not count as a responder; a dead one does until the server notices.
 */
import { invariant, MessageTooLarge } from '../errors.ts'
import { isSubject, type Match, subjectMatch } from '../memory/subject-match.ts'
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
import type { SimLink } from './link.ts'
import type { Scheduler } from './scheduler.ts'

type HandlerError = (error: unknown, subject: string) => void

interface Member {
  readonly match: Match
  readonly link: SimLink
  readonly queue: string | undefined
  readonly take: (message: BusMessage) => void
}

export class Broker {
  readonly #scheduler: Scheduler
  /** Stores messages on journal subjects, as a stream does; true when it took one. */
  readonly #tap: (message: BusMessage) => boolean
  readonly #members = new Set<Member>()
  readonly #inboxes = new Map<string, Member>()
  /** Members per subject, until somebody comes or goes. */
  readonly #known = new Map<string, readonly Member[]>()

  constructor(scheduler: Scheduler, tap: (message: BusMessage) => boolean) {
    this.#scheduler = scheduler
    this.#tap = tap
  }

  add(subject: string, member: Omit<Member, 'match'>): Subscription {
    const entry = { ...member, match: subjectMatch(subject) }
    this.#members.add(entry)
    this.#known.clear()
    return {
      unsubscribe: () => {
        this.#members.delete(entry)
        this.#known.clear()
      },
    }
  }

  /** @param inbox the first two tokens of all reply subjects of one connection */
  addInbox(inbox: string, member: Omit<Member, 'match'>): void {
    this.#inboxes.set(inbox, { ...member, match: () => false })
  }

  /** Hands the message to all who get it; false when that is nobody. @param from the process that has published it */
  route(message: BusMessage, from?: string): boolean {
    const tapped = this.#tap(message)
    const takers = this.#takers(message.subject)
    for (const { link, take } of takers) {
      const fate = this.#scheduler.messageFate(false)
      const copy = { ...message, data: new Uint8Array(message.data) }
      link.down('bus', `${link.process.name} < ${message.subject}`, fate, () => take(copy), from)
    }
    return tapped || takers.length > 0
  }

  #takers(subject: string): Member[] {
    const takers: Member[] = []
    const groups = new Map<string, Member[]>()
    for (const member of this.#interested(subject)) {
      if (!member.link.reachable) continue
      if (member.queue === undefined) takers.push(member)
      else groups.set(member.queue, [...(groups.get(member.queue) ?? []), member])
    }
    for (const group of groups.values()) {
      const picked = group[Math.floor(this.#scheduler.between([0, group.length]))]
      if (picked !== undefined) takers.push(picked)
    }
    return takers
  }

  #interested(subject: string): readonly Member[] {
    if (subject.startsWith('_INBOX.')) {
      const inbox = this.#inboxes.get(subject.slice(0, subject.lastIndexOf('.')))
      if (inbox !== undefined) return [inbox]
    }
    const known = this.#known.get(subject)
    if (known !== undefined) return known
    const found = [...this.#members].filter(({ match }) => match(subject))
    this.#known.set(subject, found)
    return found
  }
}

export interface SimBusOptions {
  readonly link: SimLink
  readonly broker: Broker
  readonly entropy: Entropy
  readonly onHandlerError: HandlerError
  /** Sees everything that leaves the process, at the moment it leaves. */
  readonly onPublish: (message: BusMessage) => void
  /** Sees what the server learns to send here. */
  readonly onSubscribed: (subject: string) => void
}

export class SimBus implements Bus {
  readonly #o: SimBusOptions
  readonly #inbox: string
  readonly #replies = new Map<string, (answer: BusMessage | 'no-responders') => void>()
  #replyCount = 0

  constructor(options: SimBusOptions) {
    this.#o = options
    this.#inbox = `_INBOX.${options.entropy.hex(96)}`
    const take = (answer: BusMessage): void => this.#answered(answer.subject, answer)
    options.broker.addInbox(this.#inbox, { link: options.link, queue: undefined, take })
  }

  get connected(): boolean {
    return this.#o.link.connected
  }

  publish(subject: string, data: Uint8Array, options?: { readonly reply?: string; readonly headers?: Headers }): void {
    const { link, broker, onPublish } = this.#o
    link.check()
    invariant(isSubject(subject), `'${subject}' is a subject that can be published to`)
    if (data.length > PAYLOAD_BYTES) {
      throw new MessageTooLarge(`message of ${data.length} bytes; ${PAYLOAD_BYTES} are allowed`)
    }
    if (link.process.mayDie()) return
    const { reply, headers } = options ?? {}
    const message: BusMessage = {
      subject,
      data: new Uint8Array(data),
      ...(reply !== undefined && { reply }),
      ...(headers && { headers: { ...headers } }),
    }
    onPublish(message)
    const { scheduler } = link.process
    const { name } = link.process
    link.up('bus', `${name} > ${subject}`, scheduler.messageFate(reply !== undefined), () => {
      if (broker.route(message, name) || reply === undefined) return
      link.down('bus', `${name} < nobody`, scheduler.messageFate(false), () => this.#answered(reply, 'no-responders'))
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
    const { link, broker, onSubscribed } = this.#o
    let added: Subscription | undefined
    const add = (): void => {
      if (!open) return
      added = broker.add(subject, { link, queue: options?.queue, take })
      onSubscribed(subject)
    }
    // Without a connection it is made known when that comes back, before anything else.
    const { name, scheduler } = link.process
    if (link.connected) link.up('bus', `${name} subscribes to ${subject}`, scheduler.sureFate(), add)
    else add()
    return {
      unsubscribe: () => {
        open = false
        added?.unsubscribe()
      },
      // What was routed before may come after the answer: a message takes its own time here.
      drain: async () => {
        await link.call('bus', `drain ${subject}`, () => undefined).catch(() => undefined)
        added?.unsubscribe()
      },
    }
  }

  openReply(listener: (answer: BusMessage | 'no-responders') => void): ReplySubject {
    this.#replyCount += 1
    const subject = `${this.#inbox}.${this.#replyCount.toString(36)}`
    this.#replies.set(subject, listener)
    return { subject, close: () => this.#replies.delete(subject) }
  }

  flush(): Promise<void> {
    return this.#o.link.call('bus', 'flush', () => undefined)
  }

  onConnection(listener: (connected: boolean) => void): Subscription {
    return this.#o.link.onChange(listener)
  }

  #answered(subject: string, answer: BusMessage | 'no-responders'): void {
    const listener = this.#replies.get(subject)
    if (listener) this.#guard(subject, () => listener(answer))
  }

  #guard(subject: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#o.onHandlerError(error, subject)
    }
  }
}
