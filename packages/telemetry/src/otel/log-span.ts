/**
 * A span of the log as plain data, and where its ids come from. Knows no OpenTelemetry package.
 *
 * 1. Ids are hashes of what the log says: the same log gives the same ids, in any process, at any time.
 */
import { createHash } from 'node:crypto'

export type AttributeValue = string | number | boolean
export type Attributes = { readonly [name: string]: AttributeValue }

export interface LogSpan {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  readonly parentId?: string
  readonly name: string
  readonly kind: 'internal' | 'client' | 'consumer' | 'server'
  /** Milliseconds since 1970, with fractions. */
  readonly startMs: number
  readonly endMs: number
  /** Code of the error: messages and payloads stay in the log. */
  readonly error?: string
  readonly attributes: Attributes
  readonly links?: readonly SpanLink[]
  /** Node that committed it. */
  readonly node?: string
}

export interface SpanLink {
  readonly traceId: string
  readonly spanId: string
}

/** @param streamId identity of the log: correlations of two logs may be alike */
export function traceIdOf(streamId: string, correlation: string): string {
  return hexOf(`trace ${streamId} ${correlation}`, 32)
}

/** @param id unique within its trace: of a step, an effect, an ask, or a place inside one of them */
export function spanIdOf(kind: 'step' | 'effect' | 'ask' | 'inside', id: string): string {
  return hexOf(`${kind} ${id}`, 16)
}

/** All zeros would be no id; a hash is not. */
function hexOf(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits)
}

/** The span that a caller outside has named, as W3C writes it. */
export function linkOf(traceparent: string | undefined): SpanLink | undefined {
  const [, traceId, spanId] = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId }
}
