/**
 * A space of shared values with one line of revisions. Pure.
 *
 * 1. Every change of the space takes the next revision, from 1; a value's own revision is that of its last change.
 * 2. A change of several values happens whole or not at all.
 * 3. `ifRevision: n` holds when none of the named values has changed since the space was at n, and n has been reached.
 * 4. A rollback is a new revision that restores older values; the line never goes back.
 * 5. Kept are the last 50 changes, each with what it replaced; older ones are in the log.
 */

/** One value as it stands. */
export interface Entry {
  readonly value: unknown
  readonly revision: number
  /** Who set it: an actor's address, a user, a tool; as the setter says. */
  readonly by: string
}

export interface Change {
  readonly revision: number
  readonly by: string
  /** Why: evidence, as plain data. */
  readonly note?: unknown
  /** What each changed value was before; null: it did not exist. */
  readonly before: { readonly [name: string]: Entry | null }
}

export interface SpaceState {
  readonly revision: number
  readonly values: { readonly [name: string]: Entry }
  readonly metadata: { readonly [name: string]: { readonly [field: string]: unknown } }
  readonly history: readonly Change[]
}

export const EMPTY_SPACE: SpaceState = { revision: 0, values: {}, metadata: {}, history: [] }
export const KEPT_CHANGES = 50

export interface Setting {
  readonly values: { readonly [name: string]: unknown }
  readonly by: string
  readonly ifRevision?: number | undefined
  readonly note?: unknown
}

export interface Rollback {
  readonly to: number
  readonly by: string
  readonly ifRevision?: number | undefined
  readonly note?: unknown
}

export type Refusal =
  | {
      readonly ok: false
      readonly code: 'RevisionConflict'
      /** Of the space, now. */
      readonly revision: number
      /** The values that have changed since. */
      readonly conflicts: { readonly name: string; readonly revision: number; readonly by: string }[]
    }
  /** A rollback to what was never reached, or is no longer kept; `oldest` is the first that can be restored. */
  | { readonly ok: false; readonly code: 'RevisionGone'; readonly revision: number; readonly oldest: number }

export type Changed = { readonly ok: true; readonly revision: number } | Refusal

interface Result {
  readonly state: SpaceState
  readonly reply: Changed
}

export function set(state: SpaceState, { values, by, ifRevision, note }: Setting): Result {
  const conflict = conflictOf(state, Object.keys(values), ifRevision)
  if (conflict !== undefined) return { state, reply: conflict }
  const revision = state.revision + 1
  const after = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value, revision, by }]))
  return changed(state, after, by, note)
}

export function rollback(state: SpaceState, { to, by, ifRevision, note }: Rollback): Result {
  const undone = state.history.filter(({ revision }) => revision > to)
  const oldest = state.revision - state.history.length
  if (to > state.revision || to < oldest) {
    return { state, reply: { ok: false, code: 'RevisionGone', revision: state.revision, oldest } }
  }
  const revision = state.revision + 1
  const restored: { [name: string]: Entry | null } = {}
  // The oldest undone change of a value knows what it was at `to`.
  for (const { before } of [...undone].reverse()) {
    for (const [name, entry] of Object.entries(before)) restored[name] = entry && { ...entry, revision, by }
  }
  const conflict = conflictOf(state, Object.keys(restored), ifRevision)
  return conflict === undefined ? changed(state, restored, by, note) : { state, reply: conflict }
}

/** Adds to what is known about a value: domain, unit, where it is used. Not a change of the value. */
export function describe(state: SpaceState, name: string, metadata: { readonly [field: string]: unknown }): SpaceState {
  return { ...state, metadata: { ...state.metadata, [name]: { ...state.metadata[name], ...metadata } } }
}

function changed(
  state: SpaceState,
  after: { readonly [name: string]: Entry | null },
  by: string,
  note: unknown,
): Result {
  const revision = state.revision + 1
  const before = Object.fromEntries(Object.keys(after).map((name) => [name, state.values[name] ?? null]))
  const change: Change = { revision, by, before, ...(note !== undefined && { note }) }
  const values = Object.entries({ ...state.values, ...after }).flatMap(([name, entry]) =>
    entry === null ? [] : [[name, entry] as const],
  )
  return {
    state: {
      ...state,
      revision,
      values: Object.fromEntries(values),
      history: [...state.history, change].slice(-KEPT_CHANGES),
    },
    reply: { ok: true, revision },
  }
}

function conflictOf(
  { revision, values }: SpaceState,
  names: readonly string[],
  ifRevision: number | undefined,
): Refusal | undefined {
  if (ifRevision === undefined) return undefined
  const conflicts = names.flatMap((name) => {
    const known = values[name]
    return known === undefined || known.revision <= ifRevision ? [] : [{ name, revision: known.revision, by: known.by }]
  })
  if (conflicts.length === 0 && ifRevision <= revision) return undefined
  return { ok: false, code: 'RevisionConflict', revision, conflicts }
}
