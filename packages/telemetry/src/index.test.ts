import { expect, test } from 'vitest'
import * as telemetry from './index.ts'

test('the package exports these names and no others', () => {
  expect(Object.keys(telemetry).sort()).toEqual([
    'CONTENT_TYPE',
    'EventIndex',
    'Metrics',
    'Sketch',
    'eventsOf',
    'getMetrics',
    'mergeMetrics',
    'metricsOf',
    'metricsResponse',
    'metricsView',
    'nodeMetrics',
    'openEventIndex',
    'orderOf',
    'positionOf',
    'prometheusText',
    'serveMetrics',
    'spendingOf',
    'summaryOf',
    'traceTree',
  ])
})
