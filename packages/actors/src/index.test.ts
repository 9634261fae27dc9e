import { expect, test } from 'vitest'
import * as actors from './index.ts'

test('the package exports these names and no others', () => {
  expect(Object.keys(actors).sort()).toEqual([
    'POOL_KEY',
    'RevisionConflict',
    'choice',
    'fits',
    'float',
    'int',
    'poolMachine',
    'poolProtocol',
    'randomSampler',
    'session',
    'sessionProtocol',
    'spaceToWire',
    'study',
    'studyProtocol',
    'variable',
    'variables',
    'variablesSays',
  ])
})
