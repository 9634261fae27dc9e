/** `@troupe/telemetry`: questions to the causal log, and its traces as trees. */
export { EventIndex, type IndexState, openEventIndex } from './event-index.ts'
export { type EffectFacts, eventsOf, type LoggedEvent, orderOf, positionOf, type WriterNodes } from './logged-event.ts'
export type { ActorSummary, EventFilter, TraceSummary } from './query.ts'
export { type TraceBounds, type TraceNode, type TraceTree, traceTree } from './trace-tree.ts'
