/**
 * One server per store folder. nats-server itself takes no lock: two on one folder hand out the same sequence numbers for
 * different messages.
 *
 * `server.json` in the folder names the holder by pid and start time: first the process that starts the server, then the server.
 *
 * 1. It comes into being whole or not at all (a link to a finished file), so a reader never sees half of it.
 * 2. A holder counts as dead when no process has its pid and start time, or only a zombie. A recycled pid has another start.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LogUnavailable } from '../errors.ts'

interface Holder {
  readonly pid: number
  readonly startedAt: string
  /** Empty while the server starts. */
  readonly url: string
}

export interface StoreLock {
  /** From now on the lock is the server's: it holds until that process has ended. */
  handOver(pid: number, url: string): void
  release(): void
}

export function lockStore(folder: string): StoreLock {
  const file = join(folder, 'server.json')
  let mine = textOf(process.pid, '')
  while (!create(file, mine)) clearStale(folder, file)
  return {
    handOver: (pid, url) => {
      mine = textOf(pid, url)
      const draft = draftOf(file, mine)
      renameSync(draft, file)
    },
    release: () => {
      if (read(file) === mine) rmSync(file)
    },
  }
}

function create(file: string, text: string): boolean {
  const draft = draftOf(file, text)
  try {
    linkSync(draft, file)
    return true
  } catch (error) {
    if (existsSync(file)) return false
    throw error
  } finally {
    rmSync(draft)
  }
}

function clearStale(folder: string, file: string): void {
  const text = read(file)
  if (text === undefined) return
  const { pid, startedAt, url }: Holder = parse(text, file)
  if (startOf(pid) === startedAt) {
    const where = url ? `at ${url}` : '(starting)'
    throw new LogUnavailable(`the store '${folder}' is open: process ${pid} ${where} holds it. Use or stop that one.`, {
      pid,
      url,
    })
  }
  // Moved aside before it is removed: if another process was faster and its new lock is there now, it goes back.
  const aside = `${file}.${randomBytes(4).toString('hex')}`
  try {
    renameSync(file, aside)
  } catch {
    return
  }
  if (read(aside) !== text && !existsSync(file)) linkSync(aside, file)
  rmSync(aside)
}

function draftOf(file: string, text: string): string {
  const draft = `${file}.${randomBytes(4).toString('hex')}`
  writeFileSync(draft, text)
  return draft
}

const textOf = (pid: number, url: string): string => `${JSON.stringify({ pid, startedAt: startOf(pid) ?? '', url })}\n`

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function parse(text: string, file: string): Holder {
  const value: unknown = JSON.parse(text)
  if (typeof value === 'object' && value && 'pid' in value && 'startedAt' in value && 'url' in value) {
    return { pid: Number(value.pid), startedAt: String(value.startedAt), url: String(value.url) }
  }
  throw new LogUnavailable(`'${file}' is not a lock of ours: remove it if no server runs on that folder`)
}

/** When a process started, in whatever form the system gives; undefined when it is not running. */
export function startOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      // After the command name in parentheses: field 3 is the state, field 22 the start in clock ticks since boot.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
    }
    if (process.platform === 'win32') return process.kill(pid, 0) ? 'running' : undefined
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}
