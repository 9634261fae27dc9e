/** What the four entries of this package export: a change here is a change for users. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as core from './index.ts'
import * as nats from './nats/index.ts'
import * as replay from './replay/index.ts'
import * as testing from './testing/index.ts'

const isErrorClass = (value: unknown): boolean =>
  typeof value === 'function' && value.prototype instanceof core.TroupeError && value !== core.RemoteError

/** Error classes are listed, and compared one by one, in `test/golden/errors.json`. */
const namesOf = (entry: object): string[] =>
  Object.entries(entry)
    .filter(([, value]) => !isErrorClass(value))
    .map(([name]) => name)
    .sort()

test('@troupe/core', () => {
  expect(namesOf(core)).toEqual([
    'RemoteError',
    'Subjects',
    'TroupeError',
    'addressOf',
    'askNodes',
    'assertNever',
    'canonical',
    'createSystem',
    'cryptoEntropy',
    'decode',
    'defineActor',
    'effect',
    'encode',
    'fromToken',
    'fromWire',
    'hashOf',
    'invariant',
    'isJson',
    'jsonHeaders',
    'memory',
    'memoryKeys',
    'packWire',
    'parse',
    'protocol',
    'readClusterTree',
    'realClock',
    'resource',
    'seededEntropy',
    'shardOf',
    'splitAddress',
    'stepTime',
    'storedKeys',
    'supervisor',
    'toWire',
    'token',
    'unpackWire',
  ])
})

test('@troupe/core/nats', () => {
  expect(namesOf(nats)).toEqual(['initialiseNamespace', 'nats', 'startNatsServer'])
})

test('@troupe/core/replay', () => {
  expect(namesOf(replay)).toEqual([
    'ActorReplay',
    'SealReader',
    'decodeRecord',
    'differences',
    'eventType',
    'frames',
    'hashOfBytes',
    'replayActor',
    'replayAll',
    'stepId',
  ])
})

test('@troupe/core/testing', () => {
  expect(namesOf(testing)).toEqual([
    'SimulationFailed',
    'eventually',
    'manualClock',
    'mock',
    'natsCluster',
    'natsServer',
    'simulate',
    'testNamespace',
    'withMockedService',
  ])
})

test('the package has these entries and no others', () => {
  const { exports }: { readonly exports: object } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  )
  expect(Object.keys(exports)).toEqual(['.', './nats', './replay', './testing', './schema/*.json'])
})
