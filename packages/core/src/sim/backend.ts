/**
 * The simulated world that connections share, as a `Backend`: broker, log and shelf on one scheduler.
 *
 * 1. Each process of a world connects through `backendOf(process)`; its clock and its link are that process's own.
 * 2. A `Witness` sees what is stored, acknowledged and published at the moment it happens. It changes nothing.
 */
import { type Address, Subjects } from '../address.ts'
import { noticeHeaders } from '../mail-notice.ts'
import { Log } from '../memory/journal.ts'
import { PostOffice } from '../memory/post-office.ts'
import type { Backend, BusMessage, Connection, ConnectOptions, MailEntry } from '../ports.ts'
import { raise } from '../raise.ts'
import { Broker, SimBus } from './bus.ts'
import { SimJournal } from './journal.ts'
import { SimLink } from './link.ts'
import { SimMail } from './mail.ts'
import { Network } from './network.ts'
import type { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'
import { Shelf, SimStore } from './store.ts'

export interface Witness {
  stored(subject: string, bytes: Uint8Array): void
  /** The writer learns that its append is stored. */
  acknowledged(subject: string, bytes: Uint8Array): void
  published(process: SimProcess, message: BusMessage): void
  mailed(to: Address, entry: MailEntry, streamId: string): void
  /** Mail of a later time is stored. */
  planned(to: Address, entry: MailEntry, streamId: string): void
  /** A key of the store has another value, or none. */
  changed(key: string, value: Uint8Array | undefined): void
  /** The server learns that a process listens. */
  subscribed(process: SimProcess, subject: string): void
  /** A dead letter is stored. */
  buried(bytes: Uint8Array): void
}

export interface SimConnection extends Connection {
  readonly link: SimLink
}

export interface SimServerOptions {
  readonly scheduler: Scheduler
  readonly namespace?: string
  readonly witness?: Witness
  /** Stands between a process and its connection: how the simulation's own tests plant bugs. */
  readonly wrap?: (connection: Connection, process: SimProcess) => Connection
}

export class SimServer {
  readonly log: Log
  readonly office: PostOffice
  readonly namespace: string
  readonly network = new Network()
  readonly #o: SimServerOptions
  readonly #subjects: Subjects
  readonly #broker: Broker
  readonly #shelf: Shelf
  #growing: (() => void)[] = []

  constructor(options: SimServerOptions) {
    const { scheduler, namespace = 'sim' } = options
    this.#o = options
    this.namespace = namespace
    const subjects = new Subjects(namespace)
    this.#subjects = subjects
    this.log = new Log(scheduler.entropy('stream').hex(128), subjects.journals())
    this.office = new PostOffice({
      streamId: scheduler.entropy('mail').hex(128),
      subjects,
      clock: {
        now: () => scheduler.time.wallMs,
        after: (delayMs, run) => scheduler.at(delayMs, 'a schedule is due', run),
      },
      onStored: (subject, entry) => {
        if (!subjects.isWakeUp(entry.subject)) {
          options.witness?.mailed(subjects.addressIn(entry.subject), entry, this.office.streamId)
        }
        this.#broker.route({ subject, data: new Uint8Array(), headers: noticeHeaders(entry) })
      },
    })
    this.#shelf = new Shelf(scheduler, (key, value) => options.witness?.changed(key, value))
    // A plain message on a journal or mail subject is stored without any expectation, as a stream would.
    this.#broker = new Broker(scheduler, ({ subject, data, headers }) => {
      if (this.log.takes(subject)) this.#store(subject, new Uint8Array(data))
      else if (this.office.takes(subject)) this.office.store(subject, new Uint8Array(data), headers)
      else return false
      return true
    })
  }

  /** @param onLink gets the link of each connection, to cut and heal it */
  backendOf(process: SimProcess, onLink: (link: SimLink) => void = () => {}): Backend {
    return {
      kind: 'sim',
      connect: async (options) => {
        const connection = this.connect(process, options)
        onLink(connection.link)
        return this.#o.wrap?.(connection, process) ?? connection
      },
    }
  }

  connect(process: SimProcess, { entropy, onHandlerError = raise }: ConnectOptions): SimConnection {
    const link = new SimLink(process, this.network)
    const { witness } = this.#o
    return {
      namespace: this.namespace,
      durability: 'memory',
      servers: [],
      link,
      bus: new SimBus({
        link,
        broker: this.#broker,
        entropy,
        onHandlerError,
        onPublish: (message) => witness?.published(process, message),
        onSubscribed: (subject) => witness?.subscribed(process, subject),
      }),
      journal: new SimJournal({
        link,
        log: this.log,
        store: (subject, bytes) => this.#store(subject, bytes),
        grown: (link, signal) => this.#grown(link, signal),
        onAcknowledged: (subject, bytes) => witness?.acknowledged(subject, bytes),
      }),
      mail: new SimMail(link, this.office, {
        onDead: (bytes) => witness?.buried(bytes),
        onPlanned: (target, entry) => {
          if (!this.#subjects.isWakeUp(target)) {
            witness?.planned(this.#subjects.addressIn(target), entry, this.office.streamId)
          }
        },
      }),
      store: new SimStore(link, this.#shelf, onHandlerError),
      close: async () => link.close(),
    }
  }

  /** Removes a key of the store, as when its time has run out. */
  expire(key: string): void {
    this.#shelf.remove(key)
  }

  #store(subject: string, bytes: Uint8Array): number {
    const position = this.log.store(subject, bytes, this.#o.scheduler.time.wallMs)
    this.#o.witness?.stored(subject, bytes)
    const growing = this.#growing
    this.#growing = []
    for (const wake of growing) wake()
    return position
  }

  #grown(link: SimLink, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        changed.unsubscribe()
        healed.unsubscribe()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const changed = link.onChange(done)
      const healed = this.network.onHeal(done)
      signal.addEventListener('abort', done)
      this.#growing.push(done)
    })
  }
}
