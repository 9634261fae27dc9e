/** Where validated results are kept: in memory, or in the store of a cluster for all its nodes. */
import type { Clock, Store } from '@troupe/core'
import { Kept } from './kept.ts'

export interface ResultStore {
  get(key: string): Promise<string | undefined>
  /** In the place of what was there. May keep it for less long. Rejects when it is not kept. */
  put(key: string, text: string, forMs: number): Promise<void>
}

const COUNT = 10_000
const SIZE_BYTES = 64 * 1024 * 1024
/** What an entry costs besides its text. */
const ENTRY_BYTES = 256
/** The longest that a store in memory keeps anything. */
const LONGEST_MS = 7 * 86_400_000

export interface MemoryResultsOptions {
  readonly count?: number
  readonly sizeBytes?: number
}

/** The oldest results go first when there are too many, or too many bytes. */
export function memoryResults(
  clock: Clock,
  { count = COUNT, sizeBytes = SIZE_BYTES }: MemoryResultsOptions = {},
): ResultStore {
  const kept = new Kept<{ readonly text: string; readonly untilMs: number }>(clock, {
    forMs: LONGEST_MS,
    count,
    sizeBytes,
  })
  return {
    get: async (key) => {
      const found = kept.get(key)
      return found !== undefined && found.untilMs > clock.monotonic() ? found.text : undefined
    },
    put: async (key, text, forMs) => {
      const entryBytes = Buffer.byteLength(text) + ENTRY_BYTES
      if (entryBytes > sizeBytes) throw new RangeError(`a result of ${entryBytes} bytes, for a store of ${sizeBytes}`)
      kept.put(key, { text, untilMs: clock.monotonic() + forMs }, entryBytes)
    },
  }
}

/** Below `result.` in the store of a system: `storedResults(system.connection.store)`. Too large a result is not kept. */
export function storedResults(store: Store): ResultStore {
  return {
    get: async (key) => {
      const entry = await store.get(`result.${key}`)
      return entry === undefined ? undefined : Buffer.from(entry.value).toString('utf8')
    },
    put: async (key, text, forMs) => {
      const ttlMs = Math.max(1_000, Math.floor(forMs / 1_000) * 1_000)
      const [name, bytes] = [`result.${key}`, Buffer.from(text)]
      if ((await store.create(name, bytes, { ttlMs })) !== undefined) return
      const there = await store.get(name)
      // Who has been quicker is as right: all of them were checked.
      if (there !== undefined) await store.update(name, bytes, there.revision, { ttlMs })
    },
  }
}
