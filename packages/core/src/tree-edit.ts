/** What supervision does to a running tree in its parent's stead, by XState's own means. */
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
