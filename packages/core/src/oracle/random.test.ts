/** Machines nobody thought of: drawn from a seed, run under plain XState and hosted under every restart. */
import { randomInt } from 'node:crypto'
import { beforeEach, expect, test, vi } from 'vitest'
import { randomDifferences } from './random-runner.ts'

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

const given = process.env['ORACLE_SEED']
const first = given === undefined ? randomInt(2 ** 31) : Number(given)
const count = given === undefined ? 100 : Number(process.env['ORACLE_COUNT'] ?? 1)

test(`host: random machines equal plain XState under every restart (ORACLE_SEED=${first})`, async () => {
  expect(await randomDifferences(first, count)).toEqual([])
}, 120_000)
