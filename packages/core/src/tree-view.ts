/** What readers are shown of a live tree, as plain data. Nothing is ever restored from it. */
import type { ListedChild } from './cluster-tree.ts'
import { encode, type Json, type RefCodec } from './codec.ts'
import type { Outcome } from './input.ts'
import type { InsideActor } from './xstate-inside.ts'

export interface TreeView {
  readonly status: Outcome['status']
  readonly value: Json
  readonly context: Json
  readonly output: Json
  readonly tags: string[]
}

export function viewOf(root: InsideActor, refs: RefCodec): TreeView {
  const { status, value, context, output } = root._snapshot
  const tags: unknown = Reflect.get(root._snapshot, 'tags')
  return {
    status,
    value: lenient(value, refs),
    context: lenient(context, refs),
    output: lenient(output, refs),
    tags: tags instanceof Set ? [...tags].map(String) : [],
  }
}

/** Undefined for logic without states. */
export function stateValueOf({ _snapshot: { value } }: InsideActor, refs: RefCodec): Json | undefined {
  return value === undefined ? undefined : lenient(value, refs)
}

/** What runs below the root, parents before their children. */
export function childrenOf(
  actors: ReadonlyMap<string, InsideActor>,
  refs: RefCodec,
  effectAt: (path: string) => string | undefined,
): readonly ListedChild[] {
  const below = [...actors].filter(([path]) => path !== '').sort(([a], [b]) => (a < b ? -1 : 1))
  return below.map(([path, actor]) => {
    const value = stateValueOf(actor, refs)
    const effect = effectAt(path)
    return {
      path,
      src: String(actor.src),
      status: actor._snapshot.status,
      ...(value !== undefined && { value }),
      ...(effect !== undefined && { effect }),
    }
  })
}

/** For data that is recorded to be read only: what cannot be encoded is named instead of refused. */
export function lenient(value: unknown, refs: RefCodec): Json {
  try {
    return encode(value, refs)
  } catch (error) {
    return { $opaque: error instanceof Error ? error.message : String(error) }
  }
}
