import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { withLock } from './ensure-lock.mjs'
import { scratchFolder } from './scratch.ts'

const quick = { pollMs: 1, silentPolls: 1_000_000, giveUpPolls: 1_000_000 }

function lockHeldBy(pid: number): string {
  const lock = join(scratchFolder(), 'lock')
  mkdirSync(lock)
  writeFileSync(join(lock, `${pid}-other`), '')
  return lock
}

/** The id of a process that has ended. */
const deadPid = () => spawnSync(process.execPath, ['--version']).pid

describe('withLock', () => {
  beforeEach(() => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  })

  it('lets the second of two begin when the first has ended', async () => {
    const lock = join(scratchFolder(), 'lock')
    const first = Promise.withResolvers<void>()
    const order: string[] = []
    const one = withLock(lock, () => first.promise.then(() => order.push('first ends')), quick)
    const waiting = vi.waitUntil(() => vi.mocked(process.stderr.write).mock.calls.length > 0)
    const two = withLock(lock, async () => order.push('second begins'), quick)
    await waiting
    expect(vi.mocked(process.stderr.write).mock.calls[0]?.[0]).toContain(
      `another set-up is running (process ${process.pid})`,
    )
    first.resolve()
    await Promise.all([one, two])
    expect(order).toEqual(['first ends', 'second begins'])
  })

  it('takes over from a dead owner at once, one taker at a time', async () => {
    const lock = lockHeldBy(deadPid())
    let working = 0
    let most = 0
    let done = 0
    const work = async () => {
      most = Math.max(most, ++working)
      await Promise.resolve()
      working--
      done++
    }
    await Promise.all(Array.from({ length: 8 }, () => withLock(lock, work, quick)))
    expect({ most, done }).toEqual({ most: 1, done: 8 })
  })

  it('takes over from a process that has the pid of the owner but does not touch the lock', async () => {
    const lock = lockHeldBy(process.pid)
    await expect(withLock(lock, async () => 'taken', { ...quick, silentPolls: 3 })).resolves.toBe('taken')
  })

  it('takes over a lock left empty half-way through its release', async () => {
    const lock = join(scratchFolder(), 'lock')
    mkdirSync(lock)
    await expect(withLock(lock, async () => 'taken', quick)).resolves.toBe('taken')
  })

  it('leaves nothing behind, also when the work fails', async () => {
    const lock = join(scratchFolder(), 'lock')
    const work = async () => {
      throw new Error('disk full')
    }
    await expect(withLock(lock, work, quick)).rejects.toThrow('disk full')
    expect(existsSync(lock)).toBe(false)
    expect(readdirSync(dirname(lock))).toEqual([])
  })

  it('gives up on a lock that stays in use, and says what to remove', async () => {
    const lock = lockHeldBy(process.pid)
    await expect(withLock(lock, async () => 'taken', { ...quick, giveUpPolls: 3 })).rejects.toThrow(
      `remove that folder if no set-up is running`,
    )
  })
})
