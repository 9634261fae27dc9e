/** `@troupe/telemetry/otel`: the causal log as OpenTelemetry traces, and metrics, over OTLP/HTTP. Loads the OpenTelemetry packages. */
export { type ExportMetrics, exportMetrics, type MetricExport } from './export-metrics.ts'
export {
  type ExportTraces,
  exportTraces,
  type TraceCursor,
  type TraceExport,
  type TraceExportStats,
} from './export-traces.ts'
export { type LogSpan, type SpanLink, spanIdOf, traceIdOf } from './log-span.ts'
export { LogSpans, type LogSpansState } from './log-spans.ts'
export type { OtlpTarget } from './otlp.ts'
