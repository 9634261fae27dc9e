import { expect, test } from 'vitest'
import { metricsView } from './cluster-metrics.ts'
import { MAX_NODE_SERIES, nodeMetrics } from './node-metrics.ts'

test('node-metrics/2: names without end are bounded, and nothing of them is lost', () => {
  const observer = nodeMetrics()
  for (let n = 0; n < 1_000; n++) observer.effectEnded({ name: `effect-${n}`, outcome: 'ok', tookMs: n })
  const view = metricsView(observer.snapshot())
  expect(view.total('troupe_effects_total')).toBe(1_000)
  expect(view.total('troupe_effects_total', { name: 'other' })).toBe(1_000 - MAX_NODE_SERIES)
  const series = view.metrics.find(({ name }) => name === 'troupe_effect_seconds')?.series
  expect(series).toHaveLength(MAX_NODE_SERIES + 1)
  expect(view.summary('troupe_effect_seconds')).toMatchObject({ count: 1_000, max: 0.999 })
})

test('a model call counts once, with its tokens, its cost and the code that its caller was told', () => {
  const observer = nodeMetrics()
  const usage = { promptTokens: 10, completionTokens: 4 }
  observer.modelCalled({ provider: 'p', model: 'm', usage, costUsd: 0.5, wallMs: 2_000 })
  observer.modelCalled({ provider: 'p', model: 'm', code: 'Timeout', wallMs: 30_000 })
  const view = metricsView(observer.snapshot())
  expect(view.total('troupe_model_calls_total', { code: 'ok' })).toBe(1)
  expect(view.total('troupe_model_calls_total', { code: 'Timeout' })).toBe(1)
  expect(view.total('troupe_model_tokens_total', { kind: 'input' })).toBe(10)
  expect(view.total('troupe_model_cost_usd_total')).toBe(0.5)
  expect(view.summary('troupe_model_seconds')).toMatchObject({ count: 2, min: 2, max: 30 })
  expect(view.total('troupe_model_seconds')).toBe(0)
})
