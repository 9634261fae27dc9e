/**
 * One way to an OTLP/HTTP receiver, in JSON.
 *
 * 1. Tried again: no connection, no answer in time, 429, 502, 503, 504. After `attempts` tries it is over, and said (`DeliveryFailed`).
 * 2. What a receiver refuses as wrong is not sent again; what it takes in part is counted by what it says.
 */
import { type Clock, TroupeError } from '@troupe/core'

export interface OtlpTarget {
  /** Base URL, as `http://localhost:4318`; `/v1/traces` and `/v1/metrics` follow it. */
  readonly url: string
  /** As `authorization`. */
  readonly headers?: Readonly<Record<string, string>>
  /** Of one try. @defaultValue 10_000 */
  readonly timeoutMs?: number
  /** @defaultValue 5 */
  readonly attempts?: number
}

/** A receiver did not take what it was sent: it refused it, or every try was in vain. */
export class DeliveryFailed extends TroupeError {
  readonly code = 'DeliveryFailed'
}

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 10_000
const TRY_AGAIN = new Set([429, 502, 503, 504])

type Tried =
  | { readonly kind: 'taken'; readonly body: Uint8Array }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'later'; readonly why: string; readonly pauseMs?: number }

export class Otlp {
  readonly #target: OtlpTarget
  readonly #clock: Clock

  constructor(target: OtlpTarget, clock: Clock) {
    this.#target = target
    this.#clock = clock
  }

  /** @returns the body of the answer. @throws DeliveryFailed */
  async send(signal: 'traces' | 'metrics', body: Uint8Array): Promise<Uint8Array> {
    const { attempts = 5 } = this.#target
    for (let [n, pauseMs] = [1, FIRST_PAUSE_MS]; ; n++, pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const tried = await this.#try(signal, body)
      if (tried.kind === 'taken') return tried.body
      if (tried.kind === 'refused' || n >= attempts) throw new DeliveryFailed(tried.why)
      const waitMs = Math.min(tried.pauseMs ?? pauseMs, LONGEST_PAUSE_MS)
      await new Promise<void>((resolve) => this.#clock.after(waitMs, resolve, { keepAlive: true }))
    }
  }

  async #try(signal: string, body: Uint8Array): Promise<Tried> {
    const { url, headers, timeoutMs = 10_000 } = this.#target
    const late = new AbortController()
    const timer = this.#clock.after(timeoutMs, () => late.abort(), { keepAlive: true })
    const where = `${url.replace(/\/+$/, '')}/v1/${signal}`
    try {
      const response = await fetch(where, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: Buffer.from(body),
        signal: late.signal,
      })
      const answer = new Uint8Array(await response.arrayBuffer())
      if (response.ok) return { kind: 'taken', body: answer }
      const why = `${where} answers ${response.status}`
      if (!TRY_AGAIN.has(response.status)) return { kind: 'refused', why }
      const seconds = Number(response.headers.get('retry-after') ?? 'none')
      return { kind: 'later', why, ...(seconds >= 0 && { pauseMs: seconds * 1_000 }) }
    } catch (error) {
      if (late.signal.aborted) return { kind: 'later', why: `${where} has not answered within ${timeoutMs} ms` }
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
      return { kind: 'later', why: `${where} cannot be reached: ${String(cause)}` }
    } finally {
      timer.cancel()
    }
  }
}
