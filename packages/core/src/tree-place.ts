/** Where a failure began, as the last committed state of a tree has it. */
import type { HostState } from './logic-host.ts'
import type { TreeState } from './snapshot.ts'
import type { Failure } from './supervision.ts'

/**
 * The child at a path with what has the same parent, in the order of their birth. A child that was born in the failed step is
 * not there any more: the failure is that of the nearest actor above it, the root included.
 */
export function placeIn(state: HostState | undefined, path: string): Pick<Failure, 'child' | 'siblings'> {
  if (state === undefined) return {}
  let parent: TreeState = state.tree
  let place: Pick<Failure, 'child' | 'siblings'> = {}
  for (;;) {
    const siblings = Object.values(parent.children ?? {}).filter(({ running }) => running === true)
    const next = siblings.find((one) => path === one.path || path.startsWith(`${one.path}/`))
    if (next === undefined) return place
    const childOf = ({ path: at, src = '' }: TreeState) => ({ path: at, src, effect: Object.hasOwn(state.effects, at) })
    place = { child: childOf(next), siblings: siblings.map(childOf) }
    if (next.path === path) return place
    parent = next
  }
}

/** The path as a list, when an effect runs there. */
export function effectsAt(state: HostState | undefined, path: string | undefined): readonly string[] {
  return path !== undefined && state !== undefined && Object.hasOwn(state.effects, path) ? [path] : []
}
