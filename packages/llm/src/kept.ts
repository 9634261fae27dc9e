/**
 * What the service remembers after a call: answers for repeats, cancelled jobs for late calls.
 *
 * 1. Nothing outlives its time, its count or its bytes; the oldest goes first.
 */
import type { Clock } from '@troupe/core'

interface Entry<V> {
  readonly value: V
  readonly sizeBytes: number
  readonly until: number
}

export interface KeptLimits {
  readonly forMs: number
  readonly count: number
  readonly sizeBytes: number
}

export class Kept<V> {
  readonly #entries = new Map<string, Entry<V>>()
  readonly #clock: Clock
  readonly #limits: KeptLimits
  #sizeBytes = 0

  constructor(clock: Clock, limits: KeptLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** Keeps `value`; a value larger than all room is not kept. */
  put(key: string, value: V, sizeBytes = 0): void {
    this.#remove(key)
    if (sizeBytes > this.#limits.sizeBytes) return
    this.#entries.set(key, { value, sizeBytes, until: this.#clock.monotonic() + this.#limits.forMs })
    this.#sizeBytes += sizeBytes
    this.#trim()
  }

  get(key: string): V | undefined {
    this.#trim()
    return this.#entries.get(key)?.value
  }

  has(key: string): boolean {
    this.#trim()
    return this.#entries.has(key)
  }

  get count(): number {
    return this.#entries.size
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  #remove(key: string): void {
    this.#sizeBytes -= this.#entries.get(key)?.sizeBytes ?? 0
    this.#entries.delete(key)
  }

  /** Insertion order is expiry order, since all entries live equally long. */
  #trim(): void {
    const now = this.#clock.monotonic()
    for (const [key, { until }] of this.#entries) {
      const full = this.#entries.size > this.#limits.count || this.#sizeBytes > this.#limits.sizeBytes
      if (!full && until > now) return
      this.#remove(key)
    }
  }
}
