/**
 * The parts of XState 5.33 that are not its public API and that the logic host stands on: their shapes, the one cast into
 * them, and a self-test that fails at start when a release changes one of them.
 *
 * Only this file, `logic-host.ts`, `snapshot.ts`, `tree-edit.ts` and `check-logic.ts` may name these parts. Read in 5.33.3; the peer range is
 * `~5.33.0` and widens only after the oracle corpus has passed on a newer minor.
 */
import {
  type AnyActorLogic,
  createActor,
  fromCallback,
  fromEventObservable,
  fromObservable,
  fromPromise,
  fromTransition,
  StateMachine,
} from 'xstate'
import type { Address } from './address.ts'
import type { EffectRuntime } from './runtime.ts'

// ── What the runtime puts into an actor system, for actions and effects to find ─────────────────────────────────────

export interface ReplyIntent {
  readonly type: string
  readonly value: unknown
  readonly to: 'cause' | 'oldest' | 'all'
}

export interface SendIntent {
  readonly to: Address
  readonly event: unknown
}

export interface EffectScope {
  readonly effectId: string
  readonly attempt: number
  readonly cause: { readonly correlation: string; readonly causation: string }
  readonly runtime: EffectRuntime | undefined
  evidence(data: { readonly [name: string]: unknown }): void
}

/** The host as seen from inside its tree. */
export interface HostSeam {
  reply(self: object, intent: ReplyIntent): void
  sendTo(self: object, intent: SendIntent): void
  effectScope(self: object): EffectScope
}

const HOST = Symbol('troupe.host')

/** The host of an actor system; undefined under plain XState, where replies and sends are no-ops. */
export function hostOf(system: object): HostSeam | undefined {
  const host: unknown = Reflect.get(system, HOST)
  return isHost(host) ? host : undefined
}

export function putHost(system: object, host: HostSeam): void {
  Reflect.set(system, HOST, host)
}

function isHost(value: unknown): value is HostSeam {
  return typeof value === 'object' && value !== null && 'effectScope' in value
}

/** XState's own shape of an action that computes inside the transition and acts when the transition has succeeded. */
export function builtinAction<T>(
  type: string,
  resolve: (args: unknown, params: unknown) => T,
  execute: (host: HostSeam, self: object, value: T) => void,
): object {
  const marker = () => {}
  return Object.assign(marker, {
    type,
    resolve: (_scope: unknown, snapshot: unknown, args: unknown, params: unknown) => [
      snapshot,
      resolve(args, params),
      undefined,
    ],
    execute: (scope: InsideScope, value: T) => {
      scope.defer(() => {
        const host = hostOf(scope.system)
        if (host !== undefined) execute(host, scope.self, value)
      })
    },
  })
}

/** Actions that only note something or defer; every other action is the user's and runs after the commit. */
export const BUILTIN_ACTIONS: ReadonlySet<string> = new Set([
  'xstate.raise',
  'xstate.sendTo',
  'xstate.cancel',
  'xstate.spawnChild',
  'xstate.stopChild',
  'xstate.emit',
  'xstate.log',
  'troupe.reply',
  'troupe.sendTo',
])

// ── Shapes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export type InsideEvent = { readonly type: string; readonly [name: string]: unknown }

export interface InsideNode {
  readonly id: string
  readonly tags: readonly string[]
  readonly transitions: ReadonlyMap<string, readonly unknown[]>
}

export interface InsideSnapshot {
  status: 'active' | 'done' | 'error' | 'stopped'
  output?: unknown
  error?: unknown
  value?: unknown
  context?: unknown
  input?: unknown
  _nodes?: InsideNode[]
  historyValue?: { readonly [key: string]: readonly InsideNode[] }
  children?: { readonly [id: string]: InsideActor | undefined }
}

export interface InsideAction {
  readonly type: string
  readonly info: unknown
  readonly params: unknown
  readonly exec?: (info: unknown, params: unknown) => void
}

export interface InsideScope {
  self: InsideActor
  id: string
  sessionId: string
  system: InsideSystem
  logger: (...args: unknown[]) => void
  emit: (event: InsideEvent) => void
  defer: (run: () => void) => void
  actionExecutor: (action: InsideAction) => void
}

export interface InsideLogic {
  transition(snapshot: InsideSnapshot, event: InsideEvent, scope: InsideScope): InsideSnapshot
  start?(snapshot: InsideSnapshot, scope: InsideScope): void
  getPersistedSnapshot(snapshot: InsideSnapshot): unknown
  readonly idMap?: ReadonlyMap<string, InsideNode>
}

export interface InsideActor {
  id: string
  sessionId: string
  systemId: string | undefined
  src: unknown
  logic: InsideLogic
  options: { readonly id?: string; readonly input?: unknown; readonly [name: string]: unknown }
  readonly system: InsideSystem
  readonly observers: Set<{ error(error: unknown): void }>
  readonly _parent: InsideActor | undefined
  readonly _syncSnapshot: boolean | undefined
  readonly _actorScope: InsideScope
  _snapshot: InsideSnapshot
  /** 0 not started, 1 running, 2 stopped */
  _processingStatus: number
  _initState(persisted: unknown): void
  _send(event: InsideEvent): void
  _error(error: unknown): void
  _stop(): void
  start(): void
}

export type InspectionEvent =
  | { readonly type: '@xstate.actor'; readonly actorRef: InsideActor }
  | {
      readonly type: '@xstate.microstep'
      readonly actorRef: InsideActor
      readonly event: InsideEvent
      readonly _transitions: readonly unknown[]
    }
  | { readonly type: '@xstate.event' | '@xstate.snapshot' | '@xstate.action' }

export interface InsideSystem {
  _bookId: () => string
  _sendInspectionEvent: (event: InspectionEvent) => void
  _relay: (source: InsideActor | undefined, target: InsideActor, event: InsideEvent) => void
  _unregister: (actor: InsideActor) => void
  scheduler: {
    schedule(source: InsideActor, target: InsideActor, event: InsideEvent, delay: number, id?: string): void
    cancel(source: InsideActor, id: string): void
    cancelAll(source: InsideActor): void
  }
}

/** The one cast into XState's inside; the self-test below guards what it claims. */
export function inside(actor: object): InsideActor {
  return actor as InsideActor
}

export function insideLogic(logic: object): InsideLogic {
  return logic as InsideLogic
}

export function isEvent(value: unknown): value is InsideEvent {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

export function isActor(value: object): value is InsideActor {
  return 'sessionId' in value && '_actorScope' in value
}

/** Stands for an actor that a saved reference names and that is gone: sends to it do nothing. */
export function goneActor(sessionId: string, id: string): InsideActor {
  const gone = { id, sessionId, _processingStatus: 2, send: () => {}, _send: () => {}, _actorScope: {} }
  return inside({ ...gone, getSnapshot: () => ({ status: 'stopped' }), toJSON: () => ({ xstate$$type: 1, id }) })
}

/** Why a machine has no transition for an event: no descriptor of its present states names it, or their guards refuse it. */
export function whyRejected(
  { _nodes = [] }: InsideSnapshot,
  type: string,
): { readonly reason: 'state' | 'guard'; readonly accepts: readonly string[] } {
  const descriptors = _nodes.flatMap((node) => [...node.transitions.keys()])
  const accepts = [...new Set(descriptors.filter((one) => !one.startsWith('xstate.') && one !== ''))]
  return { reason: accepts.some((one) => describes(one, type)) ? 'guard' : 'state', accepts }
}

function describes(descriptor: string, type: string): boolean {
  if (descriptor === type || descriptor === '*') return true
  return descriptor.endsWith('.*') && `${type}.`.startsWith(descriptor.slice(0, -1))
}

// ── Kinds of logic ──────────────────────────────────────────────────────────────────────────────────────────────────

export type LogicKind = 'machine' | 'promise' | 'callback' | 'observable' | 'transition' | 'pure' | 'unknown'

const print = (logic: AnyActorLogic): string => `${logic.transition}|${logic.start}`
const noSource = () => ({ subscribe: () => ({ unsubscribe: () => {} }) })
const prints: ReadonlyMap<string, LogicKind> = new Map([
  [print(fromPromise(async () => 0)), 'promise'],
  [print(fromCallback(() => {})), 'callback'],
  [print(fromObservable(noSource)), 'observable'],
  [print(fromEventObservable(noSource)), 'observable'],
  [print(fromTransition((state: object) => state, {})), 'transition'],
])

/**
 * Told by XState's own class and by the text of the creators' functions: a logic carries no other mark. `pure` is a logic of
 * the user's without `start`; one with `start` that no creator made is `unknown` and refused.
 */
export function kindOf(logic: AnyActorLogic): LogicKind {
  if (logic instanceof StateMachine) return 'machine'
  return prints.get(print(logic)) ?? (logic.start === undefined ? 'pure' : 'unknown')
}

/** @throws Error naming the missing part, so that a wrong XState is found at start and not in the middle of a step. */
export function selfTest(): void {
  const wrong = (what: string) => new Error(`this XState is not one we know (tested: 5.33): ${what} has changed`)
  if (prints.size !== 5) throw wrong('the text of the logic creators')
  const probe = inside(createActor(fromTransition((state: object) => state, {})))
  const system = probe.system
  const writable = ['_bookId', '_sendInspectionEvent', '_relay', '_unregister', 'scheduler']
  for (const name of writable) {
    if (!Object.getOwnPropertyDescriptor(system, name)?.writable) throw wrong(`system.${name}`)
  }
  for (const name of ['_actorScope', '_snapshot', '_processingStatus', 'observers', 'options']) {
    if (!(name in probe)) throw wrong(`Actor.${name}`)
  }
  for (const name of ['actionExecutor', 'emit', 'defer', 'logger']) {
    if (!(name in probe._actorScope)) throw wrong(`the actor scope's ${name}`)
  }
}
