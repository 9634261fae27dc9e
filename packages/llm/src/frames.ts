/**
 * `tr.<ns>.llm.*` as data: what a worker sends, and the frames it gets back (`docs/protocol.md`, "Model calls"). Pure.
 *
 * 1. An answer goes to a reply subject below `_INBOX.` only: a request cannot make us publish anywhere else.
 * 2. A call is the same call when its id and its request are the same. A worker that died and was replaced may count its
 *    calls in another order; it must not get the answer to another prompt.
 */
import { createHash } from 'node:crypto'
import { type BusMessage, type Headers, isJson, jsonHeaders, packWire, unpackWire } from '@troupe/core'
import { z } from 'zod'
import { decodeRequest, encodeAnswer, encodeError, type Lm15Event } from './lm15.ts'
import { type ModelAnswer, ModelError, type ModelRequest } from './model.ts'

export const WIRE_VERSION = 1

export interface Reply {
  readonly subject: string
  /** The request came as JSON, so do the frames. */
  readonly asJson: boolean
}

export interface CallMessage {
  readonly id: string
  readonly job: string
  /** The span of the worker that asked; null for a call without one. */
  readonly parent: string | null
  readonly stream: boolean
  /** What was left when the worker sent it. */
  readonly deadlineMs?: number
  readonly request: ModelRequest
  /** Same id and same request: same key. */
  readonly key: string
}

export interface CancelMessage {
  readonly ids: readonly string[]
  readonly job?: string
}

export type Outcome =
  | { readonly kind: 'ok'; readonly answer: ModelAnswer }
  | { readonly kind: 'error'; readonly error: ModelError }

const id = z.string().min(1).max(512)
const Call = z.looseObject({
  id,
  job: id,
  parent: z.string().nullish(),
  stream: z.boolean().nullish(),
  deadlineMs: z.number().nullish(),
  req: z.unknown(),
})
const Cancel = z.looseObject({ ids: z.array(id).nullish(), job: id.nullish() })

export function replyOf(message: BusMessage): Reply | undefined {
  if (message.reply === undefined || !/^_INBOX\.[^\s*>]+$/.test(message.reply)) return undefined
  return { subject: message.reply, asJson: isJson(message.headers) }
}

export function headersOf({ asJson }: Reply): { readonly headers: Headers } | undefined {
  return asJson ? { headers: jsonHeaders } : undefined
}

export function decodeCall(message: BusMessage): CallMessage {
  const { id, job, parent, stream, deadlineMs, req } = read(message, Call)
  const request = decodeRequest(req)
  return {
    id,
    job,
    parent: parent ?? null,
    stream: stream ?? false,
    ...(typeof deadlineMs === 'number' && { deadlineMs }),
    request,
    key: `${createHash('sha256').update(JSON.stringify(request)).digest('base64url')} ${id}`,
  }
}

export function decodeCancel(message: BusMessage): CancelMessage {
  const { ids, job } = read(message, Cancel)
  return { ids: ids ?? [], ...(typeof job === 'string' && { job }) }
}

function read<T>(message: BusMessage, schema: z.ZodType<T>): T {
  let body: unknown
  try {
    body = unpackWire(message.data, isJson(message.headers))
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    throw new ModelError('InvalidRequest', `the body cannot be decoded: ${what}`)
  }
  const version = z.looseObject({ v: z.number().int().positive() }).safeParse(body)
  if (version.success && version.data.v > WIRE_VERSION) {
    throw new ModelError('UnsupportedVersion', `version ${version.data.v} came; this node reads up to ${WIRE_VERSION}`)
  }
  const parsed = schema.safeParse(body)
  if (!version.success || !parsed.success) {
    const issues = parsed.success ? version.error : parsed.error
    throw new ModelError('InvalidRequest', `not a model call: ${issues === undefined ? 'v' : z.prettifyError(issues)}`)
  }
  return parsed.data
}

// ── Frames ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export function heartbeat({ asJson }: Reply): Uint8Array {
  return packWire({ t: 'hb' }, asJson)
}

export function errorFrame(error: ModelError, { asJson }: Reply): Uint8Array {
  return packWire({ t: 'err', ...encodeError(error) }, asJson)
}

/** `stream` tells the events of two answers to the same call apart, `n` counts them from 0. */
export function eventFrame(e: Lm15Event, stream: string, n: number, { asJson }: Reply): Uint8Array {
  return packWire({ t: 'ev', s: stream, n, e }, asJson)
}

/** The frame that ends a call; the events of a stream have gone before it. */
export function finalFrame(
  id: string,
  stream: string | undefined,
  model: string,
  outcome: Outcome,
  reply: Reply,
): Uint8Array {
  if (outcome.kind === 'error') return errorFrame(outcome.error, reply)
  const res = encodeAnswer(id, model, outcome.answer)
  return packWire({ t: 'ok', ...(stream !== undefined && { s: stream }), res }, reply.asJson)
}
