/** `@troupe/telemetry`: questions to the causal log, its traces as trees, what models were asked, metrics of the log and of nodes. */
export { type Asking, type ClusterMetrics, getMetrics, type MetricsView, metricsView } from './cluster-metrics.ts'
export { EventIndex, type IndexState, openEventIndex } from './event-index.ts'
export { metricsOf } from './log-metrics.ts'
export { type EffectFacts, eventsOf, type LoggedEvent, orderOf, positionOf, type WriterNodes } from './logged-event.ts'
export {
  type Counter,
  type Distribution,
  type Gauge,
  type Labels,
  type MetricSnapshot,
  Metrics,
  mergeMetrics,
  type Series,
  type Summary,
  summaryOf,
} from './metrics.ts'
export { type MetricsServer, metricsResponse, type ServeMetrics, serveMetrics } from './metrics-server.ts'
export { type ModelCall, type NodeMetrics, nodeMetrics } from './node-metrics.ts'
export { CONTENT_TYPE, prometheusText } from './prometheus-text.ts'
export type { ActorSummary, EventFilter, TraceSummary } from './query.ts'
export { Sketch, type SketchData } from './sketch.ts'
export { type Spending, type SpendingFilter, type Spent, type SpentBy, spendingOf } from './spending.ts'
export { type TraceBounds, type TraceNode, type TraceTree, traceTree } from './trace-tree.ts'
