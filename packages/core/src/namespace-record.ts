/**
 * What all nodes of a namespace agree on for ever: groups with their shard counts, and which group serves a type. Written once
 * by the first node, extended by compare-and-set when a new type appears.
 */
import type { AnyActorDef } from './actor.ts'
import { LogicRefused } from './errors.ts'
import type { Store } from './ports.ts'

export interface NamespaceRecord {
  readonly v: 1
  readonly streamId: string
  readonly groups: { readonly [group: string]: number }
  readonly types: { readonly [type: string]: string }
}

const KEY = 'namespace'

/**
 * Reads the record, adding the groups and types of these definitions to it.
 * @param shards number of shards of a group that does not exist yet; an existing one keeps its own
 */
export async function agreeOnNamespace(
  store: Store,
  streamId: string,
  defs: readonly AnyActorDef[],
  shards: number,
): Promise<NamespaceRecord> {
  for (;;) {
    const entry = await store.get(KEY)
    const known = entry === undefined ? undefined : recordIn(entry.value)
    const current: NamespaceRecord = known ?? { v: 1, streamId, groups: { main: shards }, types: {} }
    const groups = { ...Object.fromEntries(defs.map(({ group = 'main' }) => [group, shards])), ...current.groups }
    const types = {
      ...Object.fromEntries(defs.map(({ protocol, group = 'main' }) => [protocol.type, group])),
      ...current.types,
    }
    for (const { protocol, group = 'main' } of defs) checkGroup(protocol.type, group, types[protocol.type])
    const next: NamespaceRecord = { ...current, groups, types }
    if (entry !== undefined && JSON.stringify(next) === JSON.stringify(current)) return current
    const bytes = new TextEncoder().encode(JSON.stringify(next))
    const revision =
      entry === undefined ? await store.create(KEY, bytes) : await store.update(KEY, bytes, entry.revision)
    if (revision !== undefined) return next
  }
}

/** Its actors would be looked for where they are not. */
function checkGroup(type: string, group: string, agreed: string | undefined): void {
  if (agreed === group) return
  const fix = agreed === 'main' ? 'leave `group` out of its definition' : `define it with group: '${agreed}'`
  throw new LogicRefused(
    `type '${type}' belongs to group '${agreed}' for ever, its definition says '${group}': ${fix}, or choose another type`,
    { type, group, agreed },
  )
}

/** Those that do not exist yet. */
export function groupsToAdd(
  record: NamespaceRecord | undefined,
  groups: NamespaceRecord['groups'],
): NamespaceRecord['groups'] {
  return Object.fromEntries(Object.entries(groups).filter(([group]) => record?.groups[group] === undefined))
}

/** Adds groups to the record, which it begins when there is none; those that exist keep their shards. */
export async function writeGroups(store: Store, streamId: string, groups: NamespaceRecord['groups']): Promise<void> {
  for (;;) {
    const entry = await store.get(KEY)
    const known = entry === undefined ? undefined : recordIn(entry.value)
    const added = groupsToAdd(known, groups)
    if (Object.keys(added).length === 0) return
    const next = { ...(known ?? { v: 1, streamId, types: {} }), groups: { ...known?.groups, ...added } }
    const bytes = new TextEncoder().encode(JSON.stringify(next))
    const revision =
      entry === undefined ? await store.create(KEY, bytes) : await store.update(KEY, bytes, entry.revision)
    if (revision !== undefined) return
  }
}

export async function readNamespace(store: Store): Promise<NamespaceRecord | undefined> {
  const entry = await store.get(KEY)
  return entry === undefined ? undefined : recordIn(entry.value)
}

function recordIn(bytes: Uint8Array): NamespaceRecord | undefined {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
  return isRecord(value) ? value : undefined
}

function isRecord(value: unknown): value is NamespaceRecord {
  if (typeof value !== 'object' || value === null) return false
  return 'v' in value && value.v === 1 && 'groups' in value && 'types' in value && 'streamId' in value
}
