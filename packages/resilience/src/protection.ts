/**
 * What protected effects that are nested know of each other. It travels in the context that one hands to the next, so it ends
 * where a call leaves the context: an ask of another actor begins a path of its own.
 *
 * 1. The outermost `protect` with a retry owns the retries of its path; those inside it try once.
 * 2. Once a first byte has reached the reader, no layer tries again or falls back: the reader would see two answers.
 * 3. A try that was given up has nothing more to say: what it streams after that stops no other try.
 */
import type { EffectContext } from '@troupe/core'

const PROTECTION: unique symbol = Symbol('troupe.protection')

export interface Protection {
  readonly outer: Protection | undefined
  readonly retriedBy: string | undefined
  streamed: boolean
  /** Nobody waits for it any more. */
  over: boolean
}

type MayBeProtected = EffectContext & { readonly [PROTECTION]?: Protection }

export function protectionOf(context: MayBeProtected): Protection | undefined {
  return context[PROTECTION]
}

export function layerIn(outer: Protection | undefined, retriedBy: string | undefined): Protection {
  return { outer, retriedBy, streamed: false, over: false }
}

export function within(context: EffectContext, protection: Protection, signal: AbortSignal): EffectContext {
  const inner: MayBeProtected = { ...context, signal, [PROTECTION]: protection }
  return inner
}

/** For work that streams: the first byte leaves to its reader now. Work whose signal has aborted has no reader. */
export function streaming(context: EffectContext): void {
  let layer = protectionOf(context)
  for (; layer !== undefined && !layer.over; layer = layer.outer) layer.streamed = true
}

/** A context to hand on, and whether a first byte of what runs under it has reached a reader. */
export function watchedForStreams(context: EffectContext): {
  readonly context: EffectContext
  readonly streamed: () => boolean
} {
  const outer = protectionOf(context)
  const layer = layerIn(outer, outer?.retriedBy)
  return { context: within(context, layer, context.signal), streamed: () => layer.streamed }
}
