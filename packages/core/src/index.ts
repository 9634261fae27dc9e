export {
  type ActorDef,
  type ActorPolicy,
  type AnyActorDef,
  type BroughtBack,
  type ChildSpec,
  defineActor,
  type RecordedEvent,
  type Restart,
  type SupervisionSpec,
} from './actor.ts'
export {
  type Address,
  addressOf,
  fromToken,
  type ShardName,
  Subjects,
  shardOf,
  splitAddress,
  token,
} from './address.ts'
export { askNodes, type NodeAnswers } from './ask-nodes.ts'
export type { ChangesOptions } from './changes.ts'
export { realClock } from './clock.ts'
export {
  type ClusterTree,
  type ListedActor,
  type ListedChild,
  type ListedNode,
  readClusterTree,
} from './cluster-tree.ts'
export { canonical, decode, encode, hashOf, type Json } from './codec.ts'
export type { DeadLetter, ListedDeadLetter } from './dead-letter.ts'
export { type Effect, type EffectClass, type EffectContext, effect, type ResourceContext, resource } from './effect.ts'
export { cryptoEntropy, seededEntropy } from './entropy.ts'
export * from './errors.ts'
export { memoryKeys, storedKeys } from './keys.ts'
export { memory } from './memory/backend.ts'
export type { AnswerFact, AppendFact, EffectFact, NodeFigures, Observer, TurnFact } from './observer.ts'
export type { EffectOverride, EffectOverrides } from './overrides.ts'
export type * from './ports.ts'
export {
  type ActorInput,
  type AnyProtocol,
  type EventIn,
  type EventOut,
  type Protocol,
  protocol,
  type Reply,
  type ReplyTo,
} from './protocol.ts'
export type { Ref, View } from './ref.ts'
export type { ResidencyCap } from './residency.ts'
export type { Retention } from './retention.ts'
export type { AnyEffect, RunOptions } from './run.ts'
export type { AskOptions, Cause, EffectRuntime, Shared } from './runtime.ts'
export { type AnySchema, type In, type Out, parse, type Schemas } from './schema.ts'
export type { JournalRecord, Step, StepId } from './step.ts'
export { stepTime } from './step-time.ts'
export type { Decision } from './supervision.ts'
export {
  type ChildStatus,
  type SupervisedChild,
  type SupervisorDef,
  type SupervisorSpec,
  supervisor,
} from './supervisor.ts'
export {
  type Addressed,
  createSystem,
  type DestroyOptions,
  type GetOptions,
  type OrderOptions,
  type SupervisorRef,
  type System,
  type SystemOptions,
} from './system.ts'
export type { LifeFact, WatchOptions } from './watch.ts'
export { isJson, jsonHeaders, packWire, unpackWire } from './wire.ts'
