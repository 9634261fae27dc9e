/**
 * What waits for one actor: a system lane (effect results, timers) before the user lane (messages), each in order of arrival.
 *
 * 1. The user lane is bounded in messages and bytes; a full one refuses (`offer` is false), it never drops. An empty
 *    one takes a message of any size: refused mail comes again, and would stand before all that follows it.
 * 2. The system lane is not bounded here: it holds at most one result per running effect and one firing per timer.
 */
export interface MailboxLimits {
  readonly messages: number
  readonly bytes: number
}

export class Mailbox<System, User extends { readonly sizeBytes: number }> {
  readonly #limits: MailboxLimits
  #system: System[] = []
  #user: User[] = []
  #head = 0
  #bytes = 0

  constructor(limits: MailboxLimits) {
    this.#limits = limits
  }

  offer(message: User): boolean {
    const { messages, bytes } = this.#limits
    if (this.depth >= messages || (this.depth > 0 && this.#bytes + message.sizeBytes > bytes)) return false
    this.#user.push(message)
    this.#bytes += message.sizeBytes
    return true
  }

  offerSystem(input: System): void {
    this.#system.push(input)
  }

  takeSystem(): System | undefined {
    return this.#system.shift()
  }

  takeUser(): User | undefined {
    const message = this.#user[this.#head]
    if (message === undefined) return undefined
    this.#head += 1
    this.#bytes -= message.sizeBytes
    if (this.#head > 64 && this.#head * 2 > this.#user.length) {
      this.#user = this.#user.slice(this.#head)
      this.#head = 0
    }
    return message
  }

  /** What was meant for a tree that is gone. */
  dropSystem(): void {
    this.#system = []
  }

  /** Empties the user lane, for an actor that leaves this node. */
  drain(): User[] {
    const rest = this.#user.slice(this.#head)
    this.#user = []
    this.#head = this.#bytes = 0
    this.#system = []
    return rest
  }

  /** Messages waiting in the user lane. */
  get depth(): number {
    return this.#user.length - this.#head
  }

  get empty(): boolean {
    return this.depth === 0 && this.#system.length === 0
  }
}
