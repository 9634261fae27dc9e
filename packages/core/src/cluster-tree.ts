/**
 * Nodes → shards → actors → children, as they are now: asked from every node of the view, by any client.
 *
 * 1. Only actors in memory are listed; the log knows the others. A node that does not answer is named, never left out.
 */
import type { Address, ShardName, Subjects } from './address.ts'
import { askNodes } from './ask-nodes.ts'
import type { Json } from './codec.ts'
import type { Bus, Clock, Store } from './ports.ts'

export interface ListedChild {
  readonly path: string
  readonly src: string
  readonly status: string
  /** State value of a machine. */
  readonly value?: Json
  /** Name of the effect that runs there. */
  readonly effect?: string
}

export interface ListedActor {
  readonly actor: Address
  readonly shard: ShardName
  readonly life: string
  readonly seq: number
  readonly value: Json
  /** Failures inside the period of its supervision. */
  readonly failures: number
  /** Below the root, parents before their children. */
  readonly children: readonly ListedChild[]
}

export interface ListedNode {
  readonly node: string
  readonly shards: readonly ShardName[]
  readonly actors: readonly ListedActor[]
  /** How many more are in memory than are listed. */
  readonly more: number
}

export interface ClusterTree {
  readonly nodes: readonly ListedNode[]
  /** Nodes of the view that did not answer. */
  readonly missing: readonly string[]
}

/** Actors that one node lists in one answer. */
export const LISTED_TREES = 500

export async function readClusterTree(
  { store, bus }: { readonly store: Store; readonly bus: Bus },
  subjects: Subjects,
  clock: Clock,
  timeoutMs = 2_000,
): Promise<ClusterTree> {
  const { answers, missing } = await askNodes({ store, bus }, subjects, clock, 'tree', { timeoutMs })
  const nodes: ListedNode[] = []
  const strange: string[] = []
  for (const [node, answer] of answers) {
    if (isListing(answer)) nodes.push(answer)
    else strange.push(node)
  }
  return { nodes, missing: [...missing, ...strange].sort() }
}

function isListing(value: unknown): value is ListedNode {
  return isRecord(value) && value['v'] === 1 && Array.isArray(value['actors']) && Array.isArray(value['shards'])
}

function isRecord(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null
}
