/**
 * One call of a Python function, and its frames (docs/protocol.md). No I/O.
 *
 * 1. A call is settled once; whatever comes later is dropped.
 */
import { type BusMessage, type Cause, type EffectClass, packWire, type TroupeError, unpackWire } from '@troupe/core'
import { z } from 'zod'
import type { Evidence } from './trail.ts'

export interface CallRequest {
  readonly id: string
  readonly fn: string
  /** Keyword arguments. */
  readonly args: { readonly [name: string]: unknown }
  readonly class: EffectClass
  readonly timeoutMs: number
  readonly cause: Pick<Cause, 'correlation' | 'causation'>
  readonly signal: AbortSignal
  /** Told before the call settles: what happened inside Python. */
  evidence(data: Evidence): void
}

const wireError = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  applied: z.enum(['no', 'unknown']),
  details: z.record(z.string(), z.unknown()).default({}),
})
const about = {
  id: z.string(),
  worker: z.string(),
  wallMs: z.number(),
  spans: z.array(z.record(z.string(), z.unknown())).default([]),
  dropped: z.number().default(0),
}
const answer = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.unknown(), ...about }),
  z.object({ ok: z.literal(false), error: wireError, ...about }),
])

export type Answer = z.output<typeof answer>

export function encodeCall(id: string, { fn, args, cause }: CallRequest, remainingMs: number): Uint8Array {
  return packWire({ v: 1, id, fn, args: exact(args), deadlineMs: Math.max(1, Math.round(remainingMs)), cause })
}

/** msgpackr writes whole numbers above 32 bits as floats, and Python would take them for floats: not so big integers. */
function exact(value: unknown): unknown {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && Math.abs(value) >= 2 ** 31 ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(exact)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, exact(item)]))
}

export function encodeCancel(id: string, reason: string): Uint8Array {
  return packWire({ v: 1, id, reason })
}

/** @throws MessageTooLarge, or what msgpack or the schema says of bytes that are no answer */
export function decodeAnswer({ data }: BusMessage): Answer {
  return answer.parse(unpackWire(data))
}

/** A call between its request and its settlement. */
export class Call {
  readonly request: CallRequest
  /** Monotonic. */
  readonly deadline: number
  /** The id on the wire; a fresh one when an earlier run under the old one was cancelled. */
  wireId: string
  runs = 0
  /** Workers that died with it. */
  deaths = 0
  cancellations = 0
  /** Some worker may have begun it. */
  maybeStarted = false
  /** Its deadline has passed; its answer may still be on the way. */
  overdue = false
  readonly #resolve: (value: unknown) => void
  readonly #reject: (error: TroupeError) => void
  readonly #onSettled: () => void
  #settled = false

  constructor(
    request: CallRequest,
    deadline: number,
    resolve: (value: unknown) => void,
    reject: (error: TroupeError) => void,
    onSettled: () => void,
  ) {
    this.request = request
    this.deadline = deadline
    this.wireId = request.id
    this.#resolve = resolve
    this.#reject = reject
    this.#onSettled = onSettled
  }

  get settled(): boolean {
    return this.#settled
  }

  succeed(value: unknown): void {
    if (this.#settle()) this.#resolve(value)
  }

  fail(error: TroupeError): void {
    if (this.#settle()) this.#reject(error)
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#onSettled()
    return true
  }
}
