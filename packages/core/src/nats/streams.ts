/**
 * The streams and the bucket of a namespace: their names, settings, creation and check.
 *
 * 1. They are created only when asked for (`initialise`), never changed: a node that finds something else refuses.
 * 2. The journal can neither be purged nor have entries deleted. No stream has a limit that makes it forget.
 */
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig, type StreamInfo } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { Subjects, token } from '../address.ts'
import { DurabilityRefused, LogUnavailable, UnsupportedVersion } from '../errors.ts'
import { type Api, codeOf, isStreamNotFound, request } from './api.ts'
import type { StreamFacts } from './durability.ts'
import { MARKER_MS } from './store.ts'
import { FORMAT, FORMAT_KEY, ID_KEY } from './stream-identity.ts'

/** The message with its headers; entries are held below that (`PAYLOAD_BYTES`). */
const MESSAGE_BYTES = 1_048_576

/** "replicas > 1 not supported in non-clustered mode", "no suitable peers for placement". */
const NO_PEERS: ReadonlySet<unknown> = new Set([10074, 10005])

/** Stream and bucket names know no `=`, the escape of our tokens. */
const nameOf = (namespace: string): string => token(namespace).replaceAll('=', '_x')
export const journalStream = (namespace: string): string => `TR_${nameOf(namespace)}_J`
export const bucketName = (namespace: string): string => `TR_${nameOf(namespace)}`

export const mailStream = (namespace: string): string => `TR_${nameOf(namespace)}_M`
export const deadLetterStream = (namespace: string): string => `TR_${nameOf(namespace)}_D`

export interface Wanted {
  readonly namespace: string
  readonly replicas: number
}

/** One stream: its name, what it takes, and how it treats that. */
interface Spec {
  readonly name: string
  readonly subjects: readonly string[]
  readonly description: string
  readonly settings: Partial<StreamConfig>
}

/** The journal's stream as it is, created first when `initialise` says so. */
export function openJournal(api: Api, wanted: Wanted, initialise: boolean): Promise<StreamInfo> {
  const { namespace } = wanted
  const spec: Spec = {
    name: journalStream(namespace),
    subjects: [new Subjects(namespace).journals()],
    description: `Troupe journal of namespace ${namespace}`,
    // Purges are what retention is made of; who may ask for them is a matter of the server's permissions.
    settings: { deny_delete: true, allow_atomic: true },
  }
  return openStream(api, spec, wanted, initialise)
}

/** Mail with its schedules, and dead letters; what is stored of mail is republished, headers only. */
export async function openMail(
  api: Api,
  wanted: Wanted,
  initialise: boolean,
): Promise<{ readonly mail: StreamInfo; readonly dead: StreamInfo }> {
  const { namespace } = wanted
  const { mail, noticed, dead } = new Subjects(namespace).mailPatterns()
  const specs = {
    mail: {
      name: mailStream(namespace),
      subjects: [...mail],
      description: `Troupe mail of namespace ${namespace}`,
      settings: {
        // What the server asks of a stream with schedules. There is no limit by which it could discard anything.
        discard: DiscardPolicy.Old,
        allow_msg_schedules: true,
        republish: { src: noticed.from, dest: `${noticed.to}.{{wildcard(2)}}`, headers_only: true },
      },
    },
    dead: {
      name: deadLetterStream(namespace),
      subjects: [dead],
      description: `Troupe dead letters of namespace ${namespace}`,
      settings: {},
    },
  }
  return {
    mail: await openStream(api, specs.mail, wanted, initialise),
    dead: await openStream(api, specs.dead, wanted, initialise),
  }
}

async function openStream(api: Api, spec: Spec, wanted: Wanted, initialise: boolean): Promise<StreamInfo> {
  const { name, subjects } = spec
  const found = await find(api, name)
  const info = found ?? (await createStream(api, wanted, spec, initialise))
  const id = info.config.metadata?.[ID_KEY]
  const format = info.config.metadata?.[FORMAT_KEY]
  if (!id || !subjects.every((subject) => info.config.subjects.includes(subject))) {
    throw new LogUnavailable(
      `the stream '${name}' was not created by Troupe for '${subjects.join("', '")}': choose another namespace`,
    )
  }
  if (format !== FORMAT) {
    throw new UnsupportedVersion(`the stream '${name}' has format ${format}; this version reads and writes ${FORMAT}`)
  }
  return info
}

async function createStream(
  api: Api,
  wanted: Wanted,
  { name, subjects, description, settings }: Spec,
  initialise: boolean,
): Promise<StreamInfo> {
  if (!initialise) throw missing(wanted.namespace, `stream '${name}'`)
  try {
    return await request(api, `create the stream '${name}'`, () =>
      api.jsm.streams.add({
        name,
        subjects: [...subjects],
        description,
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        discard: DiscardPolicy.New,
        num_replicas: wanted.replicas,
        max_msg_size: MESSAGE_BYTES,
        allow_direct: true,
        metadata: { [ID_KEY]: api.entropy.hex(128), [FORMAT_KEY]: FORMAT },
        ...settings,
      }),
    )
  } catch (error) {
    // Another node may have been faster: its id differs from ours, so the server refuses our settings.
    const found = await find(api, name)
    if (found) return found
    if (NO_PEERS.has(codeOf(error))) {
      throw new DurabilityRefused(
        `${wanted.replicas} replicas need a cluster of ${wanted.replicas} servers with JetStream: start them, or ask for 'r1'`,
        { replicas: wanted.replicas },
        error,
      )
    }
    throw error
  }
}

/** Makes sure the bucket is there and remembers times to live. */
export async function openBucket(api: Api, wanted: Wanted, initialise: boolean): Promise<void> {
  const bucket = bucketName(wanted.namespace)
  let info = await find(api, `KV_${bucket}`)
  if (!info) {
    if (!initialise) throw missing(wanted.namespace, `bucket '${bucket}'`)
    await request(api, `create the bucket '${bucket}'`, async () => {
      await new Kvm(api.nc).create(bucket, {
        description: `Troupe members and shards of namespace ${wanted.namespace}`,
        history: 1,
        markerTTL: MARKER_MS,
        replicas: wanted.replicas,
        storage: StorageType.File,
      })
    })
    info = await find(api, `KV_${bucket}`)
  }
  if (info?.config.allow_msg_ttl !== true) {
    throw new LogUnavailable(`the bucket '${bucket}' has no times to live per key: delete it and initialise again`)
  }
}

async function find(api: Api, name: string): Promise<StreamInfo | undefined> {
  try {
    return await request(api, `find the stream '${name}'`, () => api.jsm.streams.info(name))
  } catch (error) {
    if (isStreamNotFound(error)) return undefined
    throw error
  }
}

/** Not retryable: it stays missing until somebody makes it. */
const missing = (namespace: string, what: string): LogUnavailable =>
  Object.assign(
    new LogUnavailable(
      `the namespace '${namespace}' has no ${what}; pass nats({ initialise: true }) once to create it`,
    ),
    { retryable: false },
  )

export function factsOf(info: StreamInfo, connectedTo: string): StreamFacts {
  const { config, cluster } = info
  const holders = [cluster?.leader, ...(cluster?.replicas ?? []).map((peer) => peer.name)].filter((name) => name)
  return {
    stream: config.name,
    replicas: config.num_replicas,
    storage: config.storage,
    persistMode: config.persist_mode ?? 'default',
    discard: config.discard,
    maxAge: config.max_age,
    maxPerSubject: config.max_msgs_per_subject,
    // A server without a cluster names no holders: it is the one we talk to.
    servers: holders.length > 0 ? holders.flatMap((name) => name ?? []) : [connectedTo],
  }
}
