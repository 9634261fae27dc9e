/**
 * The message that carries an event or a question to an actor, and the answer that comes back. Versioned; unknown fields are
 * ignored, a higher major is refused. Payloads are encoded data (`codec.ts`), so they arrive as they will be recorded.
 */
import { type Address, splitAddress } from './address.ts'
import { encode, type Json } from './codec.ts'
import { InvalidEvent, UnsupportedVersion, type WireError } from './errors.ts'
import type { Answer, CommandId } from './step.ts'
import { unpackWire } from './wire.ts'

export const ENVELOPE_VERSION = 1

export interface EnvelopeCause {
  readonly correlation: string
  readonly causation: string
  readonly sender?: string
  readonly traceparent?: string
  readonly hops?: number
}

export type Envelope = { readonly v: typeof ENVELOPE_VERSION; readonly to: Address; readonly cause: EnvelopeCause } & (
  | {
      readonly kind: 'event'
      readonly event: Json
      /** Absent for `send`: at most once, not remembered. */
      readonly command?: CommandId & { readonly settled: number }
      readonly key?: string
      /** How long the asker still waits, counted from arrival. */
      readonly remainingMs?: number
    }
  | { readonly kind: 'view'; readonly fenced: boolean }
)

/** The answer on the wire: an ask's answer, or a view. */
export type WireAnswer =
  | { readonly v: 1; readonly ok: true; readonly value?: Json; readonly step?: string }
  | { readonly v: 1; readonly ok: false; readonly error: WireError; readonly step?: string }

export function answerToWire(answer: Answer): WireAnswer {
  return answer.ok
    ? { v: 1, ok: true, value: answer.value, step: answer.step }
    : { v: 1, ok: false, error: answer.error, step: answer.step }
}

/**
 * @param to the address in the subject it came on; the body may leave it out
 * @throws InvalidEvent, UnsupportedVersion, MessageTooLarge
 */
export function decodeEnvelope(bytes: Uint8Array, asJson: boolean, to: Address, freshId: () => string): Envelope {
  const body = record(unpackWire(bytes, asJson))
  if (body === undefined) throw new InvalidEvent(`the message to '${to}' is not a map`)
  const version = body['v'] ?? ENVELOPE_VERSION
  if (typeof version !== 'number' || version > ENVELOPE_VERSION) {
    throw new UnsupportedVersion(`envelope version ${String(version)}; this node reads up to ${ENVELOPE_VERSION}`)
  }
  const given = record(body['cause']) ?? {}
  const correlation = text(given['correlation']) ?? freshId()
  const cause: EnvelopeCause = {
    correlation,
    causation: text(given['causation']) ?? correlation,
    ...optional('sender', text(given['sender'])),
    ...optional('traceparent', text(given['traceparent'])),
    ...optional('hops', count(given['hops'])),
  }
  if (body['kind'] === 'view') return { v: 1, kind: 'view', to, cause, fenced: body['fenced'] === true }
  const event = record(body['event'])
  if (event === undefined || typeof event['type'] !== 'string') {
    throw new InvalidEvent(`the message to '${to}' needs event: { type, … }`, { type: splitAddress(to).type })
  }
  return {
    v: 1,
    kind: 'event',
    to,
    cause,
    event: encodedOrPlain(event),
    ...optional('command', commandIn(body['command'])),
    ...optional('key', text(body['key'])),
    ...optional('remainingMs', count(body['remainingMs'])),
  }
}

/** A sender of ours has encoded the event; a stock client's plain data is already in that form unless it holds bytes. */
function encodedOrPlain(event: { readonly [key: string]: unknown }): Json {
  const out: { [key: string]: Json } = {}
  for (const [key, value] of Object.entries(event)) out[key] = asJson(value, `event.${key}`)
  return out
}

function asJson(value: unknown, path: string): Json {
  if (value instanceof Uint8Array || typeof value === 'bigint' || typeof value === 'number')
    return encode(value, undefined, path)
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (Array.isArray(value)) return value.map((item, i) => asJson(item, `${path}[${i}]`))
  const fields = record(value)
  if (fields === undefined) return encode(value, undefined, path)
  return Object.fromEntries(Object.entries(fields).map(([key, item]) => [key, asJson(item, `${path}.${key}`)]))
}

export function decodeAnswer(bytes: Uint8Array): WireAnswer {
  const body = record(unpackWire(bytes))
  const step = optional('step', text(body?.['step']))
  const error = record(body?.['error'])
  if (body?.['ok'] === true) return { v: 1, ok: true, value: asJson(body['value'] ?? null, 'value'), ...step }
  return {
    v: 1,
    ok: false,
    error: {
      code: text(error?.['code']) ?? 'ActorFailed',
      message: text(error?.['message']) ?? 'the answer could not be read',
      retryable: error?.['retryable'] === true,
      applied: error?.['applied'] === 'no' ? 'no' : 'unknown',
      ...optional('details', record(error?.['details'])),
    },
    ...step,
  }
}

function commandIn(value: unknown): (CommandId & { settled: number }) | undefined {
  const command = record(value)
  const client = text(command?.['client'])
  const n = count(command?.['n'])
  if (client === undefined || n === undefined) return undefined
  return { client, n, settled: count(command?.['settled']) ?? 0 }
}

function record(value: unknown): { readonly [key: string]: unknown } | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    return undefined
  return { ...value }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined

function optional<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  const out: { [P in K]?: V } = {}
  if (value !== undefined) out[name] = value
  return out
}
