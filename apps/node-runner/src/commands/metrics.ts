/** `troupe metrics`: how much, how long and how often: from the log, when no node has to run, or with `--nodes` from all that run. */
import { realClock } from '@troupe/core'
import { getMetrics, type MetricSnapshot, metricsOf, prometheusText, summaryOf } from '@troupe/telemetry'
import { Command } from 'commander'
import { type OpenLog, withLog } from '../open-log.ts'
import { type ReadOptions, readOptions, time } from '../options.ts'
import { API_VERSION, answer, envelope, print, table } from '../output.ts'
import { EXIT } from '../problem.ts'

interface MetricsOptions extends ReadOptions {
  readonly since?: number
  readonly until?: number
  readonly prometheus?: boolean
  readonly nodes?: boolean
}

export function metricsCommand(): Command {
  return readOptions(new Command('metrics'))
    .description('counts and distributions of steps, effects and traces')
    .option('--since <time>', 'of steps not before (ISO time)', time)
    .option('--until <time>', 'of steps not after (ISO time)', time)
    .option('--nodes', 'of the running nodes, merged, instead of the log')
    .option('--prometheus', "in Prometheus' text format")
    .action(metrics)
}

function metrics({ since, until, prometheus, json, nodes, ...options }: MetricsOptions): Promise<void> {
  return withLog(options, async (log) => {
    if (nodes) return ofNodes(log, json, prometheus)
    const { index, state } = await log.index()
    const bounds = { ...(since !== undefined && { since }), ...(until !== undefined && { until }) }
    const found = metricsOf(index.events(bounds))
    if (prometheus) return void process.stdout.write(prometheusText(found))
    const items = json ? found.map(summarised) : found
    answer(json, envelope('MetricList', state, items), state, () => [...counts(found), '', ...distributions(found)])
  })
}

async function ofNodes({ connection, subjects }: OpenLog, json = false, prometheus = false): Promise<void> {
  const found = await getMetrics({ connection, runtime: { subjects, clock: realClock() } })
  const { metrics, missing, unobserved, omitted } = found
  const complete = missing.length === 0 && unobserved.length === 0 && omitted === 0
  const about = { apiVersion: API_VERSION, kind: 'MetricList', complete, missingNodes: missing, nodes: found.nodes }
  if (prometheus) process.stdout.write(prometheusText(metrics))
  else if (json) print(JSON.stringify({ ...about, unobservedNodes: unobserved, items: metrics.map(summarised) }))
  else for (const line of [...counts(metrics), '', ...distributions(metrics)]) print(line)
  if (complete) return
  const why = [
    ...missing.map((node) => `${node} did not answer`),
    ...unobserved.map((node) => `nobody observes ${node}`),
    ...(omitted > 0 ? [`${omitted} metrics could not be read`] : []),
  ]
  process.stderr.write(`warning: this answer is not complete: ${why.join(', ')}\n`)
  process.exitCode = EXIT.partial
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
