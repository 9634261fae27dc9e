/**
 * Which node should have which shard: a pure function of the view. It says who tries; the shard key says who may.
 *
 * 1. Rendezvous hashing: a member that joins or leaves moves only the shards that it gains or had.
 * 2. The same view gives the same assignment on every node.
 */
import { hash } from 'node:crypto'
import type { ShardName } from './address.ts'

export interface Member {
  /** Node and incarnation; an incarnation that was declared dead never returns. */
  readonly id: string
  readonly node: string
  readonly groups: readonly string[]
  /** By type: hash of the logic with which it serves it. In its member key, not in the view. */
  readonly logics?: { readonly [type: string]: string }
}

export interface View {
  readonly version: number
  readonly members: readonly Member[]
}

/** How many members keep the view. */
export const VIEW_KEEPERS = 3

/**
 * Whether a member keeps the view: the lowest ids among the living do. Not among those in the view, which may all be dead.
 */
export function keepsView(living: readonly Member[], id: string): boolean {
  return living
    .map((member) => member.id)
    .sort()
    .slice(0, VIEW_KEEPERS)
    .includes(id)
}

/** Who should have what, by a view. */
export interface Assigned {
  readonly view: View
  readonly owners: ReadonlyMap<ShardName, string>
}

/**
 * Owner's member id per shard; a group without members has no entry.
 * @param before what followed from an earlier view, for the same groups: then only those who came compete with the owners who
 *   stayed, which saves a hash for each member and shard
 */
export function assign(
  view: View,
  groups: { readonly [group: string]: number },
  before?: Assigned,
): ReadonlyMap<ShardName, string> {
  const owners = new Map<ShardName, string>()
  for (const [group, shards] of Object.entries(groups)) {
    const members = idsIn(view, group)
    const known = new Set(before === undefined ? [] : idsIn(before.view, group))
    const came = members.filter((id) => !known.has(id))
    const stayed = new Set(members.filter((id) => known.has(id)))
    for (let n = 0; n < shards; n++) {
      const shard: ShardName = `${group}-${n}`
      const had = before?.owners.get(shard)
      const owner = highest(had !== undefined && stayed.has(had) ? [had, ...came] : members, shard)
      if (owner !== undefined) owners.set(shard, owner)
    }
  }
  return owners
}

function idsIn(view: View, group: string): string[] {
  return view.members.filter((member) => member.groups.includes(group)).map((member) => member.id)
}

function highest(members: readonly string[], shard: ShardName): string | undefined {
  if (members.length === 1) return members[0]
  let best: { readonly id: string; readonly weight: string } | undefined
  for (const id of members) {
    const weight = hash('sha256', `${id}\n${shard}`, 'hex')
    if (best === undefined || weight > best.weight) best = { id, weight }
  }
  return best?.id
}

/** The same ones, and none that has resigned meanwhile. */
export function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  const lines = (members: readonly Member[]) =>
    members
      .map(({ id, groups }) => `${id} ${groups}`)
      .sort()
      .join('\n')
  return lines(a) === lines(b)
}
