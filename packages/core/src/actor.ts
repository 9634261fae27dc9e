/** An actor definition: a protocol, the logic that speaks it, and the policy that keeps it alive. */
import type { AnyActorLogic, EventFromLogic } from 'xstate'
import { checkLogic } from './check-logic.ts'
import { LogicRefused } from './errors.ts'
import type { AnyProtocol, EventOut } from './protocol.ts'
import { checkRetention, type Retention } from './retention.ts'
import type { Schemas } from './schema.ts'

/** Which ends of an actor bring it back: every one, only failures, none. */
export type Restart = 'permanent' | 'transient' | 'temporary'

/** What brings a failed part back: on from its last committed state, the same with its effects begun again, or made anew. */
export type BroughtBack = 'resume' | 'restart' | 'reset'

/** How the failure of a child is answered that no parent in its tree handles. */
export interface ChildSpec {
  /** `temporary`: not at all, it is stopped. A child that is done stays so. @defaultValue 'transient' */
  readonly restart?: Restart
  /** An effect has no state but its input: it is always begun again. @defaultValue 'restart' */
  readonly by?: BroughtBack
  /** What was told to end has at least this long before it begins again. @defaultValue 0 */
  readonly shutdownMs?: number
}

export interface SupervisionSpec {
  /** @defaultValue 'permanent' */
  readonly restart?: Restart
  /** Failures within `periodMs` that are still answered by a restart; one more and the actor is quarantined. @defaultValue 3 */
  readonly intensity?: number
  /** @defaultValue 5_000 */
  readonly periodMs?: number
  /** First and longest pause before a restart; doubles in between, with jitter. @defaultValue [100, 30_000] */
  readonly backoffMs?: readonly [number, number]
  /** How the whole actor is brought back. @defaultValue 'restart' */
  readonly by?: BroughtBack
  /** Which siblings a failed child takes with it: none, all, those born after it. @defaultValue 'one_for_one' */
  readonly strategy?: 'one_for_one' | 'one_for_all' | 'rest_for_one'
  /** By the name of their source in `setup({ actors })`. Intensity, period and pause are those above, for all of them together. */
  readonly children?: { readonly [src: string]: ChildSpec }
}

/** An event as it was recorded, whatever today's protocol says. */
export interface RecordedEvent {
  readonly type: string
  readonly [name: string]: unknown
}

export interface ActorPolicy {
  /** `volatile`: the same turns without a log; gone with its node. @defaultValue 'journaled' */
  readonly persistence?: 'journaled' | 'volatile'
  readonly supervision?: SupervisionSpec
  /** What may wait for the actor. @defaultValue { messages: 1_000, bytes: 16 MiB } */
  readonly mailbox?: { readonly messages?: number; readonly bytes?: number }
  /** Leaves memory after this long without a message; its state stays in the log. @defaultValue 60_000 */
  readonly idleAfterMs?: number
  /** Placement group: which nodes may host it. @defaultValue 'main' */
  readonly group?: string
  /** Version of the persisted state and of the recorded events. @defaultValue 1 */
  readonly version?: number
  /** Makes the state of an older version one of this version. */
  readonly upgrade?: (context: unknown, from: number) => unknown
  /**
   * Makes an event that an older version has recorded one of this version: a message, a result of an effect (type
   * `xstate.promise.resolve`, its output in `data`), what waits in a timer. With it, steps of that version that no state covers
   * are folded by today's machine; without it, only the code that recorded them can.
   */
  readonly upgradeEvent?: (event: RecordedEvent, from: number) => RecordedEvent
  /** How much of its log is kept; the newest state always is. @defaultValue all of it, for ever */
  readonly retention?: Retention
  /**
   * What its log says is sealed under a key of its own tree, which `destroy(actor, { erase: true })` destroys. Records that are there
   * already stay as they are. @defaultValue false
   */
  readonly encrypted?: boolean
  /** Per source: what a restarted callback or observable does with values that are already recorded. @defaultValue 'restart' */
  readonly resume?: { readonly [src: string]: 'restart' | 'skip' }
}

/** Protocol events that a logic does not take. */
type Untaken<P extends AnyProtocol, L extends AnyActorLogic> = Exclude<
  P['events'] extends infer E extends Schemas ? EventOut<E, keyof E>['type' & keyof EventOut<E, keyof E>] : never,
  EventFromLogic<L>['type']
> &
  string
/** The logic, or in its place what the error message shall say. */
type Taking<P extends AnyProtocol, L extends AnyActorLogic> = [Untaken<P, L>] extends [never]
  ? L
  : `the logic does not take '${Untaken<P, L>}'`

export interface ActorDef<P extends AnyProtocol, L extends AnyActorLogic> extends ActorPolicy {
  readonly protocol: P
  readonly logic: L
}

export interface AnyActorDef extends ActorPolicy {
  readonly protocol: AnyProtocol
  readonly logic: AnyActorLogic
}

/**
 * @throws LogicRefused when the logic holds something that could not survive a restart; the message names the place.
 */
export function defineActor<P extends AnyProtocol, L extends AnyActorLogic>(
  protocol: P,
  spec: ActorPolicy & { readonly logic: Taking<P, L> },
): ActorDef<P, L>
export function defineActor(protocol: AnyProtocol, spec: ActorPolicy & { readonly logic: AnyActorLogic }): AnyActorDef {
  const { intensity = 3, periodMs = 5_000 } = spec.supervision ?? {}
  if (!(intensity >= 0) || !(periodMs > 0)) {
    throw new LogicRefused(`actor '${protocol.type}': supervision needs intensity >= 0 and periodMs > 0`)
  }
  if (spec.encrypted === true && spec.persistence === 'volatile') {
    throw new LogicRefused(`actor '${protocol.type}': a volatile actor has no log that could be encrypted`)
  }
  checkRetention(spec.retention, protocol.type)
  checkLogic(spec.logic, protocol.type)
  return { ...spec, protocol, logic: spec.logic }
}
