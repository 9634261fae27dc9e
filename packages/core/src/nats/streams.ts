/**
 * The streams and the bucket of a namespace: their names, settings, creation and check.
 *
 * 1. A node creates them only when asked to (`initialise`) and never changes them: one that finds something else refuses.
 *    `cluster-init.ts` is what changes them.
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
/** Where the entries of the bucket are. */
export const bucketStream = (namespace: string): string => `KV_${bucketName(namespace)}`

export const mailStream = (namespace: string): string => `TR_${nameOf(namespace)}_M`
export const deadLetterStream = (namespace: string): string => `TR_${nameOf(namespace)}_D`

export interface Wanted {
  readonly namespace: string
  readonly replicas: number
}

/** One stream: its name, what it takes, and how it treats that. */
export interface Spec {
  readonly name: string
  readonly subjects: readonly string[]
  readonly description: string
  readonly settings: Partial<StreamConfig>
}

/** Journal; mail with its schedules, republished headers only when it is stored; dead letters. */
export function specsOf(namespace: string): { readonly journal: Spec; readonly mail: Spec; readonly dead: Spec } {
  const subjects = new Subjects(namespace)
  const { mail, noticed, dead } = subjects.mailPatterns()
  return {
    journal: {
      name: journalStream(namespace),
      subjects: [subjects.journals()],
      description: `Troupe journal of namespace ${namespace}`,
      // Purges are what retention is made of; who may ask for them is a matter of the server's permissions.
      settings: { deny_delete: true, allow_atomic: true },
    },
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
}

/** The stream as it is, created first when `initialise` says so. */
export async function openStream(api: Api, spec: Spec, wanted: Wanted, initialise: boolean): Promise<StreamInfo> {
  const found = await find(api, spec.name)
  if (!found && !initialise) throw missing(wanted.namespace, `stream '${spec.name}'`)
  const info = found ?? (await createStream(api, wanted, spec))
  checkOurs(spec, info)
  return info
}

/** @throws LogUnavailable, UnsupportedVersion */
export function checkOurs({ name, subjects }: Spec, info: StreamInfo): void {
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
}

export async function createStream(
  api: Api,
  wanted: Wanted,
  { name, subjects, description, settings }: Spec,
): Promise<StreamInfo> {
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
    throw explained(error, wanted.replicas)
  }
}

/** The server's "no suitable peers" in words of ours. */
export function explained(error: unknown, replicas: number): unknown {
  if (!NO_PEERS.has(codeOf(error))) return error
  const what = `${replicas} replicas need a cluster of ${replicas} servers with JetStream: start them, or ask for 'r1'`
  return new DurabilityRefused(what, { replicas }, error)
}

/** Makes sure the bucket is there and remembers times to live. */
export async function openBucket(api: Api, wanted: Wanted, initialise: boolean): Promise<StreamInfo> {
  const bucket = bucketName(wanted.namespace)
  let info = await find(api, bucketStream(wanted.namespace))
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
    info = await find(api, bucketStream(wanted.namespace))
  }
  if (info?.config.allow_msg_ttl !== true) {
    throw new LogUnavailable(`the bucket '${bucket}' has no times to live per key: delete it and initialise again`)
  }
  return info
}

export async function find(api: Api, name: string): Promise<StreamInfo | undefined> {
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
      `the namespace '${namespace}' has no ${what}; run \`troupe cluster init --namespace ${namespace}\`, ` +
        'or pass nats({ initialise: true }) once to create it',
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
