/**
 * What the keys of a namespace's store say about its cluster: `member.<id>`, `view`, `shard.<name>`.
 *
 * The bytes are ours, yet a newer version may have written them: what cannot be read is ignored.
 */
import { addressOf, type ShardName, splitAddress } from './address.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Member, View } from './placement.ts'

export interface ShardKey {
  /** Member id; '' when its last owner gave it back. */
  readonly owner: string
  readonly epoch: number
  /** As its owner wrote it last. */
  readonly checkpoint?: Checkpoint
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export function keyBytes(value: Member | View | ShardKey): Uint8Array {
  return encoder.encode(JSON.stringify(value))
}

function parsed(bytes: Uint8Array): { readonly [name: string]: unknown } {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes))
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

function memberOf({ id, node, groups, logics }: { readonly [name: string]: unknown }): Member | undefined {
  if (typeof id !== 'string' || typeof node !== 'string' || !Array.isArray(groups)) return undefined
  const member = { id, node, groups: groups.map(String) }
  if (typeof logics !== 'object' || logics === null) return member
  return { ...member, logics: Object.fromEntries(Object.entries(logics).map(([type, hash]) => [type, String(hash)])) }
}

export function memberIn(bytes: Uint8Array): Member | undefined {
  return memberOf(parsed(bytes))
}

export function viewIn(bytes: Uint8Array): View | undefined {
  const { version, members } = parsed(bytes)
  if (typeof version !== 'number' || !Array.isArray(members)) return undefined
  const read = members.map((member: object) => memberOf({ ...member }))
  return { version, members: read.filter((member) => member !== undefined) }
}

export function shardKeyIn(bytes: Uint8Array): ShardKey | undefined {
  const { owner, epoch, checkpoint: written } = parsed(bytes)
  if (typeof owner !== 'string' || typeof epoch !== 'number') return undefined
  const checkpoint = checkpointIn(written)
  return { owner, epoch, ...(checkpoint && { checkpoint }) }
}

/** One that cannot be read is none: then the whole shard is looked at. */
function checkpointIn(value: unknown): Checkpoint | undefined {
  if (typeof value !== 'object' || value === null || !('position' in value) || !('open' in value)) return undefined
  const { position, open } = value
  if (typeof position !== 'number' || !Array.isArray(open)) return undefined
  try {
    const addresses = open.map((text) => splitAddress(String(text))).map(({ type, key }) => addressOf(type, key))
    return { position, open: addresses }
  } catch {
    return undefined
  }
}

export function shardNameIn(text: string): ShardName {
  const cut = text.lastIndexOf('-')
  return `${text.slice(0, cut)}-${Number(text.slice(cut + 1))}`
}

/** Of a word on `n.any.unheard`. Anybody may write there. */
export function shardIn(bytes: Uint8Array): ShardName | undefined {
  const { shard } = parsed(bytes)
  return typeof shard === 'string' && shard.includes('-') ? shardNameIn(shard) : undefined
}
