import { expect, test } from 'vitest'
import * as llm from './index.ts'

test('exports exactly this', () => {
  expect(Object.keys(llm).sort()).toEqual([
    'Ledger',
    'ModelError',
    'Purse',
    'PurseView',
    'STAND_IN_NAME',
    'STAND_IN_NOTE',
    'aiSdkModel',
    'anthropic',
    'cached',
    'charged',
    'direct',
    'limited',
    'memoryResults',
    'modelFrom',
    'modelGate',
    'openAiCompatible',
    'openBudget',
    'predict',
    'priceOf',
    'purse',
    'purses',
    'readCassette',
    'recorder',
    'replayer',
    'scriptedModel',
    'serveModels',
    'standInAnswer',
    'standInModel',
    'startStandIn',
    'storedResults',
    'writeCassette',
  ])
})
