/**
 * The mail of this node's shards: learns where something waits, and takes away what was consumed.
 *
 * 1. It learns from notices, and from lists: after a shard was opened, after a reconnect, and every 5 s.
 * 2. What is not known to be consumed is announced again with every list.
 * 3. Purging is lazy: it may be late or never happen; the receiver's cursor tells repetitions.
 * 4. A wake-up only wakes. One planned for an actor is replaced by an earlier one; the fired one is taken away once the
 *    actor is active.
 */
import type { Address, ShardName, Subjects } from './address.ts'
import { type MailNotice, noticeIn } from './mail-notice.ts'
import type { Clock, Connection, Entropy, Subscription, Timer } from './ports.ts'

export interface MailRoomOptions {
  readonly connection: Pick<Connection, 'mail' | 'bus'>
  readonly subjects: Subjects
  readonly clock: Clock
  readonly entropy: Entropy
  readonly shardOf: (address: Address) => ShardName
  readonly isOpen: (shard: ShardName) => boolean
  /** Mail lies at `position`; called again until it was consumed. */
  readonly onMail: (address: Address, position: number) => void
  readonly onWakeUp: (address: Address) => void
  readonly onLog: (text: string, data: object) => void
}

const LIST_MS = 5_000
const LIST_SOON_MS = 20
const PURGE_MS = 1_000
const WAKE_ID = 'wake'

export class MailRoom {
  readonly #o: MailRoomOptions
  readonly #due = new Map<Address, number>()
  readonly #woken = new Map<Address, number>()
  readonly #planned = new Map<Address, number>()
  readonly #purges = new Map<string, number>()
  readonly #connection: Subscription
  #listing = false
  #lister: Timer | undefined
  #purger: Timer | undefined
  #stopped = false

  constructor(options: MailRoomOptions) {
    this.#o = options
    this.#connection = options.connection.bus.onConnection((connected) => connected && this.#listIn(LIST_SOON_MS))
  }

  /** Call it before anything of the shard is listed: what is stored from now on is noticed. */
  open(shard: ShardName): Subscription {
    const { connection, subjects, shardOf } = this.#o
    // Another owner may have planned otherwise since.
    for (const address of this.#planned.keys()) if (shardOf(address) === shard) this.#planned.delete(address)
    const subscription = connection.bus.subscribe(subjects.notices(shard), (message) => {
      const notice = noticeIn(message)
      if (notice !== undefined) this.#found(notice)
    })
    this.#listIn(LIST_SOON_MS)
    return subscription
  }

  /** Actors with mail that is not known to be consumed. */
  get due(): number {
    return this.#due.size
  }

  stop(): void {
    this.#stopped = true
    this.#connection.unsubscribe()
    this.#lister?.cancel()
    this.#purger?.cancel()
  }

  // ── What waits ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Announces what is known to wait for an actor, as a list would. */
  announce(address: Address): void {
    const position = this.#due.get(address)
    if (position !== undefined) this.#o.onMail(address, position)
    if (this.#woken.has(address)) this.#o.onWakeUp(address)
  }

  #found({ subject, position }: MailNotice): void {
    const { subjects, onMail, onWakeUp } = this.#o
    if (!this.#o.isOpen(subjects.shardIn(subject))) return
    const address = this.#addressIn(subject)
    if (address === undefined) return
    if (subjects.isWakeUp(subject)) {
      this.#woken.set(address, Math.max(position, this.#woken.get(address) ?? 0))
      this.#planned.delete(address)
      onWakeUp(address)
    } else {
      this.#due.set(address, Math.max(position, this.#due.get(address) ?? 0))
      onMail(address, position)
    }
  }

  /** Subjects of others may lie here that are no addresses of ours. */
  #addressIn(subject: string): Address | undefined {
    try {
      return this.#o.subjects.addressIn(subject)
    } catch (error) {
      this.#o.onLog('mail on a subject that names no actor', { subject, error: String(error) })
      return undefined
    }
  }

  #listIn(delayMs: number): void {
    if (this.#stopped) return
    this.#lister?.cancel()
    this.#lister = this.#o.clock.after(delayMs, () => void this.#list())
  }

  async #list(): Promise<void> {
    if (this.#listing) return this.#listIn(LIST_SOON_MS)
    this.#listing = true
    const { connection, subjects, onLog } = this.#o
    try {
      this.#announceAgain()
      if (connection.bus.connected) {
        for (const pattern of subjects.waiting()) {
          for await (const notice of connection.mail.waiting(pattern)) {
            if (this.#stopped) return
            this.#found(notice)
          }
        }
      }
    } catch (error) {
      if (!this.#stopped) onLog('the mail could not be listed; it is tried again', { error: String(error) })
    } finally {
      this.#listing = false
      this.#listIn(LIST_MS)
    }
  }

  #announceAgain(): void {
    const { shardOf, isOpen, onMail, onWakeUp } = this.#o
    for (const [address, position] of [...this.#due]) {
      if (isOpen(shardOf(address))) onMail(address, position)
      else this.#due.delete(address)
    }
    for (const address of [...this.#woken.keys()]) {
      if (isOpen(shardOf(address))) onWakeUp(address)
      else this.#woken.delete(address)
    }
  }

  // ── What is done with ───────────────────────────────────────────────────────────────────────────────────────────────

  /** A committed step has the mail up to here. */
  consumed(address: Address, position: number): void {
    if ((this.#due.get(address) ?? 0) <= position) this.#due.delete(address)
    this.#purgeLater(this.#o.subjects.mail(this.#o.shardOf(address), address), position)
  }

  /** The actor runs: its timers and intents are taken up. */
  awake(address: Address): void {
    const position = this.#woken.get(address)
    if (position === undefined) return
    this.#woken.delete(address)
    this.#purgeLater(this.#o.subjects.wakeUp(this.#o.shardOf(address), address), position)
  }

  #purgeLater(subject: string, position: number): void {
    this.#purges.set(subject, Math.max(position, this.#purges.get(subject) ?? 0))
    if (this.#stopped) return
    this.#purger ??= this.#o.clock.after(PURGE_MS, () => {
      this.#purger = undefined
      void this.flush()
    })
  }

  /** Takes away what is known to be consumed; what fails stays for the next time, or for nobody. */
  async flush(): Promise<void> {
    for (const [subject, position] of [...this.#purges]) {
      if (this.#stopped) return
      this.#purges.delete(subject)
      try {
        await this.#o.connection.mail.purge(subject, position)
      } catch {
        this.#purgeLater(subject, position)
      }
    }
  }

  // ── Wake-ups ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @returns whether the actor will be woken at `due` or earlier, whoever lives then */
  async planWakeUp(address: Address, due: number): Promise<boolean> {
    const { connection, subjects, shardOf, entropy, clock } = this.#o
    const planned = this.#planned.get(address)
    if (planned !== undefined && planned <= due && planned > clock.now()) return true
    const shard = shardOf(address)
    const outcome = await connection.mail.schedule(subjects.schedule(shard, address, WAKE_ID), new Uint8Array(), {
      id: `wake.${entropy.hex(96)}`,
      at: Math.ceil(due),
      target: subjects.wakeUp(shard, address),
    })
    if (outcome.kind === 'stored') this.#planned.set(address, due)
    return outcome.kind === 'stored'
  }
}
