/**
 * The causal log as spans: journal entries in, spans out as soon as they have ended. Pure but for what is open.
 *
 * 1. One trace per correlation. A step, an effect and an ask are a span each, and what happened inside an effect (`inside-spans.ts`).
 *    Steps that only record deliveries (`settled`) are none.
 * 2. The parent of a span follows from the log alone: of a step the ask or the step that led to it, of a result the effect, of an effect
 *    the step that began it, of an ask the effect or the step that made it. Where an actor goes on by itself during an ask, its
 *    effects stand under the ask and link to their step: a long run is as deep as a short one.
 * 3. An ask lasts from the arrival of its message to the step that ends it, an effect from step to step: both are known when they have
 *    ended. `rest` gives what is open as it is.
 * 4. At most `MAX_OPEN` open ones are kept; of more, the oldest is given out as if it were open at the end. An ask whose asker gave up
 *    without an answer ends then, as `Timeout`, once the log is `GRACE_MS` past it.
 * 5. `state` is all that it knows, as JSON: from there on, the rest of the log gives the rest of the spans.
 */
import type { JournalEntry } from '@troupe/core'
import { decodeRecord, type JournalRecord } from '@troupe/core/replay'
import { eventsIn } from '../logged-event.ts'
import { insideSpans } from './inside-spans.ts'
import { type LogSpan, traceIdOf } from './log-span.ts'
import {
  askSpan,
  beginsAgain,
  effectSpan,
  endedEffect,
  endsTree,
  isResult,
  nodeOf,
  stepSpan,
  type Taken,
  unended,
} from './step-spans.ts'

export const MAX_OPEN = 10_000
/** Writers whose node is remembered: those that were heard of last. */
const MAX_WRITERS = 5_000
/** More than clocks of nodes are apart. */
const GRACE_MS = 60_000

/** What has begun and not ended. */
interface Open {
  readonly actor: string
  readonly id: string
  readonly span: LogSpan
  /** When the asker gives up. */
  readonly expires?: number
  /** How often the effect has failed and begun again. */
  readonly failures?: number
}

/** A step that the first message to its actor has caused before it is taken itself. */
interface Made extends Open {
  readonly causation: string
}

/** See 5. */
export interface LogSpansState {
  readonly open: readonly (readonly [key: string, open: Open])[]
  readonly made: readonly (readonly [actor: string, made: Made])[]
  readonly writers: readonly (readonly [writer: string, node: string])[]
}

export class LogSpans {
  readonly #streamId: string
  readonly #writers: Map<string, string>
  /** Effects by their place (`actor/path`), asks by actor and id, both in the order of their begin. */
  readonly #open: Map<string, Open>
  readonly #made: Map<string, Made>
  #nextExpiry = Number.NEGATIVE_INFINITY
  /** Sealed entries, whose steps cannot be read here. */
  sealed = 0
  /** Entries that are no records of ours. */
  unreadable = 0

  constructor(streamId: string, { open, made, writers }: LogSpansState = { open: [], made: [], writers: [] }) {
    this.#streamId = streamId
    this.#open = new Map(open)
    this.#made = new Map(made)
    this.#writers = new Map(writers)
  }

  state(): LogSpansState {
    return { open: [...this.#open], made: [...this.#made], writers: [...this.#writers] }
  }

  take(entry: JournalEntry): LogSpan[] {
    let record: JournalRecord
    try {
      record = decodeRecord(entry.bytes)
    } catch {
      this.unreadable += 1
      return []
    }
    if (record.sealed !== undefined) this.sealed += 1
    const spans: LogSpan[] = []
    for (const [n, event] of eventsIn(record, entry.position, this.#writers).entries()) {
      const step = record.steps[n]
      if (step === undefined) continue
      this.#step({ event, step, traceId: traceIdOf(this.#streamId, event.correlation) }, spans)
    }
    for (const writer of this.#writers.keys()) {
      if (this.#writers.size <= MAX_WRITERS) break
      this.#writers.delete(writer)
    }
    return spans
  }

  /** What is open, up to now. */
  rest(atMs: number): LogSpan[] {
    const made = [...this.#made.values()].map(({ span }) => span)
    return [...made, ...[...this.#open.values()].map(({ span }) => unended(span, atMs))]
  }

  #step(taken: Taken, spans: LogSpan[]): void {
    const { event, step } = taken
    this.#expire(event.at - GRACE_MS, spans)
    if (event.kind !== 'settled') this.#own(taken, spans)
    this.#endAsks(taken, spans)
    if (isResult(event)) this.#endEffect(taken, spans)
    for (const path of event.stopped ?? []) this.#stop(`${event.actor}${path}`, event.at, spans)
    if (endsTree(step)) this.#stopAll(event.actor, event.at, spans)
    for (const effect of event.began ?? []) {
      this.#stop(placeOf(effect.id), event.at, spans)
      this.#open.set(placeOf(effect.id), { actor: event.actor, id: effect.id, span: effectSpan(taken, effect) })
    }
    this.#bound(event.at, spans)
  }

  /** The step itself, and the ask that it begins. */
  #own(taken: Taken, spans: LogSpan[]): void {
    const { actor, causation, kind, id } = taken.event
    const ask = this.#beginAsk(taken)
    const span = stepSpan(taken, ask)
    const before = this.#made.get(actor)
    if (before !== undefined) {
      this.#made.delete(actor)
      const caused = before.causation === causation && ask !== undefined
      spans.push(caused ? { ...before.span, parentId: ask } : before.span)
    }
    // Made by a message of a client that the next step takes.
    const isMade = kind === 'init' && span.parentId === undefined
    if (isMade) this.#made.set(actor, { actor, id, causation, span })
    else spans.push(span)
  }

  /** @returns the span id of the ask, which ends with the step that answers it */
  #beginAsk(taken: Taken): string | undefined {
    const { actor, kind, sender } = taken.event
    const { command } = taken.step
    const asks = command !== undefined && (command.wants === 'reply' || sender === undefined)
    if (kind !== 'message' || !asks) return undefined
    const id = `${actor} ${command.client}:${command.n}`
    const span = askSpan(taken, id)
    const { expires } = command
    this.#open.set(id, { actor, id, span, ...(expires !== undefined && { expires }) })
    if (expires !== undefined) this.#nextExpiry = Math.min(this.#nextExpiry, expires)
    return span.spanId
  }

  #endAsks({ event, step }: Taken, spans: LogSpan[]): void {
    for (const { ask, refused, error } of step.answers ?? []) {
      const id = `${event.actor} ${ask}`
      const open = this.#open.get(id)
      if (open === undefined) continue
      this.#open.delete(id)
      const code = refused === true ? step.error?.code : error?.code
      spans.push({ ...open.span, endMs: event.at, ...(code !== undefined && { error: code }) })
    }
  }

  #endEffect(taken: Taken, spans: LogSpan[]): void {
    const { event, step, traceId } = taken
    const { effect, at } = event
    if (effect === undefined) return
    const place = placeOf(effect.id)
    const found = this.#open.get(place)
    const open = found?.id === effect.id ? found : undefined
    const { failures = 0 } = open ?? {}
    const again = beginsAgain(step)
    if (open !== undefined && again) this.#open.set(place, { ...open, failures: failures + 1 })
    else if (open !== undefined) {
      this.#open.delete(place)
      spans.push(endedEffect(open.span, taken, failures))
    }
    const isOnly = open !== undefined && failures === 0 && !again
    const ended = {
      id: effect.id,
      tryId: isOnly ? effect.id : `${effect.id}!${event.epoch}:${event.seq}`,
      name: effect.name,
      startMs: failures > 0 || open === undefined ? at : open.span.startMs,
      endMs: at,
      failed: event.kind === 'effect.error',
      traceId,
      ...nodeOf(event),
    }
    spans.push(...insideSpans(ended, event.evidence))
  }

  /** Its machine went on without it. */
  #stop(place: string, atMs: number, spans: LogSpan[]): void {
    const open = this.#open.get(place)
    if (open === undefined) return
    this.#open.delete(place)
    const attributes = { ...open.span.attributes, 'troupe.effect.stopped': true }
    spans.push({ ...open.span, endMs: atMs, attributes })
  }

  #stopAll(actor: string, atMs: number, spans: LogSpan[]): void {
    for (const [key, open] of this.#open)
      if (open.actor === actor && key.startsWith(`${actor}/`)) this.#stop(key, atMs, spans)
  }

  /** Nobody waits any more for what they have asked. */
  #expire(beforeMs: number, spans: LogSpan[]): void {
    if (beforeMs < this.#nextExpiry) return
    this.#nextExpiry = Number.POSITIVE_INFINITY
    for (const [key, { span, expires = Number.POSITIVE_INFINITY }] of this.#open) {
      if (expires > beforeMs) this.#nextExpiry = Math.min(this.#nextExpiry, expires)
      else {
        this.#open.delete(key)
        spans.push({ ...span, endMs: Math.max(span.endMs, expires), error: 'Timeout' })
      }
    }
  }

  #bound(atMs: number, spans: LogSpan[]): void {
    while (this.#open.size > MAX_OPEN) {
      const [oldest] = this.#open
      if (oldest === undefined) return
      this.#open.delete(oldest[0])
      spans.push(unended(oldest[1].span, atMs))
    }
  }
}

const placeOf = (effect: string): string => effect.slice(0, effect.lastIndexOf('@'))
