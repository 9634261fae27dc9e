/**
 * What a node tells about itself to any NATS client, in JSON: `status` of one node, and where an address lives.
 *
 *     tr.<ns>.n.<node>.status      {}            → node, durability, shards, residents, view
 *     tr.<ns>.n.<node>.tree        {}            → its actors in memory with their children and states
 *     tr.<ns>.n.<node>.metrics     {from?}       → what its observer reports, as much as one message holds from there on
 *     tr.<ns>.n.any.locate         {type, key}   → address, shard, command and journal subjects
 */
import { type Address, addressOf, type ShardName, type Subjects } from './address.ts'
import { LISTED_TREES, type ListedActor, type ListedNode } from './cluster-tree.ts'
import { InvalidAddress } from './errors.ts'
import type { ServiceInfo } from './micro-service.ts'
import type { View } from './placement.ts'
import { type BusMessage, type Durability, PAYLOAD_BYTES } from './ports.ts'

export interface NodeFacts {
  readonly node: string
  readonly id: string
  readonly version: string
  readonly durability: Durability
  readonly types: readonly string[]
  readonly subjects: Subjects
  readonly shardOf: (address: Address) => ShardName
  readonly view: () => View
  readonly shards: () => readonly ShardName[]
  readonly residents: () => readonly Address[]
  readonly trees: (limit: number) => readonly ListedActor[]
  /** Undefined: nobody observes this node. */
  readonly metrics: () => readonly object[] | undefined
}

/** Residents beyond this many are counted and not listed. */
const LISTED = 1_000
/** What an answer says beside its metrics. */
const PAGE_HEAD_BYTES = 1_000

export function nodeService(facts: NodeFacts): ServiceInfo {
  const { node, id, version, durability, types, subjects } = facts
  return {
    name: 'troupe-node',
    id,
    version: /^\d+\.\d+\.\d+/.test(version) ? version : '0.0.0',
    description: 'A node of a Troupe cluster: hosts supervised XState actors',
    metadata: { node, durability, types: types.join(',') },
    endpoints: [
      {
        name: 'status',
        subject: subjects.node(node, 'status'),
        handle: () => json({ v: 1, node, durability, types, ...statusOf(facts) }),
      },
      {
        name: 'tree',
        subject: subjects.node(node, 'tree'),
        handle: () => json(treeOf(facts)),
      },
      {
        name: 'metrics',
        subject: subjects.node(node, 'metrics'),
        handle: (message) => json({ v: 1, node, ...metricsPage(facts, message) }),
      },
      {
        name: 'locate',
        subject: subjects.node('any', 'locate'),
        queue: 'nodes',
        handle: (message) => json({ v: 1, ...locate(facts, message) }),
      },
    ],
  }
}

function statusOf({ shards, residents, view }: NodeFacts) {
  const here = residents()
  return { shards: shards(), residents: here.length, actors: here.slice(0, LISTED), view: view() }
}

/** As many trees as one message holds. */
function treeOf({ node, shards, residents, trees }: NodeFacts): ListedNode & { readonly v: 1 } {
  const all = residents().length
  for (let limit = Math.min(all, LISTED_TREES); ; limit = Math.floor(limit / 2)) {
    const actors = trees(limit)
    const listing = { v: 1, node, shards: shards(), actors, more: all - actors.length } as const
    if (limit === 0 || json(listing).length <= PAYLOAD_BYTES) return listing
  }
}

/** `next`: where the next question goes on. A metric that no message holds is left out and counted. */
function metricsPage({ metrics }: NodeFacts, { data }: BusMessage) {
  const reported = metrics()
  if (reported === undefined) return { metrics: null }
  const question: unknown = data.byteLength === 0 ? undefined : JSON.parse(Buffer.from(data).toString('utf8'))
  const from = typeof question === 'object' && question !== null && 'from' in question ? Number(question.from) : 0
  const page: object[] = []
  let [left, omitted] = [PAYLOAD_BYTES - PAGE_HEAD_BYTES, 0]
  for (const [n, metric] of reported.entries()) {
    if (n < from) continue
    const sizeBytes = json(metric).length + 1
    if (sizeBytes > PAYLOAD_BYTES - PAGE_HEAD_BYTES) omitted += 1
    else if (sizeBytes > left) return { metrics: page, omitted, next: n }
    else {
      page.push(metric)
      left -= sizeBytes
    }
  }
  return { metrics: page, omitted }
}

function locate({ subjects, shardOf }: NodeFacts, { data }: BusMessage) {
  const question: unknown = JSON.parse(Buffer.from(data).toString('utf8'))
  if (typeof question !== 'object' || question === null || !('type' in question) || !('key' in question)) {
    throw new InvalidAddress('locate needs {"type": …, "key": …}')
  }
  const address = addressOf(String(question.type), String(question.key))
  const shard = shardOf(address)
  return { address, shard, command: subjects.command(shard, address), journal: subjects.journal(shard, address) }
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}
