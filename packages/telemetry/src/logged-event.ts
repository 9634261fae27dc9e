/**
 * One committed step as readers of the log see it: who, what, when, why, how it ended. Pure: a journal entry in, events out.
 *
 * 1. The order of events is the order of commits: `order` grows with the journal position, then with the place in the append.
 */
import type { JournalEntry } from '@troupe/core'
import { decodeRecord, eventType, type JournalRecord, type Step, stepId } from '@troupe/core/replay'

export interface EffectFacts {
  /** Stable over crashes: the actor, the place in its tree and the step that began it. */
  readonly id: string
  readonly name: string
  readonly class: string
}

export interface LoggedEvent {
  readonly order: number
  /** `type/key#epoch:seq` */
  readonly id: string
  readonly actor: string
  readonly type: string
  readonly epoch: number
  readonly seq: number
  /** What the step took: `message`, `init`, `timer`, `effect.done` …; later versions may add kinds. */
  readonly kind: string
  /** Type of the event that was taken. */
  readonly event: string
  /** Milliseconds since 1970, by the clock of the node. */
  readonly at: number
  readonly correlation: string
  readonly causation: string
  readonly sender?: string
  /** Idempotency key of the command; an ask that is an effect has the effect's id. */
  readonly key?: string
  /** Node that committed it. */
  readonly node?: string
  readonly outcome: Step['outcome']
  readonly error?: string
  readonly ended?: 'done' | 'stopped'
  /** The effect whose result this step took. */
  readonly effect?: EffectFacts
  /** Effects this step began. */
  readonly began?: readonly EffectFacts[]
  /** Places in the actor's tree that ended with this step: effects with or without a result, child machines. */
  readonly stopped?: readonly string[]
  /** What the effect said about how it worked: the worker, spans, model, tokens. */
  readonly evidence?: unknown
}

/** An append holds at most a few hundred steps. */
const STEPS_PER_APPEND = 1_000

export const orderOf = (position: number, n = 0): number => position * STEPS_PER_APPEND + n
export const positionOf = (order: number): number => Math.floor(order / STEPS_PER_APPEND)

/** Which node an activation (a writer) belongs to: told by its first record, needed for all others. */
export interface WriterNodes {
  get(writer: string): string | undefined
  set(writer: string, node: string): void
}

export function eventsOf(entry: JournalEntry, nodes: WriterNodes): LoggedEvent[] {
  return eventsIn(decodeRecord(entry.bytes), entry.position, nodes)
}

/** One for each step of the record. */
export function eventsIn(record: JournalRecord, position: number, nodes: WriterNodes): LoggedEvent[] {
  const { writer, activated } = record
  if (activated !== undefined) nodes.set(writer, activated.node)
  const node = activated?.node ?? nodes.get(writer)
  return record.steps.map((step, n) => eventOf(record, step, orderOf(position, n), node))
}

function eventOf(record: JournalRecord, step: Step, order: number, node: string | undefined): LoggedEvent {
  const { actor, epoch } = record
  const id = stepId(actor, epoch, step.seq)
  const { sender, correlation, causation } = step.cause
  const began = (step.made?.children ?? []).flatMap(({ path, src, effect }) => {
    return effect === undefined
      ? []
      : [{ id: effectId(actor, path, id), name: effect.name ?? src, class: effect.class }]
  })
  return {
    order,
    id,
    actor,
    type: actor.slice(0, actor.indexOf('/')),
    epoch,
    seq: step.seq,
    kind: step.input.kind,
    event: eventType(step.input),
    at: step.at,
    correlation,
    causation,
    ...(sender !== undefined && { sender }),
    ...(step.command?.key !== undefined && { key: step.command.key }),
    ...(node !== undefined && { node }),
    outcome: step.outcome,
    ...(step.error !== undefined && { error: `${step.error.code}: ${step.error.message}` }),
    ...(step.ended !== undefined && { ended: step.ended.kind }),
    ...(step.effect !== undefined && {
      effect: { id: step.effect.id, name: step.effect.name, class: step.effect.class },
      ...(step.effect.evidence !== undefined && { evidence: step.effect.evidence }),
    }),
    ...(began.length > 0 && { began }),
    ...(step.made?.stopped !== undefined && { stopped: step.made.stopped }),
  }
}

/** As the logic host names a running effect. */
function effectId(actor: string, path: string, step: string): string {
  return `${actor}${path}@${step.slice(step.lastIndexOf('#') + 1)}`
}
