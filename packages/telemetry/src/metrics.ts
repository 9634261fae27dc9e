/**
 * Metrics as data: counters, gauges and distributions by name and labels.
 *
 * 1. A snapshot is plain JSON, and merging snapshots of many nodes gives what one node would have counted.
 * 2. Names and labels follow Prometheus' rules from the declaration on: what breaks one is refused there, not in a scrape.
 * 3. At most `MAX_SERIES` label sets of one metric, or fewer as declared: the rest is counted under the label value `other`, so memory is bounded.
 */
import { LogicRefused } from '@troupe/core'
import { Sketch, type SketchData } from './sketch.ts'

export const MAX_SERIES = 1_000
const OTHER = 'other'

export type Labels<L extends string = string> = { readonly [label in L]: string }

interface Declared {
  /** Snake case with the unit: `troupe_effect_seconds`; a counter ends in `_total`. */
  readonly name: string
  readonly help: string
}

export type MetricSnapshot = Declared &
  (
    | { readonly kind: 'counter'; readonly series: readonly Series<number>[] }
    /** `across`: what the gauges of several nodes are together. */
    | { readonly kind: 'gauge'; readonly across: 'sum' | 'max'; readonly series: readonly Series<number>[] }
    | { readonly kind: 'distribution'; readonly series: readonly Series<SketchData>[] }
  )

export interface Series<T> {
  readonly labels: Labels
  readonly value: T
}

export interface Counter<L extends string> {
  /** @param by not below zero */
  add(labels: Labels<L>, by?: number): void
}

export interface Gauge<L extends string> {
  set(labels: Labels<L>, value: number): void
}

export interface Distribution<L extends string> {
  observe(labels: Labels<L>, value: number): void
}

export interface Summary {
  readonly count: number
  readonly sum: number
  readonly mean: number
  readonly deviation: number
  readonly min: number
  readonly max: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

export class Metrics {
  readonly #metrics = new Map<string, () => MetricSnapshot>()
  readonly #maxSeries: number

  constructor({ maxSeries = MAX_SERIES }: { readonly maxSeries?: number } = {}) {
    this.#maxSeries = maxSeries
  }

  counter<const L extends string = never>(name: string, help: string, labels: readonly L[] = []): Counter<L> {
    const series = new SeriesOf<number>(labels, this.#maxSeries, () => 0)
    this.#declare(name, 'counter', labels, () => ({
      kind: 'counter',
      name,
      help,
      series: series.all((value) => value),
    }))
    return {
      add: (of, by = 1) => {
        if (by > 0) series.update(of, (value) => value + by)
      },
    }
  }

  gauge<const L extends string = never>(
    name: string,
    help: string,
    across: 'sum' | 'max',
    labels: readonly L[] = [],
  ): Gauge<L> {
    const series = new SeriesOf<number>(labels, this.#maxSeries, () => 0)
    this.#declare(name, 'gauge', labels, () => {
      return { kind: 'gauge', name, help, across, series: series.all((value) => value) }
    })
    return { set: (of, value) => series.update(of, () => value) }
  }

  distribution<const L extends string = never>(name: string, help: string, labels: readonly L[] = []): Distribution<L> {
    const series = new SeriesOf(labels, this.#maxSeries, () => new Sketch())
    this.#declare(name, 'distribution', labels, () => {
      return { kind: 'distribution', name, help, series: series.all((sketch) => sketch.toJSON()) }
    })
    return {
      observe: (of, value) => {
        series.update(of, (sketch) => {
          sketch.add(value)
          return sketch
        })
      },
    }
  }

  /** By name. */
  snapshot(): readonly MetricSnapshot[] {
    return [...this.#metrics].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, snapshot]) => snapshot())
  }

  #declare(name: string, kind: MetricSnapshot['kind'], labels: readonly string[], snapshot: () => MetricSnapshot) {
    const fault = nameFault(name, kind) ?? labels.map(labelFault).find((fault) => fault !== undefined)
    if (fault !== undefined) throw new LogicRefused(`metric '${name}': ${fault}`)
    if (this.#metrics.has(name)) throw new LogicRefused(`metric '${name}' is declared twice`)
    this.#metrics.set(name, snapshot)
  }
}

class SeriesOf<T> {
  readonly #labels: readonly string[]
  readonly #most: number
  readonly #empty: () => T
  readonly #series = new Map<string, { readonly labels: Labels; value: T }>()

  constructor(labels: readonly string[], most: number, empty: () => T) {
    this.#labels = labels
    this.#most = most
    this.#empty = empty
  }

  update(labels: Labels, change: (value: T) => T): void {
    const key = this.#labels.map((label) => labels[label]).join('\u0000')
    const series = this.#series.get(key) ?? this.#begin(key, labels)
    series.value = change(series.value)
  }

  all<S>(shown: (value: T) => S): Series<S>[] {
    return [...this.#series.values()].map(({ labels, value }) => ({ labels, value: shown(value) }))
  }

  #begin(key: string, given: Labels) {
    const full = this.#series.size >= this.#most
    const labels = Object.fromEntries(this.#labels.map((label) => [label, full ? OTHER : String(given[label])]))
    const place = full ? this.#labels.map(() => OTHER).join('\u0000') : key
    const series = this.#series.get(place) ?? { labels, value: this.#empty() }
    this.#series.set(place, series)
    return series
  }
}

/** What all of them would be as one. Metrics of one name are of one kind, or the first decides. */
export function mergeMetrics(snapshots: readonly (readonly MetricSnapshot[])[]): readonly MetricSnapshot[] {
  const merged = new Map<string, MetricSnapshot>()
  for (const metric of snapshots.flat()) {
    const before = merged.get(metric.name)
    merged.set(metric.name, before === undefined ? metric : mergeTwo(before, metric))
  }
  return [...merged.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function mergeTwo(one: MetricSnapshot, other: MetricSnapshot): MetricSnapshot {
  if (one.kind === 'distribution') {
    if (other.kind !== 'distribution') return one
    return { ...one, series: mergeSeries(one.series, other.series, mergeSketches) }
  }
  if (other.kind !== one.kind) return one
  const add = (a: number, b: number) => a + b
  const together = one.kind === 'gauge' && one.across === 'max' ? Math.max : add
  return { ...one, series: mergeSeries(one.series, other.series, together) }
}

function mergeSketches(a: SketchData, b: SketchData): SketchData {
  const both = Sketch.of(a)
  both.merge(b)
  return both.toJSON()
}

function mergeSeries<T>(some: readonly Series<T>[], others: readonly Series<T>[], together: (a: T, b: T) => T) {
  const merged = new Map<string, Series<T>>()
  for (const series of [...some, ...others]) {
    const key = JSON.stringify(Object.entries(series.labels).sort())
    const before = merged.get(key)
    merged.set(key, before === undefined ? series : { ...series, value: together(before.value, series.value) })
  }
  return [...merged.values()]
}

/** Of a distribution; undefined when nothing was observed. */
export function summaryOf(data: SketchData): Summary | undefined {
  if (data.count === 0) return undefined
  const sketch = Sketch.of(data)
  const at = (q: number) => sketch.quantile(q) ?? 0
  const { count, sum, min, max } = data
  return {
    count,
    sum,
    mean: sum / count,
    deviation: sketch.deviation ?? 0,
    min,
    max,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
  }
}

const NAME = /^[a-z][a-z0-9_]*$/
const BAD_UNITS = ['_ms', '_milliseconds', '_micros', '_nanoseconds', '_minutes', '_hours', '_kb', '_mb', '_percent']

/** The rules of `promtool check metrics`, and of our own names. */
export function nameFault(name: string, kind: MetricSnapshot['kind']): string | undefined {
  if (!NAME.test(name)) return 'a name is lower-case letters, digits and _'
  if (kind === 'counter' && !name.endsWith('_total')) return 'a counter ends in _total'
  if (kind !== 'counter' && name.endsWith('_total')) return 'only a counter ends in _total'
  if (/_(count|sum|bucket|info|counter|gauge|histogram|summary)$/.test(name)) return 'that ending belongs to Prometheus'
  if (BAD_UNITS.some((unit) => name.replace(/_total$/, '').endsWith(unit)))
    return 'use the base unit: seconds, bytes, ratio'
  return undefined
}

function labelFault(label: string): string | undefined {
  if (!NAME.test(label) || label.startsWith('__')) return `label '${label}' is no lower-case name`
  return label === 'le' || label === 'quantile' ? `label '${label}' belongs to Prometheus` : undefined
}
