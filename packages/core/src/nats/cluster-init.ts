/**
 * Makes the streams and buckets of a namespace what a configuration asks for: `troupe cluster init`.
 *
 * 1. Everything is looked at first. When anything cannot become what was asked for, nothing is changed.
 * 2. Nothing is changed behind somebody else's back: a creation loses against an earlier one, groups are added by compare-and-set. The
 *    server knows no such thing for the settings of a stream; they are read immediately before.
 * 3. Replicas are only ever raised, and a limit of size that an operator has set is left alone.
 */
import { jetstreamManager, type StreamConfig, type StreamInfo } from '@nats-io/jetstream'
import { checkShards } from '../check-options.ts'
import { realClock } from '../clock.ts'
import { cryptoEntropy } from '../entropy.ts'
import { groupsToAdd, type NamespaceRecord, readNamespace, writeGroups } from '../namespace-record.ts'
import { raise } from '../raise.ts'
import { type Api, request } from './api.ts'
import { dial, type NatsOptions, placeOf } from './backend.ts'
import { Connectivity } from './connectivity.ts'
import { type NatsDurability, replicasOf } from './durability.ts'
import { Inbox } from './inbox.ts'
import { NatsStore } from './store.ts'
import { StoredPublisher } from './stored-publish.ts'
import { ID_KEY } from './stream-identity.ts'
import {
  bucketName,
  bucketStream,
  checkOurs,
  createStream,
  explained,
  find,
  openBucket,
  type Spec,
  specsOf,
} from './streams.ts'

export interface InitOptions extends Pick<NatsOptions, 'servers' | 'creds' | 'namespace'> {
  /** How many replicas; whether each write is synced is a setting of the servers. @defaultValue 'r1' */
  readonly durability?: NatsDurability
  /** Shards of each group; those of a group that exists are fixed for ever. @defaultValue `{ main: 256 }` for a new namespace */
  readonly groups?: { readonly [group: string]: number }
  /** Say what would be done. */
  readonly dryRun?: boolean
}

export interface InitStep {
  readonly what: string
  readonly action: 'create' | 'change' | 'keep' | 'refuse'
  /** What it is made into, or why it is refused. */
  readonly detail: string
  /** Of a refusal. */
  readonly fix?: string
}

const DEFAULT_GROUPS = { main: 256 }

/**
 * @returns every step, done unless `dryRun` or one of them is a refusal
 * @throws RangeError; DurabilityRefused when there are too few servers for the replicas; whatever kept us from asking
 */
export async function initialiseNamespace(options: InitOptions = {}): Promise<InitStep[]> {
  const { namespace = 'default', durability = 'r1', dryRun = false } = options
  for (const [group, shards] of Object.entries(options.groups ?? {})) checkShards(`groups.${group}`, shards)
  const [clock, entropy] = [realClock(), cryptoEntropy()]
  const nc = await dial(placeOf(options), 'cluster-init')
  const connectivity = new Connectivity(nc)
  try {
    const api: Api = { nc, jsm: await jetstreamManager(nc, { checkAPI: false }), connectivity, clock, entropy }
    const wanted = { namespace, replicas: replicasOf(durability) }
    const specs = Object.values(specsOf(namespace))
    const found = await Promise.all(specs.map(async (spec) => ({ spec, info: await find(api, spec.name) })))
    const bucket = await find(api, bucketStream(namespace))
    const publisher = new StoredPublisher(nc, connectivity, new Inbox(nc, entropy.hex(96), raise), clock)
    const store = new NatsStore(api, publisher, bucketName(namespace), raise)
    const record = bucket && (await readNamespace(store))
    const groups = options.groups ?? (record === undefined ? DEFAULT_GROUPS : {})
    const steps = [
      ...found.map(({ spec, info }) => planStream(spec, info, wanted.replicas)),
      planBucket(bucketName(namespace), bucket, wanted.replicas),
      ...planGroups(record, groups),
    ]
    if (dryRun || steps.some(({ action }) => action === 'refuse')) return steps
    for (const { spec, info } of found) {
      if (info === undefined) await createStream(api, wanted, spec)
      else await change(api, info, changesOf(spec, info.config, wanted.replicas))
    }
    if (bucket === undefined) await openBucket(api, wanted, true)
    else await change(api, bucket, moreReplicas(bucket.config, wanted.replicas))
    const journal = await find(api, specsOf(namespace).journal.name)
    await writeGroups(store, journal?.config.metadata?.[ID_KEY] ?? '', groups)
    return steps
  } finally {
    connectivity.close()
    await nc.close()
  }
}

async function change(api: Api, { config }: StreamInfo, changes: Partial<StreamConfig>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  try {
    await request(api, `change the stream '${config.name}'`, () => api.jsm.streams.update(config.name, changes))
  } catch (error) {
    throw explained(error, changes.num_replicas ?? config.num_replicas)
  }
}

/** Exported for its tests. */
export function planStream(spec: Spec, info: StreamInfo | undefined, replicas: number): InitStep {
  const what = `stream ${spec.name}`
  if (info === undefined) return { what, action: 'create', detail: `${replicas} replica(s)` }
  try {
    checkOurs(spec, info)
  } catch (error) {
    const fix = 'choose another --namespace, or the version that wrote it'
    return { what, action: 'refuse', detail: error instanceof Error ? error.message : String(error), fix }
  }
  if (info.config.storage !== 'file' || info.config.persist_mode === 'async') {
    const fix = 'these cannot be changed: copy what is in it to another namespace, made by this command'
    return { what, action: 'refuse', detail: 'it is not kept in files, each write before its answer', fix }
  }
  return planOf(what, info.config, changesOf(spec, info.config, replicas))
}

function planBucket(name: string, info: StreamInfo | undefined, replicas: number): InitStep {
  const what = `bucket ${name}`
  if (info === undefined) return { what, action: 'create', detail: `${replicas} replica(s)` }
  if (info.config.allow_msg_ttl !== true) {
    const fix = `stop all nodes, run: nats kv del ${name}, and this command again`
    return { what, action: 'refuse', detail: 'it has no times to live per key', fix }
  }
  return planOf(what, info.config, moreReplicas(info.config, replicas))
}

function planGroups(record: NamespaceRecord | undefined, groups: { readonly [group: string]: number }): InitStep[] {
  const added = groupsToAdd(record, groups)
  return Object.entries(groups).map(([group, shards]) => {
    const what = `group ${group}`
    const known = record?.groups[group] ?? shards
    if (group in added) return { what, action: 'create', detail: `${shards} shards` }
    if (known === shards) return { what, action: 'keep', detail: `${shards} shards` }
    const detail = `it has ${known} shards for ever, ${shards} were asked for: its actors' logs lie under them`
    const fix = `ask for --group ${group}=${known} or leave it out; types in a new group can have other shards`
    return { what, action: 'refuse', detail, fix }
  })
}

function planOf(what: string, config: StreamConfig, changes: Partial<StreamConfig>): InitStep {
  const lines = Object.entries(changes).map(([name, to]) => {
    const from: unknown = Object.getOwnPropertyDescriptor(config, name)?.value
    return `${name} ${JSON.stringify(from) ?? 'unset'} -> ${JSON.stringify(to)}`
  })
  if (lines.length > 0) return { what, action: 'change', detail: lines.join(', ') }
  return { what, action: 'keep', detail: `${config.num_replicas} replica(s)` }
}

/** Settings by which entries can vanish, or without which the runtime cannot read; and too few replicas. */
function changesOf({ settings }: Spec, config: StreamConfig, replicas: number): Partial<StreamConfig> {
  const discard = settings.discard ?? 'new'
  return {
    ...(config.discard !== discard && { discard }),
    ...(config.max_age > 0 && { max_age: 0 }),
    ...(config.max_msgs_per_subject > 0 && { max_msgs_per_subject: -1 }),
    ...(!config.allow_direct && { allow_direct: true }),
    ...moreReplicas(config, replicas),
  }
}

const moreReplicas = (config: StreamConfig, replicas: number): Partial<StreamConfig> =>
  config.num_replicas < replicas ? { num_replicas: replicas } : {}
