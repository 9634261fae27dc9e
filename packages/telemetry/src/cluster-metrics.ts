/**
 * The metrics of a whole cluster by one call: every node is asked, what they say is merged.
 *
 * 1. Distributions are merged as sketches: a quantile of all nodes is as exact as that of one.
 * 2. A node that did not answer is in `missing`, one that nobody observes in `unobserved`: the figures are those of the others.
 * 3. A node's answer is read page by page; what one message cannot hold is counted in `omitted`.
 */
import { askNodes, type Bus, type Clock, type Store, type Subjects } from '@troupe/core'
import { type Labels, type MetricSnapshot, mergeMetrics, type Summary, summaryOf } from './metrics.ts'
import { isMetricSnapshot } from './snapshot-check.ts'

/** A snapshot with what people ask of it, of one node (`metricsView(observer.read(system))`) or of many. */
export interface MetricsView {
  /** By name. */
  readonly metrics: readonly MetricSnapshot[]
  /** Of one distribution, over all its label sets that have these labels. */
  summary(name: string, labels?: Labels): Summary | undefined
  /** Of a counter or gauge, added over all its label sets that have these labels; 0 when there are none. */
  total(name: string, labels?: Labels): number
}

export interface ClusterMetrics extends MetricsView {
  readonly nodes: readonly string[]
  /** Nodes of the view that did not answer in time. */
  readonly missing: readonly string[]
  /** Nodes without an observer. */
  readonly unobserved: readonly string[]
  /** Metrics of single nodes that were too large for a message, or not of a form that is known here. */
  readonly omitted: number
}

/** What a system is, as far as it is needed here. */
export interface Asking {
  readonly connection: { readonly store: Store; readonly bus: Bus }
  readonly runtime: { readonly subjects: Subjects; readonly clock: Clock }
}

/** A metric per page at least, and more metrics than any node has. */
const MOST_PAGES = 100

/** @param options `timeoutMs`: for each page of each node, by default 2,000 */
export async function getMetrics(
  { connection, runtime }: Asking,
  options: { readonly timeoutMs?: number } = {},
): Promise<ClusterMetrics> {
  const { subjects, clock } = runtime
  const found = new Map<string, MetricSnapshot[]>()
  const missing = new Set<string>()
  const unobserved: string[] = []
  let omitted = 0
  const read = async (nodes: readonly string[] | undefined, from: number, page: number): Promise<void> => {
    const question = { question: { from }, ...(nodes && { nodes }), ...options }
    const { answers, missing: silent } = await askNodes(connection, subjects, clock, 'metrics', question)
    for (const node of silent) missing.add(node)
    const more = [...answers].map(async ([node, answer]) => {
      const told = pageIn(answer)
      if (told === undefined) return void missing.add(node)
      if (told.metrics === null) return void unobserved.push(node)
      const known = told.metrics.filter(isMetricSnapshot)
      omitted += told.omitted + told.metrics.length - known.length
      found.set(node, [...(found.get(node) ?? []), ...known])
      if (told.next === undefined) return
      if (page >= MOST_PAGES || told.next <= from) return void missing.add(node)
      await read([node], told.next, page + 1)
    })
    await Promise.all(more)
  }
  await read(undefined, 0, 1)
  for (const node of missing) found.delete(node)
  return {
    ...metricsView(mergeMetrics([...found.values()])),
    nodes: [...found.keys()].sort(),
    missing: [...missing].sort(),
    unobserved: unobserved.sort(),
    omitted,
  }
}

export function metricsView(metrics: readonly MetricSnapshot[]): MetricsView {
  return {
    metrics,
    summary: (name, labels = {}) => {
      const metric = metrics.find((one) => one.name === name)
      if (metric?.kind !== 'distribution') return undefined
      const chosen = metric.series.filter((one) => has(one.labels, labels))
      const alike = chosen.map(({ value }) => [{ ...metric, series: [{ labels: {}, value }] }])
      const [merged] = mergeMetrics(alike)
      const value = merged?.kind === 'distribution' ? merged.series[0]?.value : undefined
      return value && summaryOf(value)
    },
    total: (name, labels = {}) => {
      const metric = metrics.find((one) => one.name === name)
      if (metric === undefined || metric.kind === 'distribution') return 0
      const chosen = metric.series.filter((one) => has(one.labels, labels))
      return chosen.reduce((sum, { value }) => sum + value, 0)
    },
  }
}

const has = (labels: Labels, wanted: Labels): boolean =>
  Object.entries(wanted).every(([label, text]) => labels[label] === text)

interface Page {
  readonly metrics: readonly unknown[] | null
  readonly omitted: number
  readonly next?: number
}

function pageIn(answer: unknown): Page | undefined {
  if (typeof answer !== 'object' || answer === null || !('metrics' in answer)) return undefined
  const { metrics } = answer
  if (metrics === null) return { metrics, omitted: 0 }
  if (!Array.isArray(metrics)) return undefined
  const omitted = 'omitted' in answer && typeof answer.omitted === 'number' ? answer.omitted : 0
  const next = 'next' in answer && typeof answer.next === 'number' ? answer.next : undefined
  return { metrics, omitted, ...(next !== undefined && { next }) }
}
