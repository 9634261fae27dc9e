/** What is done to a running tree in its parent's stead, by XState's own means. */
import type { InsideActor } from './xstate-inside.ts'

/** Ends a child, with all below it, and takes it from its parent's list. */
export function stopChild(child: InsideActor): void {
  const parent = child._parent
  if (parent !== undefined) {
    const { [child.id]: _, ...others } = parent._snapshot.children ?? {}
    parent._snapshot = { ...parent._snapshot, children: others }
  }
  child._stop()
}

/** Gives an actor that was stopped its first state. It stays the same actor: whoever holds a reference to it still does. */
export function beginAnew(actor: InsideActor, input: unknown): void {
  actor.options = { ...actor.options, input }
  actor._processingStatus = 0
  actor._initState(undefined)
  actor.start()
}

/**
 * XState lets the children of an actor that threw run on, where no parent and no saved state can reach them. A restart
 * could not bring them back, so they end with it. Neither does it stop what an actor made that was stopped before its start.
 */
export function stopBelow(path: string, actors: ReadonlyMap<string, InsideActor>): void {
  const all = [...actors].sort(([a], [b]) => (a < b ? -1 : 1)) // their order is another after a restart
  for (const [below, actor] of all) {
    if (!below.startsWith(`${path}/`)) continue
    actor.system._unregister(actor)
    actor._stop()
  }
}
