/**
 * A world in this process, for tests and first steps: `memory()`.
 *
 * 1. Each `memory()` object is one world: its connections see each other, two objects never do.
 * 2. Nothing survives the process, and `durability` says so.
 */
import { Subjects } from '../address.ts'
import { noticeHeaders } from '../mail-notice.ts'
import type { Backend, Connection, ConnectOptions } from '../ports.ts'
import { raise } from '../raise.ts'
import { Broker, MemoryBus } from './bus.ts'
import { Log, MemoryJournal } from './journal.ts'
import { Link, Wire } from './link.ts'
import { MemoryMail } from './mail.ts'
import { PostOffice } from './post-office.ts'
import { MemoryStore, Shelf } from './store.ts'

export interface MemoryConnection extends Connection {
  /** Loses the connection, as a broken network would; what was on its way to others still arrives. */
  cut(): void
  heal(): void
}

export interface MemoryBackend extends Backend {
  readonly kind: 'memory'
  connect(options: ConnectOptions): Promise<MemoryConnection>
}

export function memory(options: { readonly namespace?: string } = {}): MemoryBackend {
  const { namespace = 'default' } = options
  let world: World | undefined
  return {
    kind: 'memory',
    connect: async (options) => {
      world ??= new World(namespace, options)
      return world.connect(options)
    },
  }
}

class World {
  readonly #namespace: string
  readonly #wire = new Wire()
  readonly #log: Log
  readonly #broker: Broker
  readonly #office: PostOffice
  readonly #shelf = new Shelf(this.#wire)

  constructor(namespace: string, { clock, entropy }: ConnectOptions) {
    this.#namespace = namespace
    const subjects = new Subjects(namespace)
    this.#log = new Log(entropy.hex(128), subjects.journals())
    // A plain message on a journal or mail subject is stored without any expectation, as a stream would.
    this.#broker = new Broker(({ subject, data, headers }) => {
      if (this.#log.takes(subject)) this.#log.store(subject, new Uint8Array(data), clock.now())
      else if (this.#office.takes(subject)) this.#office.store(subject, new Uint8Array(data), headers)
      else return false
      return true
    })
    this.#office = new PostOffice({
      streamId: entropy.hex(128),
      subjects,
      clock,
      onStored: (subject, entry) => {
        const notice = { subject, data: new Uint8Array(), headers: noticeHeaders(entry) }
        this.#wire.post(() => this.#broker.route(notice, () => 0))
      },
    })
  }

  connect({ clock, entropy, onHandlerError = raise }: ConnectOptions): MemoryConnection {
    const link = new Link(this.#wire)
    return {
      namespace: this.#namespace,
      durability: 'memory',
      servers: [],
      bus: new MemoryBus(link, this.#wire, this.#broker, entropy, onHandlerError),
      journal: new MemoryJournal(link, this.#log, clock),
      mail: new MemoryMail(link, this.#office),
      store: new MemoryStore(link, this.#shelf, clock, onHandlerError),
      cut: () => link.cut(),
      heal: () => link.heal(),
      close: async () => link.close(),
    }
  }
}
