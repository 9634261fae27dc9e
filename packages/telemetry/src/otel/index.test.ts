import { expect, test } from 'vitest'
import * as otel from './index.ts'

test('the sub-path exports these names and no others', () => {
  expect(Object.keys(otel).sort()).toEqual(['LogSpans', 'exportMetrics', 'exportTraces', 'spanIdOf', 'traceIdOf'])
})
