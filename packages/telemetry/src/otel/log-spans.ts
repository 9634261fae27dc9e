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
import { decodeRecord, type JournalRecord, type Step } from '@troupe/core/replay'
import { eventsIn, type LoggedEvent } from '../logged-event.ts'
import { insideSpans } from './inside-spans.ts'
import { type Attributes, type LogSpan, linkOf, spanIdOf, traceIdOf } from './log-span.ts'

export const MAX_OPEN = 10_000
/** Writers whose node is remembered: those that were heard of last. */
const MAX_WRITERS = 5_000
/** More than clocks of nodes are apart. */
const GRACE_MS = 60_000
const STEP_ID = /#\d+:\d+$/

/** What has begun and not ended. */
interface Open {
  readonly actor: string
  readonly id: string
  readonly span: LogSpan
  /** When the asker gives up. */
  readonly expires?: number
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
      if (step !== undefined) this.#step(event, step, spans)
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

  #step(event: LoggedEvent, step: Step, spans: LogSpan[]): void {
    this.#expire(event.at - GRACE_MS, spans)
    if (event.kind !== 'settled') this.#own(event, step, spans)
    this.#endAsks(event, step, spans)
    if (event.kind === 'effect.done' || event.kind === 'effect.error') this.#endEffect(event, step, spans)
    for (const path of event.stopped ?? []) this.#stop(`${event.actor}${path}`, event.at, spans)
    if (event.ended !== undefined || endsTree(step)) this.#stopAll(event.actor, event.at, spans)
    for (const effect of event.began ?? []) this.#begin(effect, event, step, spans)
    this.#bound(event.at, spans)
  }

  /** The step itself, and the ask that it begins. */
  #own(event: LoggedEvent, step: Step, spans: LogSpan[]): void {
    const traceId = this.#traceOf(event)
    const { actor, causation, kind } = event
    const ask = this.#beginAsk(event, step)
    const parentId = ask ?? parentOfStep(event)
    const link = linkOf(step.cause.traceparent)
    const span: LogSpan = {
      traceId,
      spanId: spanIdOf('step', event.id),
      ...(parentId !== undefined && { parentId }),
      name: kind === 'message' ? `process ${event.type} ${event.event}` : `${event.type} ${event.event}`,
      kind: kind === 'message' ? 'consumer' : 'internal',
      startMs: event.at - (step.mailbox?.waitedMs ?? 0),
      endMs: event.at,
      ...(step.error !== undefined && { error: step.error.code }),
      attributes: { ...(kind === 'message' && messaging(event, step, 'process')), ...stepAttributes(event) },
      ...(link !== undefined && ask === undefined && { links: [link] }),
      ...nodeOf(event),
    }
    const before = this.#made.get(actor)
    if (before !== undefined) {
      this.#made.delete(actor)
      const caused = before.causation === causation && ask !== undefined
      spans.push(caused ? { ...before.span, parentId: ask } : before.span)
    }
    // Made by a message of a client that the next step takes.
    const isMade = kind === 'init' && parentId === undefined
    if (isMade) this.#made.set(actor, { actor, id: event.id, causation, span })
    else spans.push(span)
  }

  /** @returns the span id of the ask, which ends with the step that answers it */
  #beginAsk(event: LoggedEvent, step: Step): string | undefined {
    const { command } = step
    const asks = command !== undefined && (command.wants === 'reply' || event.sender === undefined)
    if (event.kind !== 'message' || !asks) return undefined
    const id = `${event.actor} ${command.client}:${command.n}`
    const parentId = askingEffect(event) ?? stepSpan(event.causation)
    const link = linkOf(step.cause.traceparent)
    const span: LogSpan = {
      traceId: this.#traceOf(event),
      spanId: spanIdOf('ask', id),
      ...(parentId !== undefined && { parentId }),
      name: `send ${event.type} ${event.event}`,
      kind: 'client',
      startMs: event.at - (step.mailbox?.waitedMs ?? 0),
      endMs: event.at,
      attributes: messaging(event, step, 'send'),
      ...(link !== undefined && { links: [link] }),
      ...nodeOf(event),
    }
    const { expires } = command
    this.#open.set(id, { actor: event.actor, id, span, ...(expires !== undefined && { expires }) })
    if (expires !== undefined) this.#nextExpiry = Math.min(this.#nextExpiry, expires)
    return span.spanId
  }

  #endAsks(event: LoggedEvent, step: Step, spans: LogSpan[]): void {
    for (const { ask, refused, error } of step.answers ?? []) {
      const id = `${event.actor} ${ask}`
      const open = this.#open.get(id)
      if (open === undefined) continue
      this.#open.delete(id)
      const code = refused === true ? step.error?.code : error?.code
      spans.push({ ...open.span, endMs: event.at, ...(code !== undefined && { error: code }) })
    }
  }

  #begin(effect: NonNullable<LoggedEvent['began']>[number], event: LoggedEvent, step: Step, spans: LogSpan[]): void {
    const place = effect.id.slice(0, effect.id.lastIndexOf('@'))
    this.#stop(place, event.at, spans)
    const goesOn = event.kind !== 'message' && event.kind !== 'init' && step.cause.ask !== undefined
    const own = spanIdOf('step', event.id)
    const traceId = this.#traceOf(event)
    const span: LogSpan = {
      traceId,
      spanId: spanIdOf('effect', effect.id),
      parentId: goesOn ? spanIdOf('ask', `${event.actor} ${step.cause.ask}`) : own,
      name: effect.name,
      kind: 'client',
      startMs: event.at,
      endMs: event.at,
      attributes: {
        'troupe.effect.id': effect.id,
        'troupe.effect.name': effect.name,
        'troupe.effect.class': effect.class,
        'troupe.actor': event.actor,
      },
      ...(goesOn && { links: [{ traceId, spanId: own }] }),
      ...nodeOf(event),
    }
    this.#open.set(place, { actor: event.actor, id: effect.id, span })
  }

  #endEffect(event: LoggedEvent, step: Step, spans: LogSpan[]): void {
    const { effect, kind, at } = event
    if (effect === undefined) return
    const place = effect.id.slice(0, effect.id.lastIndexOf('@'))
    const open = this.#open.get(place)
    if (open === undefined || open.id !== effect.id) return
    this.#open.delete(place)
    const failed = kind === 'effect.error'
    const attempt = step.effect?.attempt === undefined ? {} : { 'troupe.effect.attempt': step.effect.attempt }
    const { traceId, startMs } = open.span
    spans.push({
      ...open.span,
      endMs: at,
      ...(failed && { error: codeOf(step) }),
      attributes: { ...open.span.attributes, ...attempt },
      ...nodeOf(event),
    })
    const ended = { id: effect.id, name: effect.name, startMs, endMs: at, failed, traceId, ...nodeOf(event) }
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

  #traceOf({ correlation }: LoggedEvent): string {
    return traceIdOf(this.#streamId, correlation)
  }
}

const unended = (span: LogSpan, atMs: number): LogSpan => ({
  ...span,
  endMs: Math.max(span.endMs, atMs),
  attributes: { ...span.attributes, 'troupe.open': true },
})

/** Another tree, or none, stands where one was. */
const endsTree = ({ input }: Step): boolean =>
  (input.kind === 'operator' && (input.order === 'destroy' || input.init !== undefined)) ||
  (input.kind === 'directive' && input.init !== undefined)

const nodeOf = ({ node }: LoggedEvent): { readonly node?: string } => (node === undefined ? {} : { node })

const stepSpan = (cause: string): string | undefined => (STEP_ID.test(cause) ? spanIdOf('step', cause) : undefined)

function parentOfStep(event: LoggedEvent): string | undefined {
  const { kind, effect, causation, id } = event
  if (effect !== undefined && (kind === 'effect.done' || kind === 'effect.error')) return spanIdOf('effect', effect.id)
  return causation === id ? undefined : (askingEffect(event) ?? stepSpan(causation))
}

/** An ask that is an effect has the effect's id as its key: `actor/path@epoch:seq`, made by the step `actor#epoch:seq`. */
function askingEffect({ key, causation }: LoggedEvent): string | undefined {
  const [, actor, step] = /^(.+)#(\d+:\d+)$/.exec(causation) ?? []
  if (key === undefined || actor === undefined || step === undefined) return undefined
  return key.startsWith(`${actor}/`) && key.endsWith(`@${step}`) ? spanIdOf('effect', key) : undefined
}

/** Of the error that an effect ended with. */
function codeOf({ input }: Step): string {
  const error = fieldOf(fieldOf('event' in input ? input.event : undefined, 'data'), '$error')
  const code = fieldOf(fieldOf(error, 'wire'), 'code') ?? fieldOf(error, 'name')
  return typeof code === 'string' ? code : 'EffectFailed'
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function messaging(event: LoggedEvent, { command }: Step, operation: 'send' | 'process'): Attributes {
  return {
    'messaging.system': 'nats',
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.destination.name': event.actor,
    'messaging.destination.template': `${event.type}/{key}`,
    'messaging.message.conversation_id': event.correlation,
    ...(command !== undefined && { 'messaging.message.id': `${command.client}:${command.n}` }),
  }
}

function stepAttributes({ id, actor, type, event, kind, outcome }: LoggedEvent): Attributes {
  return {
    'troupe.step.id': id,
    'troupe.step.kind': kind,
    'troupe.step.outcome': outcome,
    'troupe.actor': actor,
    'troupe.actor.type': type,
    'troupe.event': event,
  }
}
