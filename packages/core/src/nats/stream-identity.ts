/**
 * Is the stream still the one we wrote? A stream that was deleted and created again, or restored from a copy, keeps its name.
 *
 * 1. The identity is a random id in the stream's metadata, written once when it is created.
 * 2. A doubt (a reconnect) is settled by asking once; nothing that relies on the stream goes on before.
 */
import { LogDamaged } from '../errors.ts'
import { type Api, isStreamNotFound, request } from './api.ts'

export const ID_KEY = 'troupe-stream-id'
export const FORMAT_KEY = 'troupe-format'
export const FORMAT = '1'

export class StreamIdentity {
  readonly stream: string
  readonly id: string
  readonly #api: Api
  #settledMs: number
  #doubted = false
  #asking: Promise<void> | undefined

  constructor(api: Api, stream: string, id: string) {
    this.stream = stream
    this.id = id
    this.#api = api
    this.#settledMs = api.clock.monotonic()
    api.connectivity.onChange(() => {
      this.#doubted = true
    })
  }

  /** Undefined when there is no doubt; else rejects with `LogDamaged`, or with what kept us from asking. */
  settle(maxAgeMs = Number.POSITIVE_INFINITY): Promise<void> | undefined {
    if (!this.#doubted && this.#api.clock.monotonic() - this.#settledMs <= maxAgeMs) return undefined
    return this.ask()
  }

  ask(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(): Promise<void> {
    const startMs = this.#api.clock.monotonic()
    const found = await this.#read()
    if (found !== this.id) {
      throw new LogDamaged(
        `the stream '${this.stream}' is not the one this process wrote: its id is ${found}, not ${this.id}. ` +
          'It was deleted, created again or restored; stop all nodes and restore the right one.',
        { stream: this.stream, expected: this.id, found },
      )
    }
    this.#settledMs = startMs
    this.#doubted = false
  }

  async #read(): Promise<string> {
    try {
      const what = `read the configuration of stream '${this.stream}'`
      const info = await request(this.#api, what, () => this.#api.jsm.streams.info(this.stream))
      return info.config.metadata?.[ID_KEY] ?? 'none'
    } catch (error) {
      if (isStreamNotFound(error)) return 'gone'
      throw error
    }
  }
}
