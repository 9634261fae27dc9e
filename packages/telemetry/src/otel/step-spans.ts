/**
 * The spans of one step, and whose children they are. Pure: `log-spans.ts` keeps what has begun and not ended.
 *
 * 1. A parent follows from the step alone, so it needs no memory of what came before.
 */
import type { Step } from '@troupe/core/replay'
import { field } from '../fields.ts'
import type { EffectFacts, LoggedEvent } from '../logged-event.ts'
import { type Attributes, type LogSpan, linkOf, spanIdOf } from './log-span.ts'

const STEP_ID = /#\d+:\d+$/

/** One step as readers see it, as it was recorded, and the trace that it belongs to. */
export interface Taken {
  readonly event: LoggedEvent
  readonly step: Step
  readonly traceId: string
}

/** @param ask the span id of the ask that it begins */
export function stepSpan({ event, step, traceId }: Taken, ask: string | undefined): LogSpan {
  const { kind, type } = event
  const parentId = ask ?? parentOfStep(event)
  const link = ask === undefined ? linkOf(step.cause.traceparent) : undefined
  return {
    traceId,
    spanId: spanIdOf('step', event.id),
    ...(parentId !== undefined && { parentId }),
    name: kind === 'message' ? `process ${type} ${event.event}` : `${type} ${event.event}`,
    kind: kind === 'message' ? 'consumer' : 'internal',
    startMs: arrivedAt(event, step),
    endMs: event.at,
    ...(step.error !== undefined && { error: step.error.code }),
    attributes: { ...(kind === 'message' && messaging(event, step, 'process')), ...stepAttributes(event) },
    ...(link !== undefined && { links: [link] }),
    ...nodeOf(event),
  }
}

/** Of an ask as it begins. @param id unique within the log */
export function askSpan({ event, step, traceId }: Taken, id: string): LogSpan {
  const parentId = askingEffect(event) ?? causingStep(event)
  const link = linkOf(step.cause.traceparent)
  return {
    traceId,
    spanId: spanIdOf('ask', id),
    ...(parentId !== undefined && { parentId }),
    name: `send ${event.type} ${event.event}`,
    kind: 'client',
    startMs: arrivedAt(event, step),
    endMs: event.at,
    attributes: messaging(event, step, 'send'),
    ...(link !== undefined && { links: [link] }),
    ...nodeOf(event),
  }
}

/** Of an effect as it begins. */
export function effectSpan({ event, step, traceId }: Taken, effect: EffectFacts): LogSpan {
  const goesOn = event.kind !== 'message' && event.kind !== 'init' && step.cause.ask !== undefined
  const own = spanIdOf('step', event.id)
  return {
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
}

/** @param failures how often it has failed and begun again before */
export function endedEffect(span: LogSpan, { event, step }: Taken, failures: number): LogSpan {
  const attempt = step.effect?.attempt ?? 1
  return {
    ...span,
    endMs: event.at,
    ...(event.kind === 'effect.error' && { error: codeOf(step) }),
    attributes: {
      ...span.attributes,
      ...(attempt > 1 && { 'troupe.effect.attempt': attempt }),
      ...(failures > 0 && { 'troupe.effect.failures': failures }),
    },
    ...nodeOf(event),
  }
}

export const unended = (span: LogSpan, atMs: number): LogSpan => ({
  ...span,
  endMs: Math.max(span.endMs, atMs),
  attributes: { ...span.attributes, 'troupe.open': true },
})

/** The failure is answered by another try: the tree is as it was before, and the effect of the same id runs again. */
export const beginsAgain = ({ outcome, supervision }: Step): boolean =>
  outcome === 'error' && supervision?.directive !== 'stop' && supervision?.directive !== 'quarantine'

/** Another tree, or none, stands where one was. */
export const endsTree = ({ input, ended }: Step): boolean =>
  ended !== undefined ||
  (input.kind === 'operator' && (input.order === 'destroy' || input.init !== undefined)) ||
  (input.kind === 'directive' && input.init !== undefined)

export const isResult = ({ kind }: LoggedEvent): boolean => kind === 'effect.done' || kind === 'effect.error'

export const nodeOf = ({ node }: LoggedEvent): { readonly node?: string } => (node === undefined ? {} : { node })

const arrivedAt = ({ at }: LoggedEvent, { mailbox }: Step): number => at - (mailbox?.waitedMs ?? 0)

const causingStep = ({ causation, id }: LoggedEvent): string | undefined =>
  causation !== id && STEP_ID.test(causation) ? spanIdOf('step', causation) : undefined

function parentOfStep(event: LoggedEvent): string | undefined {
  if (event.effect !== undefined && isResult(event)) return spanIdOf('effect', event.effect.id)
  return askingEffect(event) ?? causingStep(event)
}

/** An ask that is an effect has the effect's id as its key: `actor/path@epoch:seq`, made by the step `actor#epoch:seq`. */
function askingEffect({ key, causation }: LoggedEvent): string | undefined {
  const [, actor, step] = /^(.+)#(\d+:\d+)$/.exec(causation) ?? []
  if (key === undefined || actor === undefined || step === undefined) return undefined
  return key.startsWith(`${actor}/`) && key.endsWith(`@${step}`) ? spanIdOf('effect', key) : undefined
}

/** Of the error that an effect ended with. */
function codeOf({ input }: Step): string {
  const error = field(field('event' in input ? input.event : undefined, 'data'), '$error')
  const code = field(field(error, 'wire'), 'code') ?? field(error, 'name')
  return typeof code === 'string' ? code : 'EffectFailed'
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
