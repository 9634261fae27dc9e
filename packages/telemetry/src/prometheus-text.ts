/**
 * Metrics in Prometheus' text format (0.0.4). A distribution becomes a histogram, which sums over nodes as it should.
 *
 * 1. Buckets grow with their bounds, and the last one holds all.
 */
import type { Labels, MetricSnapshot } from './metrics.ts'
import { Sketch } from './sketch.ts'

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** 100 µs to 15 min in steps of about 2.5, for durations in seconds; other units take what fits of them. */
export const BOUNDS = [
  ...[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5, 10, 25, 60, 150, 300, 900],
] as const

export function prometheusText(metrics: readonly MetricSnapshot[], bounds: readonly number[] = BOUNDS): string {
  return metrics.map((metric) => metricText(metric, bounds)).join('')
}

function metricText(metric: MetricSnapshot, bounds: readonly number[]): string {
  const { name, help, kind } = metric
  const type = kind === 'distribution' ? 'histogram' : kind
  const head = `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
  const lines =
    metric.kind === 'distribution'
      ? metric.series.flatMap(({ labels, value }) => histogram(name, labels, Sketch.of(value), bounds))
      : metric.series.map(({ labels, value }) => line(name, labels, value))
  return head + lines.join('')
}

function histogram(name: string, labels: Labels, sketch: Sketch, bounds: readonly number[]): string[] {
  const buckets = bounds.map((bound) =>
    line(`${name}_bucket`, { ...labels, le: String(bound) }, sketch.countUpTo(bound)),
  )
  return [
    ...buckets,
    line(`${name}_bucket`, { ...labels, le: '+Inf' }, sketch.count),
    line(`${name}_sum`, labels, sketch.sum),
    line(`${name}_count`, labels, sketch.count),
  ]
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
