/**
 * A nats-server of our own, for development, tests and the demo: `startNatsServer({ storeDir })`.
 *
 * 1. One server per store folder (`store-lock.ts`).
 * 2. It ends with the process that started it, however that one ends: a helper waits for the end of a pipe only we hold.
 *    It does not keep that process alive.
 * 3. `durabilityProof` says what its configuration says, so that a claim of `r1-fsync` need not be believed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { realClock } from '../clock.ts'
import { LogUnavailable } from '../errors.ts'
import type { ServerFact } from './durability.ts'
import { natsServerBinary } from './server-binary.ts'
import { lockStore } from './store-lock.ts'

export interface NatsServerOptions {
  /** Created when it is not there; holds the data, the configuration and the log of the server. */
  readonly storeDir: string
  /** 0: any free one. */
  readonly port?: number
  /** Sync every write to disk: acknowledged entries then survive a power cut. */
  readonly syncAlways?: boolean
  /** All streams together take no more; by default three quarters of the disk. */
  readonly maxStoreBytes?: number
  /** Its place among the servers of a cluster; by default it is alone. */
  readonly cluster?: ServerPlace
  /** Path of the binary; by default found as `server-binary.ts` says. */
  readonly binary?: string
}

/** Name and ports of a member must outlive its restarts: the others know it by them. */
export interface ServerPlace {
  readonly serverName: string
  /** Where the other servers reach it. */
  readonly routePort: number
  /** Route ports of all members. */
  readonly routePorts: readonly number[]
}

export interface NatsServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** For `nats({ durabilityProof })`. */
  readonly durabilityProof: readonly ServerFact[]
  /** Asks it to end and waits. */
  stop(): Promise<void>
  /** Ends it as a crash would, and waits. */
  kill(): Promise<void>
}

const START_MS = 10_000
const POLL_MS = 10

export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { port = 0, syncAlways = false, maxStoreBytes, cluster } = options
  const binary = natsServerBinary(options.binary)
  const folder = resolve(options.storeDir)
  mkdirSync(folder, { recursive: true })
  const lock = lockStore(folder)
  try {
    const serverName = cluster?.serverName ?? `troupe-${randomBytes(8).toString('hex')}`
    const config = join(folder, 'nats-server.conf')
    writeFileSync(config, configuration({ folder, serverName, port, syncAlways, maxStoreBytes, cluster }))
    const child = launch(binary, config, join(folder, 'nats-server.log'))
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    void ended.then(() => lock.release())
    const { pid, url } = await ready(child, folder)
    lock.handOver(pid, url)
    const end = (signal: NodeJS.Signals): Promise<void> => {
      // Until it has ended the caller waits for it.
      child.ref()
      child.kill(signal)
      return ended
    }
    return {
      url,
      pid,
      port: Number(new URL(url).port),
      durabilityProof: [{ serverName, syncAlways }],
      stop: () => end('SIGTERM'),
      kill: () => end('SIGKILL'),
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

function configuration(of: {
  readonly folder: string
  readonly serverName: string
  readonly port: number
  readonly syncAlways: boolean
  readonly maxStoreBytes: number | undefined
  readonly cluster: ServerPlace | undefined
}): string {
  const lines = [
    `server_name: ${of.serverName}`,
    `listen: "127.0.0.1:${of.port === 0 ? -1 : of.port}"`,
    `ports_file_dir: ${JSON.stringify(of.folder)}`,
    'jetstream {',
    `  store_dir: ${JSON.stringify(join(of.folder, 'data'))}`,
    ...(of.syncAlways ? ['  sync_interval: always'] : []),
    ...(of.maxStoreBytes === undefined ? [] : [`  max_file_store: ${of.maxStoreBytes}`]),
    '}',
    ...(of.cluster ? clusterLines(of.cluster) : []),
  ]
  return `${lines.join('\n')}\n`
}

/** Clients are not told of the other members: whoever connects through a proxy stays behind it. */
const clusterLines = ({ routePort, routePorts }: ServerPlace): string[] => [
  'cluster {',
  '  name: troupe',
  `  listen: "127.0.0.1:${routePort}"`,
  `  routes: [${routePorts.map((port) => `"nats-route://127.0.0.1:${port}"`).join(', ')}]`,
  '  no_advertise: true',
  '}',
]

function launch(binary: string, config: string, log: string): ChildProcess {
  const out = openSync(log, 'w')
  const child = spawn(binary, ['-c', config], { stdio: ['ignore', out, out] })
  closeSync(out)
  child.unref()
  if (process.platform === 'win32') process.once('exit', () => child.kill())
  else guard(child)
  return child
}

/** Ends the server when the pipe to this process breaks: also after SIGKILL, when no handler of ours runs. */
function guard(child: ChildProcess): void {
  const helper = spawn('/bin/sh', ['-c', `read -r _; kill -TERM ${child.pid}`], { stdio: ['pipe', 'ignore', 'ignore'] })
  helper.unref()
  // Before the pid can be given to another process.
  child.once('exit', () => helper.kill('SIGKILL'))
}

/** The server writes its addresses into a file named after its pid once it accepts clients. */
async function ready(child: ChildProcess, folder: string): Promise<{ readonly pid: number; readonly url: string }> {
  const clock = realClock()
  const deadlineMs = clock.monotonic() + START_MS
  let failed: Error | undefined
  child.once('error', (error) => {
    failed = error
  })
  while (clock.monotonic() < deadlineMs && child.exitCode === null && child.signalCode === null && !failed) {
    const url = urlIn(join(folder, `nats-server_${child.pid}.ports`))
    if (child.pid !== undefined && url) return { pid: child.pid, url }
    await new Promise<void>((resolve) => setTimeout(resolve, POLL_MS))
  }
  child.kill('SIGKILL')
  const log = readFileSync(join(folder, 'nats-server.log'), 'utf8').trim().split('\n').slice(-5).join('\n')
  throw new LogUnavailable(
    `nats-server did not start within ${START_MS} ms: ${failed?.message ?? ''}\n${log}`,
    {},
    failed,
  )
}

function urlIn(portsFile: string): string | undefined {
  try {
    const ports: unknown = JSON.parse(readFileSync(portsFile, 'utf8'))
    const addresses: unknown = typeof ports === 'object' && ports && 'nats' in ports ? ports.nats : undefined
    const url: unknown = Array.isArray(addresses) ? addresses[0] : undefined
    if (typeof url !== 'string') return undefined
    rmSync(portsFile)
    return url
  } catch {
    // Not there yet, or half written.
    return undefined
  }
}
