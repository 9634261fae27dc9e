import { expect, test } from 'vitest'
import * as llm from './index.ts'

test('exports exactly this', () => {
  expect(Object.keys(llm).sort()).toEqual([
    'Ledger',
    'ModelError',
    'STAND_IN_NAME',
    'STAND_IN_NOTE',
    'limited',
    'modelFrom',
    'modelGate',
    'openAiCompatible',
    'openBudget',
    'predict',
    'priceOf',
    'serveModels',
    'standInAnswer',
    'standInModel',
    'startStandIn',
  ])
})
