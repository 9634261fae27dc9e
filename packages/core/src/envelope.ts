/**
 * The message that carries an event or a question to an actor, and the answer that comes back. Versioned; unknown fields are
 * ignored, a higher major is refused. Payloads are encoded data (`codec.ts`), so they arrive as they will be recorded.
 */
import { type Address, splitAddress } from './address.ts'
import { encode, isFlat, type Json, MAX_DEPTH } from './codec.ts'
import { InvalidEvent, NotSerializable, UnsupportedVersion, type WireError } from './errors.ts'
import type { Answer, CommandId } from './step.ts'
import { ORDERS, type Order } from './supervision.ts'
import { unpackWire } from './wire.ts'

export const ENVELOPE_VERSION = 1

/** Encoded data nests deeper than the data: a record with `$` in a key is wrapped. */
const WIRE_DEPTH = 2 * MAX_DEPTH + 2
/** Names of clients, keys, causes: they become part of an actor's state. */
const LONGEST_NAME = 512

export interface EnvelopeCause {
  readonly correlation: string
  readonly causation: string
  readonly sender?: string
  readonly traceparent?: string
  readonly hops?: number
}

/** `settled`: the client waits for nothing up to this number any more. */
export type EnvelopeCommand = CommandId & { readonly settled: number }
export type KeyedCommand = EnvelopeCommand & { readonly key?: string }

export type Envelope = { readonly v: typeof ENVELOPE_VERSION; readonly to: Address; readonly cause: EnvelopeCause } & (
  | {
      readonly kind: 'event'
      readonly event: Json
      /** Absent for `send`: at most once, not remembered. */
      readonly command?: EnvelopeCommand
      readonly key?: string
      /** How long the asker still waits, counted from arrival. */
      readonly remainingMs?: number
      /** Of a letter: wall clock of its sender; a step that is made later refuses it. Says nothing elsewhere. */
      readonly expiresAt?: number
    }
  | { readonly kind: 'view'; readonly fenced: boolean }
  | {
      /** What a person orders, not what a protocol says. Believed on `i` subjects only. */
      readonly kind: 'operator'
      readonly order: Order
      readonly command: EnvelopeCommand
      readonly key?: string
      readonly remainingMs?: number
    }
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
 * @throws InvalidEvent, NotSerializable, UnsupportedVersion, MessageTooLarge
 */
export function decodeEnvelope(bytes: Uint8Array, asJson: boolean, to: Address, freshId: () => string): Envelope {
  return envelopeIn(unpackWire(bytes, asJson), to, freshId)
}

export function envelopeIn(value: unknown, to: Address, freshId: () => string): Envelope {
  const body = record(value)
  if (body === undefined) throw new InvalidEvent(`the message to '${to}' is not a map`)
  const version = body['v'] ?? ENVELOPE_VERSION
  if (typeof version !== 'number' || version > ENVELOPE_VERSION) {
    throw new UnsupportedVersion(`envelope version ${String(version)}; this node reads up to ${ENVELOPE_VERSION}`)
  }
  const cause = causeIn(record(body['cause']) ?? {}, freshId)
  if (body['kind'] === 'operator') {
    const order = orderIn(body['order'])
    const command = commandIn(body['command'], to)
    if (order === undefined || command === undefined) {
      throw new InvalidEvent(
        `an order to '${to}' needs order: { kind: start | restart | reset | destroy } and a command`,
      )
    }
    const key = optional('key', keyIn(body['key'], to))
    const remaining = optional('remainingMs', count(body['remainingMs']))
    return { v: 1, kind: 'operator', to, cause, order, command, ...key, ...remaining }
  }
  if (body['kind'] === 'view') return { v: 1, kind: 'view', to, cause, fenced: body['fenced'] === true }
  const event = record(body['event'])
  if (event === undefined || typeof event['type'] !== 'string') {
    throw new InvalidEvent(`the message to '${to}' needs event: { type, … }`, { type: splitAddress(to).type })
  }
  const envelope: Building<Extract<Envelope, { kind: 'event' }>> = {
    v: 1,
    kind: 'event',
    to,
    cause,
    event: dataIn(event, 'event'),
  }
  const command = commandIn(body['command'], to)
  const key = keyIn(body['key'], to)
  const remainingMs = count(body['remainingMs'])
  const expiresAt = count(body['expiresAt'])
  if (command !== undefined) envelope.command = command
  if (key !== undefined) envelope.key = key
  if (remainingMs !== undefined) envelope.remainingMs = remainingMs
  if (expiresAt !== undefined) envelope.expiresAt = expiresAt
  return envelope
}

/** Fields are set one by one where a message is read: a spread per field costs more than the field. */
type Building<T> = { -readonly [K in keyof T]: T[K] }

function causeIn(given: { readonly [key: string]: unknown }, freshId: () => string): EnvelopeCause {
  const correlation = text(given['correlation']) ?? freshId()
  const cause: Building<EnvelopeCause> = { correlation, causation: text(given['causation']) ?? correlation }
  const sender = text(given['sender'])
  const traceparent = text(given['traceparent'])
  const hops = whole(given['hops'])
  if (sender !== undefined) cause.sender = sender
  if (traceparent !== undefined) cause.traceparent = traceparent
  if (hops !== undefined) cause.hops = hops
  return cause
}

function orderIn(value: unknown): Order | undefined {
  const order = record(value)
  const kind = ORDERS.find((known) => known === order?.['kind'])
  const erase = kind === 'destroy' && order?.['erase'] === true && { erase: true as const }
  return kind === undefined ? undefined : { kind, ...optional('reason', text(order?.['reason'])), ...erase }
}

/** Encoded data from the wire. A sender of ours has encoded the event; a stock client's plain data is already in that form unless it holds bytes. */
export function dataIn(value: unknown, path: string, depth = 0): Json {
  if (isFlat(value)) return value
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return encode(value, undefined, path)
  if (depth === WIRE_DEPTH) throw new NotSerializable(`${path} is nested deeper than ${WIRE_DEPTH} levels`, { path })
  if (Array.isArray(value)) return value.map((item, i) => dataIn(item, `${path}[${i}]`, depth + 1))
  if (Object.getPrototypeOf(value) !== Object.prototype) return encode(value, undefined, path)
  const out: { [key: string]: Json } = {}
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') throw new NotSerializable(`${path} has a key named '__proto__'`, { path })
    out[key] = dataIn(item, `${path}.${key}`, depth + 1)
  }
  return out
}

/** What cannot be read is an answer as well, outcome unknown: whoever asked must learn that it came. */
export function decodeAnswer(bytes: Uint8Array): WireAnswer {
  try {
    return answerIn(record(unpackWire(bytes)) ?? {})
  } catch (error) {
    return { v: 1, ok: false, error: unreadable(error instanceof Error ? error.message : String(error)) }
  }
}

function answerIn(body: { readonly [key: string]: unknown }): WireAnswer {
  const step = optional('step', text(body['step']))
  const version = body['v'] ?? ENVELOPE_VERSION
  if (typeof version !== 'number' || version > ENVELOPE_VERSION) {
    return { v: 1, ok: false, error: unreadable(`it has version ${String(version)}`), ...step }
  }
  if (body['ok'] === true) return { v: 1, ok: true, value: dataIn(body['value'] ?? null, 'value'), ...step }
  const error = record(body['error'])
  const code = text(error?.['code'])
  if (error === undefined || code === undefined) {
    return { v: 1, ok: false, error: unreadable('it names neither a value nor an error'), ...step }
  }
  return {
    v: 1,
    ok: false,
    error: {
      code,
      message: typeof error['message'] === 'string' ? error['message'] : code,
      retryable: error['retryable'] === true,
      applied: error['applied'] === 'no' ? 'no' : 'unknown',
      ...optional('details', record(error['details'])),
    },
    ...step,
  }
}

function unreadable(why: string): WireError {
  return {
    code: 'AnswerUnreadable',
    message: `the answer could not be read: ${why}`,
    retryable: false,
    applied: 'unknown',
  }
}

/** A command or key that cannot be read must not pass as a message without one: it would be applied twice. */
function commandIn(value: unknown, to: Address): (CommandId & { settled: number }) | undefined {
  if (value === undefined || value === null) return undefined
  const command = record(value)
  const client = text(command?.['client'])
  const n = whole(command?.['n'])
  const settled = whole(command?.['settled'] ?? 0)
  if (client === undefined || n === undefined || settled === undefined) {
    throw new InvalidEvent(`the message to '${to}' needs command: { client: text, n: integer, settled: integer }`)
  }
  return { client, n, settled }
}

function keyIn(value: unknown, to: Address): string | undefined {
  if (value === undefined || value === null) return undefined
  const key = text(value)
  if (key === undefined) {
    throw new InvalidEvent(
      `the idempotency key of the message to '${to}' must be text of 1 to ${LONGEST_NAME} characters`,
    )
  }
  return key
}

function record(value: unknown): { readonly [key: string]: unknown } | undefined {
  return isRecord(value) ? value : undefined
}

function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= LONGEST_NAME && value.isWellFormed() ? value : undefined
const whole = (value: unknown): number | undefined => (Number.isSafeInteger(value) ? count(value) : undefined)
const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined

function optional<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  const out: { [P in K]?: V } = {}
  if (value !== undefined) out[name] = value
  return out
}
