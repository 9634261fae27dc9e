/**
 * Where runs keep their data:
 *
 *     .troupe/latest            the id of the newest run
 *     .troupe/runs/<id>/        run.json · nats/ (store of its nats-server) · events.sqlite (index, disposable)
 *
 * 1. Every run has a folder of its own; a new one never touches an older one.
 * 2. `latest` is replaced as a whole and only after the run's folder is ready.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { cryptoEntropy, realClock } from '@troupe/core'
import { Problem } from './problem.ts'
import { type RunRecord, readRunRecord, writeRunRecord } from './run-record.ts'

export interface Run {
  readonly id: string
  readonly folder: string
  /** For `startNatsServer({ storeDir })`. */
  readonly natsDir: string
  readonly record: RunRecord
}

export function createRun(dataDir: string, about: Pick<RunRecord, 'entry' | 'namespace'>): Run {
  const startedAt = new Date(realClock().now()).toISOString()
  const id = `${startedAt.slice(0, 19).replace(/[-:]/g, '').replace('T', '-')}-${cryptoEntropy().hex(16)}`
  const folder = resolve(dataDir, 'runs', id)
  const run = runAt(id, folder, { ...about, entry: resolve(about.entry), startedAt })
  mkdirSync(run.natsDir, { recursive: true })
  writeRunRecord(folder, run.record)
  const draft = join(dataDir, `latest.${id}`)
  writeFileSync(draft, `${id}\n`)
  renameSync(draft, join(dataDir, 'latest'))
  return run
}

/**
 * @param wanted an id or the beginning of one; by default the newest run
 * @throws Problem when there is no such run
 */
export function findRun(dataDir: string, wanted?: string): Run {
  const runs = existsSync(join(dataDir, 'runs')) ? readdirSync(join(dataDir, 'runs')).sort() : []
  if (runs.length === 0) {
    const what = `there is no run in the data folder '${resolve(dataDir)}'`
    const fix = 'run `troupe demo` first, name the folder with --data, or a server with --nats'
    throw new Problem({ code: 'NoRun', exit: 'notFound', what, fix })
  }
  const id = wanted === undefined ? latest(dataDir, runs) : runs.find((run) => run.startsWith(wanted))
  const folder = resolve(dataDir, 'runs', id ?? '')
  const record = id === undefined ? undefined : readRunRecord(folder)
  if (id === undefined || record === undefined) {
    const what = id === undefined ? `there is no run '${wanted}'` : `the run '${id}' has no readable run.json`
    throw new Problem({ code: 'NoRun', exit: 'notFound', what, fix: `runs there are: ${runs.join(', ')}` })
  }
  return runAt(id, folder, record)
}

function latest(dataDir: string, runs: readonly string[]): string | undefined {
  const file = join(dataDir, 'latest')
  const named = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
  return runs.includes(named) ? named : runs.at(-1)
}

const runAt = (id: string, folder: string, record: RunRecord): Run => ({
  id,
  folder,
  natsDir: join(folder, 'nats'),
  record,
})
