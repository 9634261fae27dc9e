/**
 * The wire of a memory world and one connection's end of it.
 *
 * 1. Nothing crosses the wire synchronously: every hop is a later turn of the event loop, in the order it was posted.
 * 2. A request that left before a cut still arrives; its answer is lost. One made during a cut never leaves.
 * 3. A closed link stays closed.
 */
import { setImmediate } from 'node:timers'
import { Disconnected, LogUnavailable } from '../errors.ts'
import type { Subscription } from '../ports.ts'

/** One queue for the whole world, emptied once per turn of the event loop so that timers and I/O are never starved. */
export class Wire {
  #queue: (() => void)[] = []

  post(hop: () => void): void {
    if (this.#queue.push(hop) === 1) setImmediate(this.#drain)
  }

  #drain = (): void => {
    const batch = this.#queue
    this.#queue = []
    for (const hop of batch) hop()
  }
}

export class Link {
  readonly #wire: Wire
  readonly #listeners = new Set<(connected: boolean) => void>()
  #connected = true
  #closed = false
  /** Counts the cuts: an answer is only let through in the era its request was made in. */
  #era = 0

  constructor(wire: Wire) {
    this.#wire = wire
  }

  get connected(): boolean {
    return this.#connected
  }

  get closed(): boolean {
    return this.#closed
  }

  cut(): void {
    this.#set(false)
  }

  heal(): void {
    if (!this.#closed) this.#set(true)
  }

  close(): void {
    this.#closed = true
    this.#set(false)
  }

  onChange(listener: (connected: boolean) => void): Subscription {
    const entry = (connected: boolean): void => listener(connected)
    this.#listeners.add(entry)
    return { unsubscribe: () => this.#listeners.delete(entry) }
  }

  /** Throws what a sender gets who has no connection. */
  check(): void {
    if (this.#closed) throw new Disconnected('the connection is closed')
    if (!this.#connected) throw new Disconnected('no connection to the memory world: it was cut')
  }

  /** Runs `request` on the far side and brings its result back. Rejects when the link is cut on the way. */
  async call<T>(request: () => T): Promise<T> {
    this.check()
    const era = this.#era
    return new Promise<T>((resolve, reject) => {
      this.#wire.post(() => {
        const answer = request()
        this.#wire.post(() => {
          if (era === this.#era) resolve(answer)
          else reject(new LogUnavailable('the connection was lost before the answer came'))
        })
      })
    })
  }

  #set(connected: boolean): void {
    if (connected === this.#connected) return
    this.#connected = connected
    if (!connected) this.#era += 1
    for (const listener of this.#listeners) listener(connected)
  }
}
