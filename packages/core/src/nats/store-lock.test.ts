import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { lockStore, startOf } from './store-lock.ts'

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'troupe-lock-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

test('a second lock on a folder is refused until the first is released', () => {
  const store = folder()
  const lock = lockStore(store)
  expect(() => lockStore(store)).toThrow(new RegExp(`is open: process ${process.pid} \\(starting\\)`))
  lock.handOver(process.pid, 'nats://127.0.0.1:1')
  expect(() => lockStore(store)).toThrow('at nats://127.0.0.1:1 holds it')
  lock.release()
  lockStore(store).release()
  expect(readdirSync(store)).toEqual([])
})

test('2: the lock of a dead process, of a recycled pid and of a zombie counts for nothing', async () => {
  const store = folder()
  const child = spawn('sleep', ['60'])
  lockStore(store).handOver(child.pid ?? 0, 'nats://x')
  expect(() => lockStore(store)).toThrow('is open')
  child.kill('SIGKILL')
  await eventually(() => startOf(child.pid ?? 0) === undefined, { withinMs: 5_000 })
  lockStore(store).release()
  writeFileSync(join(store, 'server.json'), JSON.stringify({ pid: process.pid, startedAt: 'another time', url: '' }))
  lockStore(store).release()
  expect(existsSync(join(store, 'server.json'))).toBe(false)
})

test('a file that is not ours is left alone', () => {
  const store = folder()
  writeFileSync(join(store, 'server.json'), '{}')
  expect(() => lockStore(store)).toThrow('is not a lock of ours')
  expect(existsSync(join(store, 'server.json'))).toBe(true)
})
