/**
 * Whether a member is dead: evidence for a takeover that does not wait for its lease.
 *
 * Owns the subject on which this node says that its incarnation lives, and the questions to others.
 *
 * 1. Only the server's "no responders" counts, three times in a row over 240 ms. Silence says nothing: a node that is paused or cut
 *    off keeps its lease.
 * 2. The witness's own connection must have stood for 2 s before and must stand until the verdict: after a server has started
 *    again everybody is missing for a moment.
 * 3. One question at a time about one member.
 */
import type { Subjects } from './address.ts'
import type { Bus, Clock, Subscription } from './ports.ts'

/** After a restart of its server a living node was unreachable for 65 to 138 ms. */
const QUESTIONS = 3
const BETWEEN_MS = 120
const STEADY_MS = 2_000
const PATIENCE_MS = 500

export interface WitnessOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
  readonly onDead: (member: string) => void
}

export class Witness {
  readonly #o: WitnessOptions
  readonly #asking = new Set<string>()
  #answering: Subscription | undefined
  readonly #connection: Subscription
  /** Since when the connection stands; undefined while there is none. */
  #steadySince: number | undefined

  constructor(options: WitnessOptions) {
    this.#o = options
    const { bus, clock } = options
    this.#steadySince = bus.connected ? clock.monotonic() : undefined
    this.#connection = bus.onConnection((connected) => {
      this.#steadySince = connected ? clock.monotonic() : undefined
    })
  }

  /** From now on this node answers for this incarnation and for no earlier one. */
  answerFor(member: string): void {
    const { bus, subjects } = this.#o
    this.#answering?.unsubscribe()
    this.#answering = bus.subscribe(subjects.node(member, 'alive'), ({ reply }) => {
      if (reply?.startsWith(`${subjects.inboxRoot}.`) && bus.connected) bus.publish(reply, new Uint8Array())
    })
  }

  suspect(member: string): void {
    const since = this.#steadySince
    const steady = since !== undefined && this.#o.clock.monotonic() - since >= STEADY_MS
    if (!steady || this.#asking.has(member)) return
    this.#asking.add(member)
    void this.#isGone(member, since).then((gone) => {
      this.#asking.delete(member)
      if (gone) this.#o.onDead(member)
    })
  }

  stop(): void {
    this.#answering?.unsubscribe()
    this.#connection.unsubscribe()
    this.#steadySince = undefined
  }

  async #isGone(member: string, since: number): Promise<boolean> {
    for (let asked = 1; ; asked++) {
      const nobody = await this.#nobodyAnswersFor(member)
      if (!nobody || this.#steadySince !== since) return false
      if (asked === QUESTIONS) return true
      await new Promise<void>((resolve) => this.#o.clock.after(BETWEEN_MS, resolve))
      if (this.#steadySince !== since) return false
    }
  }

  #nobodyAnswersFor(member: string): Promise<boolean> {
    const { bus, subjects, clock } = this.#o
    if (!bus.connected) return Promise.resolve(false)
    return new Promise((resolve) => {
      const end = (nobody: boolean) => {
        timer.cancel()
        reply.close()
        resolve(nobody)
      }
      const timer = clock.after(PATIENCE_MS, () => end(false))
      const reply = bus.openReply((answer) => end(answer === 'no-responders'))
      bus.publish(subjects.node(member, 'alive'), new Uint8Array(), { reply: reply.subject })
    })
  }
}
