/** Whether data from another node is a metric that can be merged: nodes of other versions may know other kinds. */
import type { MetricSnapshot } from './metrics.ts'

type Fields = { readonly [name: string]: unknown }

export function isMetricSnapshot(value: unknown): value is MetricSnapshot {
  if (!isFields(value) || typeof value['name'] !== 'string' || typeof value['help'] !== 'string') return false
  const { kind, series } = value
  if (!Array.isArray(series) || !series.every(isSeries)) return false
  if (kind === 'distribution') return series.every((one: Fields) => isSketch(one['value']))
  const across = value['across']
  const isKnown = kind === 'counter' || (kind === 'gauge' && (across === 'sum' || across === 'max'))
  return isKnown && series.every((one: Fields) => typeof one['value'] === 'number')
}

function isSeries(value: unknown): value is Fields {
  if (!isFields(value) || !isFields(value['labels'])) return false
  return Object.values(value['labels']).every((text) => typeof text === 'string')
}

const NUMBERS = ['count', 'sum', 'spread', 'min', 'max', 'zeros'] as const

function isSketch(value: unknown): boolean {
  if (!isFields(value) || !NUMBERS.every((name) => typeof value[name] === 'number')) return false
  const { bins } = value
  return (
    Array.isArray(bins) &&
    bins.every((bin) => Array.isArray(bin) && bin.length === 2 && bin.every((n) => typeof n === 'number'))
  )
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
