/**
 * The state of one actor tree as plain data, and back. Our own format: XState's persisted snapshot loses the order of state
 * nodes, session ids, references outside the own children, errors and timers.
 *
 * 1. `restoreTree(dumpTree(a))` behaves as `a`: node order, value key order, references and history included.
 * 2. Restoring sends nothing, starts no effect and draws nothing.
 */
import { decode, encode, type Json, type RefCodec } from './codec.ts'
import { LogicRefused } from './errors.ts'
import { type InsideActor, type InsideNode, type InsideSnapshot, insideLogic } from './xstate-inside.ts'

export interface TreeState {
  readonly path: string
  readonly id: string
  readonly src?: string
  readonly systemId?: string
  readonly sync?: true
  readonly running?: true
  readonly snap: Json
  /** State node ids in the live order; absent for logic that is not a machine. */
  readonly nodes?: readonly string[]
  readonly history?: { readonly [key: string]: readonly string[] }
  readonly children?: { readonly [id: string]: TreeState }
}

export function dumpTree(actor: InsideActor, refs: RefCodec, pathOf: (actor: InsideActor) => string): TreeState {
  const { status, output, error, value, context, input, _nodes, historyValue, children } = actor._snapshot
  const identity = {
    path: pathOf(actor),
    id: actor.id,
    ...(typeof actor.src === 'string' && { src: actor.src }),
    ...(actor.systemId !== undefined && { systemId: actor.systemId }),
    ...(actor._syncSnapshot && { sync: true as const }),
    ...(actor._processingStatus === 1 && { running: true as const }),
  }
  if (_nodes === undefined) {
    return { ...identity, snap: encode({ status, output, error, context, input }, refs, '$') }
  }
  const kept: { [id: string]: TreeState } = {}
  for (const [id, child] of Object.entries(children ?? {})) {
    if (child !== undefined) kept[id] = dumpTree(child, refs, pathOf)
  }
  return {
    ...identity,
    snap: encode({ status, output, error, value, context }, refs, '$'),
    nodes: _nodes.map((node) => node.id),
    ...(historyValue && Object.keys(historyValue).length > 0 && { history: idsOf(historyValue) }),
    ...(Object.keys(kept).length > 0 && { children: kept }),
  }
}

function idsOf(history: NonNullable<InsideSnapshot['historyValue']>): { [key: string]: string[] } {
  return Object.fromEntries(Object.entries(history).map(([key, nodes]) => [key, nodes.map((node) => node.id)]))
}

/** Every actor that a saved tree lists. */
export function pathsIn(tree: TreeState, into = new Set<string>()): ReadonlySet<string> {
  into.add(tree.path)
  for (const child of Object.values(tree.children ?? {})) pathsIn(child, into)
  return into
}

/** What XState's own restore takes: enough to rebuild the actors; contents follow in `fillTree`. */
export function persistedShape(tree: TreeState): object {
  const snap = record(tree.snap)
  if (tree.nodes === undefined) return { ...snap }
  const children = Object.entries(tree.children ?? {}).map(([id, child]) => [
    id,
    {
      snapshot: persistedShape(child),
      src: child.src,
      // The name of an actor that has ended may belong to another by now.
      systemId: child.running ? child.systemId : undefined,
      syncSnapshot: child.sync,
    },
  ])
  const history = Object.entries(tree.history ?? {}).map(([key, ids]) => [key, ids.map((id) => ({ id }))])
  return {
    ...snap,
    context: {},
    historyValue: Object.fromEntries(history),
    children: Object.fromEntries(children),
  }
}

/** Every actor of a restored tree with its saved state, parents first. */
export function* pairsOf(actor: InsideActor, tree: TreeState): Iterable<readonly [InsideActor, TreeState]> {
  yield [actor, tree]
  for (const [id, child] of Object.entries(tree.children ?? {})) {
    const born = actor._snapshot.children?.[id]
    if (born === undefined) {
      throw new LogicRefused(`the saved child '${id}' (source '${child.src}') is not in the machine any more`)
    }
    yield* pairsOf(born, child)
  }
}

/** Puts decoded contents and the live node order into a rebuilt actor. */
export function fillActor(actor: InsideActor, tree: TreeState, refs: RefCodec): void {
  const content = decode(tree.snap, refs)
  if (typeof content === 'object' && content !== null) Object.assign(actor._snapshot, content)
  if (tree.systemId !== undefined) actor.systemId = tree.systemId
  if (tree.nodes === undefined) return
  const nodes = tree.nodes.map((id) => nodeOf(actor, id))
  // The tags were made from the nodes in another order.
  Object.assign(actor._snapshot, { _nodes: nodes, tags: new Set(nodes.flatMap((node) => node.tags)) })
}

function nodeOf(actor: InsideActor, id: string): InsideNode {
  const node = insideLogic(actor.logic).idMap?.get(id)
  if (node === undefined) throw new LogicRefused(`the saved state node '${id}' is not in the machine any more`)
  return node
}

function record(value: Json): { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}
