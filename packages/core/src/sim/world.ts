/**
 * A simulated cluster: nodes and clients that run the production code, the faults that befall them, and the two phases.
 *
 * 1. Safety phase: the workload runs while faults happen. Liveness phase: all faults end, and everything must end well.
 * 2. Nodes die and come back; clients only lose their connection.
 * 3. Nothing of a world is left in the process when `run` has resolved.
 */
import type { AnyActorDef } from '../actor.ts'
import type { KeyStore } from '../ports.ts'
import type { ResidencyCap } from '../residency.ts'
import { openedWith } from '../seal.ts'
import type { System } from '../system.ts'
import { SimServer, type SimServerOptions } from './backend.ts'
import { checkCalls } from './call-check.ts'
import { type SimClient, TrackingClient } from './client.ts'
import { ADMITTED_DRIFT, type Faults } from './faults.ts'
import { Host, type Release } from './host.ts'
import { Ledger, type Violation } from './ledger.ts'
import { checkLog } from './log-check.ts'
import { checkMail } from './mail-check.ts'
import { disturb } from './nemesis.ts'
import type { SimProcess } from './process.ts'
import { Scheduler } from './scheduler.ts'

export interface WorldOptions {
  readonly seed: number | string
  readonly actors: (ledger: Ledger) => readonly AnyActorDef[]
  /** What nodes serve before they are upgraded; without it an upgrade is a restart. */
  readonly older?: (newer: readonly AnyActorDef[]) => readonly AnyActorDef[]
  readonly nodes: number
  readonly clients: number
  readonly shards: number
  readonly leaseMs: number
  readonly residency?: ResidencyCap
  readonly faults: Faults
  /** How long faults happen. */
  readonly disturbedMs: number
  /** How long after the last fault everything may take. */
  readonly patienceMs: number
  /** Runs on every client while faults happen; must return once it is no longer `disturbed`. */
  readonly workload: (client: SimClient) => Promise<void>
  /** Runs on every node that starts, until it dies or is no longer `disturbed`. */
  readonly guest?: (client: SimClient) => Promise<void>
  /** Runs on every client when the world is healthy: what must work now. */
  readonly afterHeal?: (client: SimClient) => Promise<void>
  /** Types whose actors never come to rest. */
  readonly restless?: readonly string[]
  readonly wrap?: SimServerOptions['wrap']
  /** Runs when the nodes are gone, before the checks. */
  readonly onEnd?: () => void
  readonly onTrace?: (line: string) => void
}

export interface Report {
  readonly seed: number | string
  readonly violations: readonly Violation[]
  /** Equal for two runs of one seed. */
  readonly trace: string
  readonly stats: {
    readonly virtualMs: number
    readonly records: number
    readonly calls: number
    readonly kills: number
  }
}

const RESTART_MS = [100, 6_000] as const
/** By then everything that chance has delayed has arrived. */
const LAST_ARRIVAL_MS = 7_000
/**
 * A start is some seven requests in a row; under the worst mix about one in four gets through, and each try takes 2.5 seconds.
 * In so many tries chance alone does not keep a node out: whoever is not in by then never will be.
 */
const BOOT_MS = 300_000

export class World {
  readonly ledger: Ledger
  readonly #o: WorldOptions
  readonly #scheduler: Scheduler
  readonly #server: SimServer
  readonly #defs: readonly AnyActorDef[]
  readonly #olderDefs: readonly AnyActorDef[]
  readonly #nodes: Host[]
  readonly #clients: Host[]
  /** Nodes whose guest is at work. */
  readonly #guests = new Set<SimProcess>()
  /** The ledger reads what is sealed with the keys of the nodes. */
  readonly #keys = new Map<string, Uint8Array>()
  #disturbed = true
  #lives = 0
  #kills = 0

  constructor(options: WorldOptions) {
    this.#o = options
    const { seed, faults, onTrace, wrap } = options
    this.#scheduler = new Scheduler({ seed, faults, ...(onTrace && { onTrace }) })
    this.ledger = new Ledger(this.#scheduler, (record) => openedWith(this.#keys.get(record.actor), record))
    this.#defs = options.actors(this.ledger)
    this.#olderDefs = options.older?.(this.#defs) ?? this.#defs
    this.#server = new SimServer({ scheduler: this.#scheduler, witness: this.ledger, ...(wrap && { wrap }) })
    this.#nodes = this.#hosts('n', options.nodes)
    this.#clients = this.#hosts('c', options.clients)
  }

  async run(): Promise<Report> {
    const release = catchEscapes((error) => this.ledger.report(14, `an error escaped: ${describe(error)}`))
    try {
      await this.#run()
    } finally {
      release()
      this.ledger.expectAllEnded()
      for (const host of [...this.#nodes, ...this.#clients]) host.process.kill()
      this.#o.onEnd?.()
    }
    checkLog(this.ledger, [this.#defs, this.#olderDefs])
    checkCalls(this.ledger)
    checkMail(this.ledger)
    return {
      seed: this.#o.seed,
      violations: this.ledger.violations,
      trace: this.#scheduler.trace,
      stats: {
        virtualMs: Math.round(this.#scheduler.time.elapsedMs),
        records: this.ledger.records.length,
        calls: this.ledger.calls.length,
        kills: this.#kills,
      },
    }
  }

  async #run(): Promise<void> {
    const { workload, afterHeal, disturbedMs } = this.#o
    const hosts = [...this.#nodes, ...this.#clients]
    for (const host of hosts) host.boot()
    if (!(await this.#within(BOOT_MS, () => hosts.every(({ system }) => system !== undefined)))) {
      return this.ledger.report(9, 'the cluster does not start')
    }
    const clients = this.#clients.flatMap(({ name, process, system }) => {
      return system === undefined ? [] : [this.#clientOf(process, system, name)]
    })
    const worked = this.#all(clients, workload)
    disturb({
      scheduler: this.#scheduler,
      network: this.#server.network,
      events: this.#o.faults.events,
      withinMs: disturbedMs,
      nodes: this.#nodes,
      clients: this.#clients,
      disturbed: () => this.#disturbed,
    })
    await this.#within(disturbedMs, () => false)
    this.#heal()
    await this.#within(LAST_ARRIVAL_MS, () => false)
    if (!(await this.#patiently(worked))) return this.ledger.report(9, 'the workload does not end after healing')
    const quiet = () =>
      this.#open().length + this.ledger.waiting().length === 0 && [...this.#guests].every(({ alive }) => !alive)
    if (!(await this.#patiently(quiet))) this.ledger.report(9, `still open after healing: ${this.#open().join('; ')}`)
    if (afterHeal === undefined) return
    if (!(await this.#patiently(this.#all(clients, afterHeal))))
      this.ledger.report(9, 'what must work after healing does not')
  }

  /** @returns whether all are done */
  #all(clients: readonly SimClient[], work: (client: SimClient) => Promise<void>): () => boolean {
    let done = 0
    for (const client of clients) this.#work(client, work, () => done++)
    return () => done === clients.length
  }

  #work(client: SimClient, work: (client: SimClient) => Promise<void>, done: () => void = () => {}): void {
    work(client).then(done, (error: unknown) => {
      this.ledger.report(9, `the work of ${client.name} failed: ${describe(error)}`)
    })
  }

  #open(): readonly string[] {
    const unrecorded = this.#defs.filter(({ persistence }) => persistence === 'volatile')
    return this.ledger.open(this.#o.restless ?? [], new Set(unrecorded.map(({ protocol }) => protocol.type)))
  }

  #patiently(done: () => boolean): Promise<boolean> {
    return this.#within(this.#o.patienceMs, done)
  }

  async #within(ms: number, done: () => boolean): Promise<boolean> {
    const { time } = this.#scheduler
    await time.run(time.elapsedMs + ms, done)
    return done()
  }

  // ── Hosts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #hosts(prefix: string, count: number): Host[] {
    const { shards, leaseMs, residency = {}, faults } = this.#o
    const isNode = prefix === 'n'
    const defs = (release: Release) => (release === 'older' ? this.#olderDefs : this.#defs)
    return Array.from({ length: count }, (_, i) => {
      return new Host({
        name: `${prefix}${i + 1}`,
        mortal: isNode,
        scheduler: this.#scheduler,
        server: this.#server,
        keys: keysIn(this.#keys),
        shards,
        leaseMs,
        residency,
        // In the middle of an upgrade.
        release: isNode && faults.events.upgrades > 0 && this.#scheduler.chance(0.5) ? 'older' : 'newer',
        actors: (release) => (isNode ? defs(release) : []),
        newLife: () => this.#lives++,
        onStart: ({ process }, system) => {
          if (isNode && this.#o.guest !== undefined) this.#welcome(process, system, this.#o.guest)
        },
        onDeath: () => {
          this.#kills += 1
          return this.#disturbed ? this.#scheduler.between(RESTART_MS) : 0
        },
      })
    })
  }

  #welcome(process: SimProcess, system: System, guest: (client: SimClient) => Promise<void>): void {
    this.#guests.add(process)
    const client = this.#clientOf(process, system, `${process.name}.g${this.#lives++}`)
    this.#work(client, guest, () => this.#guests.delete(process))
  }

  #clientOf(process: SimProcess, system: System, name: string): SimClient {
    return new TrackingClient({
      name,
      process,
      system,
      ledger: this.ledger,
      looksHold: this.#o.faults.clocks.drift <= ADMITTED_DRIFT,
      disturbed: () => this.#disturbed,
    })
  }

  #heal(): void {
    this.#disturbed = false
    this.#scheduler.note('all faults end')
    this.#scheduler.calm()
    this.#server.network.healAll()
    for (const host of [...this.#nodes, ...this.#clients]) host.heal()
  }
}

/** Errors that nobody catches would end a real process; here they are findings. */
function catchEscapes(report: (error: unknown) => void): () => void {
  const events = ['unhandledRejection', 'uncaughtException'] as const
  const others = events.map((event) => process.listeners(event))
  for (const event of events) process.removeAllListeners(event).on(event, report)
  return () => {
    for (const [at, event] of events.entries()) {
      process.removeAllListeners(event)
      for (const listener of others[at] ?? []) process.on(event, listener)
    }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

function keysIn(keys: Map<string, Uint8Array>): KeyStore {
  return {
    find: async (address) => keys.get(address),
    create: async (address, key) => {
      if (keys.has(address)) return false
      keys.set(address, key)
      return true
    },
    destroy: () => Promise.reject(new Error('nothing is erased in a simulation')),
  }
}
