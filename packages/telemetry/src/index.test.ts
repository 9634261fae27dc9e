import { expect, test } from 'vitest'
import * as telemetry from './index.ts'

test('the package exports these names and no others', () => {
  expect(Object.keys(telemetry).sort()).toEqual([
    'EventIndex',
    'eventsOf',
    'openEventIndex',
    'orderOf',
    'positionOf',
    'traceTree',
  ])
})
