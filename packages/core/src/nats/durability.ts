/**
 * What the log really survives: decided from facts, never from wishes. Pure.
 *
 * 1. Replicas and settings are what the stream says. A sync per write is believed only of servers that somebody asked
 *    (`/varz`) or that we started ourselves, and only when every server that holds the stream is among them.
 * 2. A refusal names the fault and the setting that removes it.
 */
import { DurabilityRefused } from '../errors.ts'
import type { Durability } from '../ports.ts'

export type NatsDurability = Exclude<Durability, 'memory'>

/** What is known of one server, by its `server_name`. */
export interface ServerFact {
  readonly serverName: string
  /** `jetstream.sync_interval: always` in its configuration; `jetstream.config.sync_always` in `/varz`. */
  readonly syncAlways: boolean
}

export interface StreamFacts {
  readonly stream: string
  readonly replicas: number
  readonly storage: string
  readonly persistMode: string
  readonly discard: string
  readonly maxAge: number
  readonly maxPerSubject: number
  /** Names of the servers that hold the stream now. */
  readonly servers: readonly string[]
}

const RANK = { r1: 1, 'r1-fsync': 2, r3: 3, 'r3-fsync': 4 } as const

/** The tier that holds; throws `DurabilityRefused` when it is not at least the wished one. */
export function judge(wished: NatsDurability, stream: StreamFacts, known: readonly ServerFact[]): NatsDurability {
  const faults = faultsOf(stream)
  if (faults.length > 0) {
    throw new DurabilityRefused(`the stream '${stream.stream}' cannot be a log: ${faults.join('; ')}`, { faults })
  }
  const unsynced = stream.servers.filter((name) => !known.some((fact) => fact.serverName === name && fact.syncAlways))
  const synced = unsynced.length === 0 && stream.servers.length >= stream.replicas
  const tier = `${stream.replicas >= 3 ? 'r3' : 'r1'}${synced ? '-fsync' : ''}` as const
  if (satisfies(tier, wished)) return tier
  const fixes: string[] = []
  if (wished.startsWith('r3') && stream.replicas < 3) {
    fixes.push(
      `it has ${stream.replicas} replica(s): run \`troupe cluster init --durability r3\` on a cluster of three servers`,
    )
  }
  if (wished.endsWith('-fsync') && !synced) fixes.push(syncFix(unsynced, known))
  throw new DurabilityRefused(
    `'${wished}' was asked for, the stream '${stream.stream}' is '${tier}': ${fixes.join('; ')}`,
    { wished, tier },
  )
}

export const replicasOf = (tier: NatsDurability): number => (tier.startsWith('r3') ? 3 : 1)

/** Mail, dead letters and the bucket with its keys must last as long as the journal. */
export function checkReplicas(
  wished: NatsDurability,
  streams: readonly { readonly config: { readonly name: string; readonly num_replicas: number } }[],
): void {
  const few = streams.filter(({ config }) => config.num_replicas < replicasOf(wished)).map(({ config }) => config.name)
  if (few.length === 0) return
  throw new DurabilityRefused(
    `'${wished}' was asked for, but ${few.join(', ')} has fewer than ${replicasOf(wished)} replicas: ` +
      'run `troupe cluster init --durability r3` on a cluster of three servers',
    { wished, streams: few },
  )
}

/** More replicas do not replace a sync per write, nor the other way round. */
export function satisfies(tier: NatsDurability, wished: NatsDurability): boolean {
  return RANK[tier] >= RANK[wished] && (tier.endsWith('-fsync') || !wished.endsWith('-fsync'))
}

function syncFix(unsynced: readonly string[], known: readonly ServerFact[]): string {
  const setting = 'set jetstream { sync_interval: always } in its configuration and restart it'
  const off = unsynced.filter((name) => known.some((fact) => fact.serverName === name))
  if (off.length > 0) return `server ${off.join(', ')} does not sync every write: ${setting}`
  return (
    `nothing proves that server ${unsynced.join(', ')} syncs every write: ${setting}, and name its monitoring address with ` +
    "nats({ monitoring: ['http://host:8222'] }) (all servers of the cluster)"
  )
}

/** Settings under which acknowledged entries can vanish without any crash. */
function faultsOf(stream: StreamFacts): string[] {
  const faults: string[] = []
  const edit = (flags: string): string => `run: nats stream edit ${stream.stream} ${flags}`
  if (stream.storage !== 'file') faults.push(`storage is '${stream.storage}': create it again with storage 'file'`)
  if (stream.persistMode === 'async') {
    faults.push("persist_mode 'async' switches syncing off, whatever the server's settings: create it without")
  }
  if (stream.discard !== 'new')
    faults.push(`discard is '${stream.discard}' and drops old entries: ${edit('--discard new')}`)
  if (stream.maxAge > 0) faults.push(`max_age drops old entries: ${edit('--max-age 0')}`)
  if (stream.maxPerSubject > 0)
    faults.push(`max_msgs_per_subject limits an actor: ${edit('--max-msgs-per-subject=-1')}`)
  return faults
}
