/**
 * `ref.deliver`: a letter of this process, whoever is up now. Resolves when it is stored.
 *
 * 1. Its sender's name is random per process; what it delivers to one actor arrives in the order of the calls.
 * 2. A delayed one has a sender of its own, since it has no place in that order.
 */
import type { Address } from './address.ts'
import { LAST_MS } from './clock.ts'
import type { Json } from './codec.ts'
import type { EnvelopeCause } from './envelope.ts'
import { Disconnected } from './errors.ts'
import type { Outbox } from './outbox.ts'
import type { Bus, Clock, Entropy } from './ports.ts'

export interface DeliverOptions {
  /** Two deliveries or asks under one key are one, whoever sends them, for 24 h; they must carry the same payload. */
  readonly idempotencyKey?: string
  /** Applied not before this has passed; kept by the server meanwhile. */
  readonly delayMs?: number
  /**
   * From this call on, by this node's wall clock; longer than the delay. What no step has taken by then is not applied but kept
   * as a dead letter (`LetterExpired`).
   * @defaultValue never
   */
  readonly expiresAfterMs?: number
}

/** The stream remembers an id for 120 s: within this time sending again is safe. */
const PATIENCE_MS = 30_000

export class Deliveries {
  readonly #outbox: Outbox
  readonly #bus: Pick<Bus, 'connected'>
  readonly #clock: Clock
  readonly #sender: string
  #n = 0

  constructor(outbox: Outbox, bus: Pick<Bus, 'connected'>, clock: Clock, entropy: Entropy) {
    this.#outbox = outbox
    this.#bus = bus
    this.#clock = clock
    this.#sender = `mail-${entropy.hex(64)}`
  }

  /** @throws RangeError for a delay or an expiry that cannot be; Disconnected, TypeNotServed, MessageTooLarge: not stored; Timeout: perhaps stored, deliver again with a key */
  async deliver(to: Address, event: Json, cause: EnvelopeCause, options: DeliverOptions): Promise<void> {
    const { idempotencyKey: key, delayMs = 0, expiresAfterMs } = options
    const now = this.#clock.now()
    const due = now + delayMs
    if (!(delayMs >= 0 && due <= LAST_MS)) {
      throw new RangeError(`delayMs is ${delayMs}; it must be 0 or more and end before the year 2262`)
    }
    if (expiresAfterMs !== undefined && !(expiresAfterMs > delayMs && now + expiresAfterMs <= LAST_MS)) {
      throw new RangeError(
        `expiresAfterMs is ${expiresAfterMs}; it must be more than delayMs (${delayMs}) and end before the year 2262`,
      )
    }
    if (!this.#bus.connected) throw new Disconnected('there is no connection to NATS; nothing was stored')
    const deadline = this.#clock.monotonic() + PATIENCE_MS
    const n = ++this.#n
    const letter = {
      event,
      cause,
      ...(key !== undefined && { key }),
      ...(expiresAfterMs !== undefined && { expiresAt: Math.ceil(now + expiresAfterMs) }),
    }
    const posted =
      delayMs === 0
        ? await this.#outbox.post(to, { ...letter, command: { client: this.#sender, n } }, deadline)
        : await this.#outbox.postLater(
            to,
            { ...letter, command: { client: `${this.#sender}-${n}`, n: 1 } },
            Math.ceil(due),
            deadline,
          )
    if (posted.kind === 'failed') throw posted.error
  }
}
