/**
 * A system that lives in NATS: `nats({ … })`.
 *
 * 1. Start-up refuses rather than guesses: no server, no stream, a lesser durability than asked for are errors that say what to
 *    do. Nothing is created without `initialise`.
 * 2. One connection per `connect`; it reconnects for ever, and everything above it fails fast meanwhile.
 */
import { readFile } from 'node:fs/promises'
import { jetstreamManager, type StreamInfo } from '@nats-io/jetstream'
import {
  type Authenticator,
  connect,
  credsAuthenticator,
  type NatsConnection,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node'
import { Subjects } from '../address.ts'
import { natsEnvironment } from '../config.ts'
import { Disconnected } from '../errors.ts'
import { pause } from '../pause.ts'
import type { Backend, Clock, Connection, ConnectOptions } from '../ports.ts'
import { raise } from '../raise.ts'
import { type Api, isTransient } from './api.ts'
import { AppendBatches } from './append-batch.ts'
import { NatsBus } from './bus.ts'
import { Connectivity } from './connectivity.ts'
import { checkReplicas, judge, type NatsDurability, replicasOf, type ServerFact } from './durability.ts'
import { Inbox } from './inbox.ts'
import { NatsJournal } from './journal.ts'
import { NatsMail } from './mail.ts'
import { askServers } from './monitoring.ts'
import { NatsStore } from './store.ts'
import { StoredPublisher } from './stored-publish.ts'
import { ID_KEY, StreamIdentity } from './stream-identity.ts'
import { bucketName, factsOf, openBucket, openStream, type Spec, specsOf } from './streams.ts'

export interface NatsOptions {
  /** `nats://host:port`, `tls://…`; by default `NATS_URL`, the selected NATS context, else `nats://127.0.0.1:4222`. */
  readonly servers?: string | readonly string[]
  /** Path of a credentials file; by default `NATS_CREDS` or that of the selected context. */
  readonly creds?: string
  readonly namespace?: string
  /** The least that is accepted. What really holds is `Connection.durability`. */
  readonly durability?: NatsDurability
  /** Create what the namespace needs when it is not there. */
  readonly initialise?: boolean
  /** Monitoring addresses of all servers (`http://host:8222`): proof of the `-fsync` tiers. */
  readonly monitoring?: readonly string[]
  /** Servers whose settings are known otherwise, for example `NatsServer.durabilityProof`. */
  readonly durabilityProof?: readonly ServerFact[]
}

export interface NatsBackend extends Backend {
  readonly kind: 'nats'
}

const DEFAULT_SERVER = 'nats://127.0.0.1:4222'
/** A dead peer is noticed within two pings: well before a lease of 20 s runs out. */
const PING_MS = 5_000
const RECONNECT_MS = 100
const START_MS = 15_000
const START_RETRY_MS = 250
const CLOSE_FLUSH_MS = 2_000

export function nats(options: NatsOptions = {}): NatsBackend {
  return { kind: 'nats', connect: (connectOptions) => open(options, connectOptions) }
}

async function open(
  options: NatsOptions,
  { name, clock, entropy, onHandlerError = raise }: ConnectOptions,
): Promise<Connection> {
  const { namespace = 'default', durability: wished = 'r1', initialise = false } = options
  const place = placeOf(options)
  const nc = await dial(place, name)
  const connectivity = new Connectivity(nc)
  try {
    const api: Api = { nc, jsm: await jetstreamManager(nc, { checkAPI: false }), connectivity, clock, entropy }
    const subjects = new Subjects(namespace).journals()
    const wanted = { namespace, replicas: replicasOf(wished) }
    const specs = specsOf(namespace)
    const opened = (spec: Spec) => patiently(api, () => openStream(api, spec, wanted, initialise))
    const info = await opened(specs.journal)
    const mail = await opened(specs.mail)
    const dead = await opened(specs.dead)
    const bucket = await patiently(api, () => openBucket(api, wanted, initialise))
    const known = [...(options.durabilityProof ?? []), ...(await askServers(options.monitoring ?? []))]
    checkReplicas(wished, [mail, dead, bucket])
    const durability = judge(wished, factsOf(info, nc.info?.server_name ?? ''), known)

    const inbox = new Inbox(nc, entropy.hex(96), onHandlerError)
    const publisher = new StoredPublisher(nc, connectivity, inbox, clock)
    // A batch costs the server more than a message, unless every message costs it a sync.
    const batches = durability.endsWith('-fsync') && info.config.allow_atomic === true
    const appends = batches ? new AppendBatches(publisher, clock, entropy.hex(96)) : publisher
    return {
      namespace,
      durability,
      ...place,
      bus: new NatsBus(nc, connectivity, inbox, onHandlerError),
      journal: new NatsJournal(api, appends, identityOf(api, info), subjects.slice(0, -1)),
      mail: new NatsMail(api, publisher, identityOf(api, mail), identityOf(api, dead)),
      store: new NatsStore(api, publisher, bucketName(namespace), onHandlerError),
      close: () => close(nc, connectivity, clock),
    }
  } catch (error) {
    await close(nc, connectivity, clock)
    throw error
  }
}

const identityOf = (api: Api, { config }: StreamInfo): StreamIdentity =>
  new StreamIdentity(api, config.name, config.metadata?.[ID_KEY] ?? '')

/** A cluster that was just started elects its leaders first. */
async function patiently<T>({ clock }: Api, work: () => Promise<T>): Promise<T> {
  const deadlineMs = clock.monotonic() + START_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isTransient(error) || clock.monotonic() > deadlineMs) throw error
      await pause(clock, START_RETRY_MS)
    }
  }
}

/** As the options say, else the environment. */
export function placeOf(options: Pick<NatsOptions, 'servers' | 'creds'>): Pick<Connection, 'servers' | 'creds'> {
  const { servers, creds } = natsEnvironment()
  const path = options.creds ?? creds
  return { servers: listOf(options.servers ?? servers ?? DEFAULT_SERVER), ...(path && { creds: path }) }
}

/** @throws Disconnected, with no password in it */
export async function dial({ servers, creds }: ReturnType<typeof placeOf>, name: string): Promise<NatsConnection> {
  const authenticator = creds ? credsAuthenticator(await readFile(creds)) : fromUrl(servers[0] ?? '')
  try {
    return await connect({
      servers: servers.map(withoutUser),
      name,
      ...(authenticator && { authenticator }),
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      reconnectJitter: RECONNECT_MS,
      pingInterval: PING_MS,
      maxPingOut: 2,
      timeout: PING_MS,
      noAsyncTraces: true,
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Disconnected(
      `no NATS server at ${servers.map(withoutUser).join(', ')} (${reason}). Start one with \`nats-server -js\`, set NATS_URL, ` +
        'or pass nats({ servers }).',
      {},
      error,
    )
  }
}

const listOf = (servers: string | readonly string[]): string[] =>
  (typeof servers === 'string' ? servers.split(',') : [...servers]).map((server) => server.trim())

/** Says nothing of what it could not read: a password may be why. */
function parse(server: string): URL {
  const url = URL.parse(server.includes('://') ? server : `nats://${server}`)
  if (url !== null) return url
  throw new Disconnected(
    'the address of a NATS server cannot be read: it must look like nats://host:4222 or nats://user:password@host:4222, ' +
      'with special characters of the password as %XX',
  )
}

function withoutUser(server: string): string {
  const url = parse(server)
  url.username = ''
  url.password = ''
  return url.href.replace(/\/$/, '')
}

/** `nats://user:password@host` and `nats://token@host`: the client itself ignores them. */
function fromUrl(server: string): Authenticator | undefined {
  const { username, password } = parse(server)
  if (!username) return undefined
  const user = decodeURIComponent(username)
  return password ? usernamePasswordAuthenticator(user, decodeURIComponent(password)) : tokenAuthenticator(user)
}

/** Sends what was published, then ends; a server that does not answer cannot hold us up. */
async function close(nc: NatsConnection, connectivity: Connectivity, clock: Clock): Promise<void> {
  if (connectivity.connected) {
    await new Promise<void>((resolve) => {
      const late = clock.after(CLOSE_FLUSH_MS, resolve)
      const done = (): void => {
        late.cancel()
        resolve()
      }
      nc.flush().then(done, done)
    })
  }
  connectivity.close()
  await nc.close()
}
