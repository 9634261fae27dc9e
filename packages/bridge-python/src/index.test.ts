import { expect, test } from 'vitest'
import * as bridge from './index.ts'

test('the package exports this and nothing else', () => {
  expect(Object.keys(bridge).sort()).toEqual([
    'Cancelled',
    'InvalidArguments',
    'LlmUnavailable',
    'NoFreeWorker',
    'PoolUnavailable',
    'PythonError',
    'ResultNotSerializable',
    'ResultRefused',
    'SignatureDrift',
    'UnknownFunction',
    'WorkerKiller',
    'optuna',
    'pool',
  ])
})
