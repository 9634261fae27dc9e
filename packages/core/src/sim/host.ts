/**
 * A place of a simulated cluster: the process that runs there, with its system. It dies, leaves, and starts again under the
 * same name, with older or newer definitions.
 *
 * 1. One process at a time; whoever dies starts again.
 * 2. A process that leaves hands its shards over first, and is gone by the moment at which it is to start again.
 */
import type { AnyActorDef } from '../actor.ts'
import type { KeyStore } from '../ports.ts'
import { createSystem, type System, type SystemOptions } from '../system.ts'
import type { SimServer } from './backend.ts'
import type { SimLink } from './link.ts'
import { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

/** What a node serves, before and after an upgrade. */
export type Release = 'older' | 'newer'

export interface HostOptions extends Pick<SystemOptions, 'shards' | 'leaseMs' | 'residency'> {
  readonly name: string
  /** Nodes may die by chance. */
  readonly mortal: boolean
  readonly scheduler: Scheduler
  readonly server: SimServer
  readonly keys: KeyStore
  readonly release: Release
  readonly actors: (release: Release) => readonly AnyActorDef[]
  /** A number that no other life has. */
  readonly newLife: () => number
  readonly onStart: (host: Host, system: System) => void
  /** @returns after how long it starts again */
  readonly onDeath: () => number
}

const BOOT_AGAIN_MS = 500

export class Host {
  readonly name: string
  process: SimProcess
  link: SimLink | undefined
  system: System | undefined
  /** What it serves when it starts next. */
  release: Release
  #runs: Release
  /** When it is to start again, if that is decided. */
  #backMs: number | undefined
  readonly #o: HostOptions

  constructor(options: HostOptions) {
    this.#o = options
    this.name = options.name
    this.release = options.release
    this.#runs = options.release
    this.process = this.#newProcess()
  }

  boot(): void {
    this.system = undefined
    this.#backMs = undefined
    this.#runs = this.release
    this.process = this.#newProcess()
    const { process } = this
    process.onDeath(() => this.#died())
    const start = (): void => {
      this.#newSystem(process).then(
        (system) => {
          this.system = system
          this.#o.onStart(this, system)
        },
        (error: unknown) => {
          this.#o.scheduler.note(`${this.name} does not start: ${String(error)}`)
          process.clock.after(BOOT_AGAIN_MS, start)
        },
      )
    }
    start()
  }

  /** Dies, or hands over and then ends; starts again after `awayMs`. */
  leave(gracefully: boolean, awayMs: number): void {
    const { scheduler } = this.#o
    const { process, system } = this
    if (!process.alive) return
    this.#backMs = scheduler.time.elapsedMs + awayMs
    if (!gracefully || system === undefined) return process.kill()
    scheduler.note(`${this.name} leaves`)
    void system.drain().then(() => process.kill())
    scheduler.at(awayMs, `${this.name} has left`, () => process.kill())
  }

  /** All faults have ended: what does not run as it should starts anew. */
  heal(): void {
    this.release = 'newer'
    this.#backMs = undefined
    this.process.thaw()
    this.process.clock.skewMs = 0
    this.link?.heal()
    if (!this.process.alive) this.boot()
    else if (this.#runs !== this.release) this.process.kill()
  }

  #newProcess(): SimProcess {
    const { name, scheduler, mortal } = this.#o
    const process = new SimProcess(name, scheduler, { mortal, rate: scheduler.rate() })
    process.clock.skewMs = scheduler.skewMs()
    return process
  }

  #newSystem(process: SimProcess): Promise<System> {
    const { name: node, scheduler, server, newLife, actors, shards, leaseMs, residency, keys } = this.#o
    return createSystem({
      node,
      actors: actors(this.#runs),
      backend: server.backendOf(process, (link) => {
        this.link = link
      }),
      ...(shards !== undefined && { shards }),
      ...(leaseMs !== undefined && { leaseMs }),
      ...(residency !== undefined && { residency }),
      keys,
      clock: process.clock,
      entropy: scheduler.entropy(`${node}/${newLife()}`),
      onLog: (text, data) => scheduler.note(`${node} says: ${text} ${JSON.stringify(data)}`),
    })
  }

  #died(): void {
    const { scheduler, onDeath } = this.#o
    const delayMs = onDeath()
    const backMs = this.#backMs === undefined ? delayMs : Math.max(0, this.#backMs - scheduler.time.elapsedMs)
    scheduler.at(backMs, `${this.name} starts again`, () => {
      if (!this.process.alive) this.boot()
    })
  }
}
