/** `troupe metrics`: how much, how long and how often, from the log: no node has to run. */
import { type MetricSnapshot, metricsOf, prometheusText, summaryOf } from '@troupe/telemetry'
import { Command } from 'commander'
import { withLog } from '../open-log.ts'
import { type ReadOptions, readOptions, time } from '../options.ts'
import { answer, envelope, table } from '../output.ts'

interface MetricsOptions extends ReadOptions {
  readonly since?: number
  readonly until?: number
  readonly prometheus?: boolean
}

export function metricsCommand(): Command {
  return readOptions(new Command('metrics'))
    .description('counts and distributions of steps, effects and traces')
    .option('--since <time>', 'of steps not before (ISO time)', time)
    .option('--until <time>', 'of steps not after (ISO time)', time)
    .option('--prometheus', "in Prometheus' text format")
    .action(metrics)
}

function metrics({ since, until, prometheus, json, ...options }: MetricsOptions): Promise<void> {
  return withLog(options, async (log) => {
    const { index, state } = await log.index()
    const bounds = { ...(since !== undefined && { since }), ...(until !== undefined && { until }) }
    const found = metricsOf(index.events(bounds))
    if (prometheus) return void process.stdout.write(prometheusText(found))
    const items = json ? found.map(summarised) : found
    answer(json, envelope('MetricList', state, items), state, () => [...counts(found), '', ...distributions(found)])
  })
}

/** With what people and programs ask of a distribution beside its bins. */
function summarised(metric: MetricSnapshot): object {
  if (metric.kind !== 'distribution') return metric
  return { ...metric, series: metric.series.map((one) => ({ ...one, summary: summaryOf(one.value) })) }
}

function counts(found: readonly MetricSnapshot[]): string[] {
  const rows = found.flatMap((metric) => {
    if (metric.kind === 'distribution') return []
    const sorted = metric.series.toSorted((a, b) => b.value - a.value)
    return sorted.map(({ labels, value }) => [metric.name, String(value), Object.values(labels).join(' ')])
  })
  return table(['METRIC', 'VALUE', 'OF'], rows)
}

const QUANTILES = ['count', 'p50', 'p90', 'p99', 'min', 'max', 'deviation'] as const

function distributions(found: readonly MetricSnapshot[]): string[] {
  const rows = found.flatMap((metric) => {
    if (metric.kind !== 'distribution') return []
    return metric.series.flatMap(({ labels, value }) => {
      const summary = summaryOf(value)
      if (summary === undefined) return []
      const figures = QUANTILES.map((name) => (name === 'count' ? String(summary.count) : shown(summary[name])))
      return [[metric.name, ...figures, Object.values(labels).join(' ')]]
    })
  })
  return table(['METRIC', ...QUANTILES.map((name) => name.toUpperCase()), 'OF'], rows)
}

/** Three digits that mean something. */
function shown(value: number): string {
  return value === 0 ? '0' : Number(value.toPrecision(3)).toString()
}
