import { expect, test } from 'vitest'
import * as telemetry from './index.ts'

test('the package exports these names and no others', () => {
  expect(Object.keys(telemetry).sort()).toEqual([
    'CONTENT_TYPE',
    'EventIndex',
    'Metrics',
    'Sketch',
    'eventsOf',
    'mergeMetrics',
    'metricsOf',
    'openEventIndex',
    'orderOf',
    'positionOf',
    'prometheusText',
    'summaryOf',
    'traceTree',
  ])
})
