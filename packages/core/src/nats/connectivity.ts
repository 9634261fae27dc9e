/**
 * Whether there is a connection now, told by the client's own status events.
 *
 * 1. `check` throws `Disconnected` before anything reaches the client's buffer: what is published while disconnected must not
 *    arrive after the reconnect, long past its deadline.
 * 2. Listeners hear each change once, in order. Closing is the last loss.
 */
import type { NatsConnection } from '@nats-io/transport-node'
import { Disconnected } from '../errors.ts'
import type { Subscription } from '../ports.ts'

export class Connectivity {
  readonly #listeners = new Set<(connected: boolean) => void>()
  #connected = true
  readonly #end = new AbortController()

  constructor(nc: NatsConnection) {
    void this.#watch(nc)
  }

  get connected(): boolean {
    return this.#connected
  }

  get closed(): boolean {
    return this.#end.signal.aborted
  }

  check(): void {
    if (this.closed) throw new Disconnected('the connection to NATS is closed')
    if (!this.#connected) throw new Disconnected('no connection to NATS now; it is being restored')
  }

  onChange(listener: (connected: boolean) => void): Subscription {
    const entry = (connected: boolean): void => listener(connected)
    this.#listeners.add(entry)
    return { unsubscribe: () => this.#listeners.delete(entry) }
  }

  /** Resolves when there is a connection again, or the signal aborts. Rejects when there will never be one. */
  restored(signal: AbortSignal): Promise<void> {
    if (this.closed) return Promise.reject(new Disconnected('the connection to NATS is closed'))
    if (this.#connected || signal.aborted) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const done = (): void => {
        subscription.unsubscribe()
        signal.removeEventListener('abort', done)
        this.#end.signal.removeEventListener('abort', done)
        if (this.closed) reject(new Disconnected('the connection to NATS is closed'))
        else resolve()
      }
      const subscription = this.onChange(done)
      signal.addEventListener('abort', done)
      this.#end.signal.addEventListener('abort', done)
    })
  }

  close(): void {
    this.#end.abort()
    this.#set(false)
  }

  async #watch(nc: NatsConnection): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') this.#set(false)
      else if (status.type === 'reconnect') this.#set(true)
      // A permission that is missing, an expired credential: somebody must see it, and it is no reason to end the process.
      else if (status.type === 'error') process.emitWarning(status.error)
    }
    this.close()
  }

  #set(connected: boolean): void {
    if (connected === this.#connected) return
    this.#connected = connected
    for (const listener of this.#listeners) listener(connected)
  }
}
