/**
 * An effect is work outside the machine: a promise, a Python function, a model call, another actor's reply. It is an XState
 * promise logic with a name and a class, so it is invoked, spawned and nested like any other actor logic.
 */
import {
  type AnyEventObject,
  type CallbackActorLogic,
  type EventObject,
  fromCallback,
  fromPromise,
  type NonReducibleUnknown,
  type PromiseActorLogic,
} from 'xstate'
import type { EffectRuntime } from './runtime.ts'
import { hostOf } from './xstate-inside.ts'

/**
 * What a crash does to a running effect: `read` and `idempotent` run again; a `write` that had begun becomes
 * `EffectOutcomeUnknown`, because nobody can know whether it happened.
 */
export type EffectClass = 'read' | 'idempotent' | 'write'

export interface EffectContext {
  /** Stable over crashes and attempts; hand it on as the idempotency token of whatever is called. */
  readonly effectId: string
  /** Aborts when the machine leaves the invoking state, and when this node gives the actor up. */
  readonly signal: AbortSignal
  /** 1 for the first run, 2 for any later one: after a restart of the actor or its node, the work may have begun before. */
  readonly attempt: number
  /** The ids that a called system should record as its cause. */
  readonly cause: { readonly correlation: string; readonly causation: string }
  /** Adds plain data to the effect's record in the log: who answered, model, tokens, spans. It never reaches the machine. */
  evidence(data: { readonly [name: string]: unknown }): void
  /** The system this actor lives in; undefined when a machine runs under plain XState. */
  readonly runtime: EffectRuntime | undefined
}

export interface Effect<I, O> extends PromiseActorLogic<O, I> {
  readonly effect: {
    readonly name: string
    readonly class: EffectClass
    /** The work itself, for an effect that is made of others: they share its id, signal, cause and record. */
    readonly run: (input: I, context: EffectContext) => Promise<O>
    readonly '~io'?: { readonly input: I; readonly output: O }
  }
}

/** @param name dotted lower case; what traces and the log show. */
export function effect<I, O>(
  name: string,
  effectClass: EffectClass,
  run: (input: I, context: EffectContext) => Promise<O>,
): Effect<I, O> {
  const declared: Effect<I, O>['effect'] = {
    name,
    class: effectClass,
    run: (input, context) => (context.runtime?.effects?.instead(declared, run) ?? run)(input, context),
  }
  const logic = fromPromise<O, I>(({ input, self, signal, system }) => {
    const scope = hostOf(system)?.effectScope(self)
    return declared.run(input, {
      effectId: scope?.effectId ?? self.sessionId,
      attempt: scope?.attempt ?? 1,
      cause: scope?.cause ?? { correlation: self.sessionId, causation: self.sessionId },
      evidence: scope?.evidence ?? (() => {}),
      runtime: scope?.runtime,
      signal,
    })
  })
  return Object.assign(logic, { effect: declared })
}

export interface ResourceContext<Event extends EventObject> {
  /** Sends an event to the machine that holds the resource. */
  sendBack(event: AnyEventObject): void
  /** Events the machine sends to the resource. */
  receive(listener: (event: Event) => void): void
  readonly runtime: EffectRuntime | undefined
  /** Stable over crashes; names the resource to the outside. */
  readonly resourceId: string
}

/**
 * Something held while the machine is in a state: a process, a socket, a subscription. Opened again from its recorded input
 * by whichever node takes the actor up; released when the state is left, the actor moves or the node stops.
 */
export function resource<I extends NonReducibleUnknown, Event extends EventObject = EventObject>(
  open: (input: I, context: ResourceContext<Event>) => () => void,
): CallbackActorLogic<Event, I> {
  return fromCallback<Event, I>(({ input, self, system, sendBack, receive }) => {
    const scope = hostOf(system)?.effectScope(self)
    return open(input, { sendBack, receive, runtime: scope?.runtime, resourceId: scope?.effectId ?? self.sessionId })
  })
}

/** The name and class of a logic that is an effect; a bare promise logic counts as a `write` named by its source. */
export function effectOf(logic: object): { readonly name?: string; readonly class: EffectClass } {
  if (!('effect' in logic) || typeof logic.effect !== 'object' || logic.effect === null) return { class: 'write' }
  const { effect: declared } = logic
  const named = 'name' in declared ? { name: String(declared.name) } : {}
  if ('class' in declared && (declared.class === 'read' || declared.class === 'idempotent')) {
    return { ...named, class: declared.class }
  }
  return { ...named, class: 'write' }
}
