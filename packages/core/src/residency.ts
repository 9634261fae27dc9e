/**
 * How many actors a node keeps in memory, and how large they may be together. Owns their sizes; the shard host owns the actors.
 *
 * 1. Above the cap those leave that have rested longest, down to nine tenths of it: the next activations find room.
 * 2. Only what may leave does: never an actor with an open ask, a running effect, a queued message or a timer that is near. What is
 *    left above the cap is said, once until it fits again.
 * 3. Volatile actors live here only: they neither leave nor count.
 */
import type { Address } from './address.ts'
import type { Clock, Timer } from './ports.ts'

export interface ResidencyCap {
  /** @defaultValue 10_000 */
  readonly actors?: number
  /** Of their states as they are recorded; in memory a state takes about four times as much. @defaultValue 128 MiB */
  readonly bytes?: number
}

/** A node with a heap of 2 GB holds both in half of it: measured, an idle actor takes 17 KB and a state four times its text. */
export const RESIDENCY = { actors: 10_000, bytes: 128 * 1024 * 1024 } as const

export interface Resting {
  readonly address: Address
  readonly sizeBytes: number
  /** Since when it rests, on the monotonic clock; undefined: it may not leave. */
  readonly since: number | undefined
}

interface Total {
  readonly actors: number
  readonly bytes: number
}

const ROOM = 0.9
/** At most one look at all actors in so long. */
const LOOK_MS = 100

/** Who leaves, the longest resting first; nobody while the cap holds. */
export function leaving(cap: Total, present: readonly Resting[]): readonly Address[] {
  let actors = present.length
  let bytes = present.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  if (actors <= cap.actors && bytes <= cap.bytes) return []
  const resting = present.flatMap((one) => (one.since === undefined ? [] : [{ ...one, since: one.since }]))
  const chosen: Address[] = []
  for (const { address, sizeBytes } of resting.sort((a, b) => a.since - b.since)) {
    if (actors <= cap.actors * ROOM && bytes <= cap.bytes * ROOM) break
    chosen.push(address)
    actors -= 1
    bytes -= sizeBytes
  }
  return chosen
}

export interface ResidencyOptions {
  readonly cap: ResidencyCap
  readonly clock: Clock
  readonly restingSince: (address: Address) => number | undefined
  /** Resolves when it has left, or has found something to do after all. */
  readonly leave: (address: Address) => Promise<void>
  readonly onLog: (text: string, data: object) => void
}

export class Residency {
  readonly #o: ResidencyOptions
  readonly #cap: Total
  readonly #sizes = new Map<Address, number>()
  #bytes = 0
  #look: Timer | undefined
  #said = false

  constructor(options: ResidencyOptions) {
    this.#o = options
    this.#cap = { ...RESIDENCY, ...options.cap }
  }

  /** An actor is in memory, with a state of this size as far as it is known. */
  holds(address: Address, sizeBytes: number): void {
    this.#bytes += sizeBytes - (this.#sizes.get(address) ?? 0)
    this.#sizes.set(address, sizeBytes)
    if (this.#exceeded) this.#look ??= this.#o.clock.after(LOOK_MS, () => void this.#makeRoom())
  }

  gone(address: Address): void {
    this.#bytes -= this.#sizes.get(address) ?? 0
    this.#sizes.delete(address)
    if (!this.#exceeded) this.#said = false
  }

  /** Of all states that are held. */
  get bytes(): number {
    return this.#bytes
  }

  stop(): void {
    this.#look?.cancel()
  }

  get #exceeded(): boolean {
    return this.#sizes.size > this.#cap.actors || this.#bytes > this.#cap.bytes
  }

  async #makeRoom(): Promise<void> {
    const { restingSince, leave, clock, onLog } = this.#o
    const present = [...this.#sizes].map(([address, sizeBytes]) => ({
      address,
      sizeBytes,
      since: restingSince(address),
    }))
    await Promise.all(leaving(this.#cap, present).map(leave))
    this.#look = undefined
    if (!this.#exceeded) return
    // Busy ones rest later.
    this.#look = clock.after(LOOK_MS * 10, () => void this.#makeRoom())
    if (this.#said) return
    this.#said = true
    const now = { actors: this.#sizes.size, bytes: this.#bytes }
    onLog('more actors are busy than the residency cap allows; they stay', { ...now, cap: this.#cap })
  }
}
