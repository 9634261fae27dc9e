import { toWire } from '@troupe/core'
import { expect, test } from 'vitest'
import { errorRows, inOrder, rowOf } from '../../../test/wire/golden.mjs'
import * as errors from './errors.ts'
import * as resilience from './index.ts'

test('the package exports these names and no others', () => {
  expect(Object.keys(resilience).sort()).toEqual([
    'Breaker',
    'BreakerOpen',
    'Bulkhead',
    'Busy',
    'CostRefused',
    'Gate',
    'LimitReached',
    'Limiter',
    'breakerMachine',
    'codeOf',
    'countsAsFailure',
    'decideRetry',
    'fallback',
    'gate',
    'gateSays',
    'gates',
    'hedge',
    'protect',
    'readHeaders',
    'readRetryAfter',
    'retry',
    'streaming',
    'timeout',
    'watchedForStreams',
  ])
})

test('the package raises the codes of the table and no others', () => {
  const { BreakerOpen, Busy, CostRefused, LimitReached } = errors
  const raised = [BreakerOpen, Busy, CostRefused, LimitReached].map((Class) => rowOf(toWire(new Class('x'))))
  expect(inOrder(raised)).toEqual(errorRows('resilience'))
})
