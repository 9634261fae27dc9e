/**
 * Opens a causal log for reading: that of a running cluster, or the one a run left in the data folder.
 *
 *     --nats or NATS_URL given   that server
 *     else the data folder       the server that holds the run's store now, or one of our own on it, ended afterwards
 *
 * 1. Nothing is created or written in the log.
 * 2. `close` leaves no process behind that was not there before; the server also ends when this process is killed.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Connection, cryptoEntropy, realClock, Subjects, TroupeError } from '@troupe/core'
import { type NatsServer, nats, startNatsServer } from '@troupe/core/nats'
import { type EventIndex, type IndexState, openEventIndex } from '@troupe/telemetry'
import { type Config, readConfig } from './config.ts'
import { findRun, type Run } from './data-folder.ts'
import { Problem } from './problem.ts'

export interface LogOptions {
  readonly nats?: string
  readonly data?: string
  readonly run?: string
  readonly namespace?: string
}

export interface OpenLog {
  readonly connection: Connection
  readonly subjects: Subjects
  /** Absent for a server that was named. */
  readonly run: Run | undefined
  /** The index, brought up to the end of the journal. */
  index(): Promise<{ readonly index: EventIndex; readonly state: IndexState }>
  close(): Promise<void>
}

const STARTING_MS = 5_000
const RETRY_MS = 100

export async function withLog<T>(options: LogOptions, work: (log: OpenLog) => Promise<T>): Promise<T> {
  const log = await openLog(options)
  try {
    return await work(log)
  } finally {
    await log.close()
  }
}

export async function openLog(options: LogOptions, config: Config = readConfig()): Promise<OpenLog> {
  const dataDir = resolve(options.data ?? config.dataDir)
  // A run or folder that was asked for outright is meant, whatever the environment says.
  const local = options.data !== undefined || options.run !== undefined
  const servers = options.nats ?? (local ? undefined : config.natsUrl)
  const run = servers === undefined ? findRun(dataDir, options.run) : undefined
  const server = run === undefined ? undefined : await serverOf(run)
  try {
    const namespace = options.namespace ?? run?.record.namespace ?? 'default'
    const backend = nats({ servers: servers ?? server?.url ?? '', namespace })
    const connection = await backend.connect({ name: 'troupe-cli', clock: realClock(), entropy: cryptoEntropy() })
    return opened(connection, run, server, indexFile(dataDir, run, connection.journal.streamId))
  } catch (error) {
    await server?.stop()
    throw error
  }
}

function opened(connection: Connection, run: Run | undefined, server: LocalServer | undefined, file: string): OpenLog {
  const subjects = new Subjects(connection.namespace)
  let index: EventIndex | undefined
  return {
    connection,
    subjects,
    run,
    index: async () => {
      index ??= openEventIndex(file)
      return { index, state: await index.update(connection.journal, subjects) }
    },
    close: async () => {
      index?.close()
      await connection.close()
      await server?.stop()
    },
  }
}

function indexFile(dataDir: string, run: Run | undefined, streamId: string): string {
  if (run !== undefined) return join(run.folder, 'events.sqlite')
  mkdirSync(join(dataDir, 'index'), { recursive: true })
  return join(dataDir, 'index', `${streamId}.sqlite`)
}

type LocalServer = Pick<NatsServer, 'url' | 'stop'>

/** The store's lock decides: whoever has it is used; when nobody has it, we do. */
async function serverOf({ id, natsDir }: Run): Promise<LocalServer> {
  if (!existsSync(natsDir)) {
    throw new Problem({ code: 'NoLog', exit: 'notFound', what: `the run '${id}' has no store at '${natsDir}'` })
  }
  const clock = realClock()
  const until = clock.monotonic() + STARTING_MS
  for (;;) {
    try {
      return await startNatsServer({ storeDir: natsDir })
    } catch (error) {
      const url = error instanceof TroupeError ? error.details['url'] : undefined
      if (typeof url !== 'string') throw error
      if (url !== '') return { url, stop: async () => {} }
      if (clock.monotonic() > until) throw error
    }
    await new Promise((tryAgain) => setTimeout(tryAgain, RETRY_MS))
  }
}
