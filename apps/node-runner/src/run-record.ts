/** `run.json` of a run's folder: what was run, so that `trace`, `event` and `replay` need not be told. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface RunRecord {
  /** Absolute path of the module that exports `actors`. */
  readonly entry: string
  readonly namespace: string
  /** ISO time. */
  readonly startedAt: string
}

const FILE = 'run.json'

export function writeRunRecord(folder: string, record: RunRecord): void {
  writeFileSync(join(folder, FILE), `${JSON.stringify({ v: 1, ...record }, null, 2)}\n`)
}

/** Undefined when there is none, or what is there is not one of ours. */
export function readRunRecord(folder: string): RunRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(join(folder, FILE), 'utf8'))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const [entry, namespace, startedAt] = ['entry', 'namespace', 'startedAt'].map((name) => Reflect.get(value, name))
  if (typeof entry !== 'string' || typeof namespace !== 'string' || typeof startedAt !== 'string') return undefined
  return { entry, namespace, startedAt }
}
