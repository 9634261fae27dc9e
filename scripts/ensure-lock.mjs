// One set-up at a time in a checkout; a second one waits for the first.
//
// 1. The lock is a folder holding one file that names its owner (pid and a random token). It is prepared aside and
//    renamed into place, so it never exists without its owner.
// 2. Taking over removes the *named* owner's file, then the folder only if it is empty: whoever comes second finds
//    another name or a folder in use, and can harm neither.
// 3. An owner is gone when its pid is, or when it has not touched its file while we looked `silentPolls` times (the pid
//    may belong to another program by now). We count looks, not time, so that a suspended machine does not count.
import { randomBytes } from 'node:crypto'
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Problem, say } from './report.mjs'

const TOUCH_MS = 1000
const IN_USE = new Set(['EEXIST', 'ENOTEMPTY', 'EPERM', 'EACCES', 'ENOTDIR'])

/**
 * @template T
 * @param {string} folder the lock
 * @param {() => Promise<T>} work
 * @param {{ pollMs?: number, silentPolls?: number, giveUpPolls?: number }} [limits]
 * @returns {Promise<T>}
 */
export async function withLock(folder, work, { pollMs = 200, silentPolls = 150, giveUpPolls = 3000 } = {}) {
  const token = `${process.pid}-${randomBytes(6).toString('hex')}`
  let seen = { owner: '', touchedAt: 0, polls: 0 }
  for (let polls = 0; !take(folder, token); polls++) {
    const holder = look(folder)
    if (holder === undefined) continue
    const same = holder.owner === seen.owner && holder.touchedAt === seen.touchedAt
    seen = { ...holder, polls: same ? seen.polls + 1 : 0 }
    if (!isAlive(holder.owner) || seen.polls >= silentPolls) {
      remove(folder, holder.owner)
      continue
    }
    if (polls >= giveUpPolls) {
      throw new Problem(`still waiting for ${folder} (${holder.owner}); remove that folder if no set-up is running`)
    }
    if (polls === 0) say(`another set-up is running (process ${pidOf(holder.owner)}); waiting for it`)
    await delay(pollMs)
  }
  const release = () => remove(folder, token)
  const touch = setInterval(() => utimesSync(join(folder, token), new Date(), new Date()), TOUCH_MS)
  process.once('exit', release)
  try {
    return await work()
  } finally {
    clearInterval(touch)
    process.off('exit', release)
    release()
  }
}

/** @param {string} folder @param {string} token */
function take(folder, token) {
  const aside = `${folder}.${token}`
  mkdirSync(aside)
  writeFileSync(join(aside, token), '')
  try {
    renameSync(aside, folder)
    return true
  } catch (error) {
    rmSync(aside, { recursive: true, force: true })
    if (IN_USE.has(codeOf(error))) return false
    throw error
  }
}

/** @param {string} folder */
function look(folder) {
  try {
    const owner = readdirSync(folder)[0]
    if (owner === undefined) {
      rmdirSync(folder) // left by an owner that ended between the two steps of `remove`
      return undefined
    }
    return { owner, touchedAt: statSync(join(folder, owner)).mtimeMs }
  } catch {
    return undefined // it went away while we looked
  }
}

/** @param {string} folder @param {string} owner */
function remove(folder, owner) {
  try {
    unlinkSync(join(folder, owner))
    rmdirSync(folder)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && !IN_USE.has(codeOf(error))) throw error // both mean: somebody else was first
  }
}

/** @param {string} owner */
function isAlive(owner) {
  try {
    process.kill(pidOf(owner), 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM' // alive, but another user's
  }
}

/** @param {string} owner */
const pidOf = (owner) => Number.parseInt(owner, 10)

/** @param {unknown} error */
const codeOf = (error) => /** @type {NodeJS.ErrnoException} */ (error).code ?? ''
