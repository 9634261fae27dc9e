import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createRun, findRun } from './data-folder.ts'
import { readRunRecord } from './run-record.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'troupe-data-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('folder/1: a second run has a folder of its own; the newest is found, or any by the beginning of its id', () => {
  const first = createRun(folder, { entry: '/app.ts', namespace: 'one' })
  const second = createRun(folder, { entry: '/app.ts', namespace: 'two' })
  expect(second.natsDir).not.toBe(first.natsDir)
  expect(findRun(folder)).toEqual(second)
  expect(findRun(folder, first.id)).toEqual(first)
  expect(readRunRecord(first.folder)).toMatchObject({ entry: '/app.ts', namespace: 'one' })
  expect(readFileSync(join(folder, 'latest'), 'utf8')).toBe(`${second.id}\n`)
})

test('a pointer to a run that was removed falls back to the newest there is', () => {
  const first = createRun(folder, { entry: '/app.ts', namespace: 'one' })
  const second = createRun(folder, { entry: '/app.ts', namespace: 'two' })
  rmSync(second.folder, { recursive: true })
  expect(findRun(folder)).toEqual(first)
})

test('no run, an unknown one and a broken record say so', () => {
  expect(() => findRun(folder)).toThrow(/there is no run/)
  const run = createRun(folder, { entry: '/app.ts', namespace: 'one' })
  expect(() => findRun(folder, 'x')).toThrow(/no run 'x'/)
  writeFileSync(join(run.folder, 'run.json'), '{"entry": 1}')
  expect(() => findRun(folder)).toThrow(/no readable run.json/)
})
