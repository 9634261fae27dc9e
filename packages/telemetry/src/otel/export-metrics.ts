/**
 * Metrics as OpenTelemetry takes them, and their regular export. Counters are cumulative; a distribution is a histogram with the
 * bounds of `/metrics`.
 *
 * 1. A push that is not taken is given up, counted and said: the next one holds all that it held.
 */
import { ValueType } from '@opentelemetry/api'
import { JsonMetricsSerializer } from '@opentelemetry/otlp-transformer'
import {
  AggregationTemporality,
  DataPointType,
  type MetricData,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics'
import type { Clock, Timer } from '@troupe/core'
import type { MetricSnapshot } from '../metrics.ts'
import { BOUNDS } from '../prometheus-text.ts'
import { Sketch, type SketchData } from '../sketch.ts'
import { DeliveryFailed, Otlp, type OtlpTarget } from './otlp.ts'
import { hrTime, resourceOf } from './readable-spans.ts'

export interface ExportMetrics extends OtlpTarget {
  readonly clock: Clock
  readonly namespace: string
  /** `service.instance.id`. */
  readonly node: string
  /** `service.name`. @defaultValue 'troupe' */
  readonly service?: string
  readonly metrics: () => readonly MetricSnapshot[] | Promise<readonly MetricSnapshot[]>
  /** @defaultValue 60_000 */
  readonly everyMs?: number
  readonly onLog?: (text: string, data: object) => void
}

export interface MetricExport extends AsyncDisposable {
  readonly failed: number
  /** Now. */
  push(): Promise<void>
  /** With a last push. */
  close(): Promise<void>
}

interface Span {
  readonly startMs: number
  readonly endMs: number
}

export function exportMetrics(options: ExportMetrics): MetricExport {
  const { clock, metrics, namespace, node, service = 'troupe', everyMs = 60_000, onLog = () => {} } = options
  const otlp = new Otlp(options, clock)
  const resource = resourceOf({ service, namespace }, node)
  const startMs = clock.now()
  let failed = 0
  let timer: Timer | undefined
  const push = async (): Promise<void> => {
    try {
      const found = await metrics()
      const data = found.map((metric) => metricData(metric, { startMs, endMs: clock.now() }))
      const body: ResourceMetrics = {
        resource,
        scopeMetrics: [{ scope: { name: '@troupe/telemetry' }, metrics: data }],
      }
      await otlp.send('metrics', JsonMetricsSerializer.serializeRequest(body) ?? new Uint8Array())
    } catch (error) {
      failed += 1
      if (!(error instanceof DeliveryFailed)) throw error
      onLog('metrics are not taken', { failed, why: error.message })
    }
  }
  let pushing: Promise<void> = Promise.resolve()
  const later = (): void => {
    timer = clock.after(everyMs, () => {
      pushing = push().catch((error: unknown) => onLog('metrics cannot be read', { error: String(error) }))
      later()
    })
  }
  later()
  const close = async (): Promise<void> => {
    timer?.cancel()
    await pushing
    await push()
  }
  return {
    get failed() {
      return failed
    },
    push,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Of one metric, cumulative since `startMs`. */
export function metricData(metric: MetricSnapshot, { startMs, endMs }: Span): MetricData {
  const times = { startTime: hrTime(startMs), endTime: hrTime(endMs) }
  const descriptor = {
    name: metric.name,
    description: metric.help,
    unit: unitOf(metric.name),
    valueType: ValueType.DOUBLE,
  }
  const about = { descriptor, aggregationTemporality: AggregationTemporality.CUMULATIVE }
  if (metric.kind === 'distribution') {
    const dataPoints = metric.series.map(({ labels, value }) => ({
      ...times,
      attributes: labels,
      value: histogramOf(value),
    }))
    return { ...about, dataPointType: DataPointType.HISTOGRAM, dataPoints }
  }
  const dataPoints = metric.series.map(({ labels, value }) => ({ ...times, attributes: labels, value }))
  if (metric.kind === 'gauge') return { ...about, dataPointType: DataPointType.GAUGE, dataPoints }
  return { ...about, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
}

function histogramOf(data: SketchData) {
  const sketch = Sketch.of(data)
  const upTo = [...BOUNDS.map((bound) => sketch.countUpTo(bound)), sketch.count]
  const counts = upTo.map((count, n) => count - (upTo[n - 1] ?? 0))
  const { sum, count } = sketch
  return { buckets: { boundaries: [...BOUNDS], counts }, sum, count, min: data.min, max: data.max }
}

/** In UCUM, from the name. */
function unitOf(name: string): string {
  const base = name.replace(/_total$/, '')
  if (base.endsWith('_seconds')) return 's'
  return base.endsWith('_bytes') ? 'By' : '1'
}
