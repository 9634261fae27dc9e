/**
 * Faults of nodes, network and servers in random order, under load, on one server or on three (`npm run faults -- --chaos 60`).
 *
 * 1. One fault at a time. After each the service is back, during the fault already when somebody is left to give it, and again
 *    after it is healed.
 * 2. A node that is frozen or cut off stays so for longer than its lease, so that it returns as one that was replaced.
 * 3. What must hold is checked by `load.ts`; no node may end by itself.
 */
import { connect } from '@nats-io/transport-node'
import { type Entropy, seededEntropy } from '@troupe/core'
import { eventually } from '@troupe/core/testing'
import { Cluster } from '../cluster/cluster.ts'
import { Load, type Tally } from './load.ts'

export const FAULTS = ['kill', 'freeze', 'cut', 'cut-to-server', 'cut-to-node', 'restart', 'step-down'] as const
export type Fault = (typeof FAULTS)[number]

export interface ChaosOptions {
  readonly seed: string
  readonly servers: 1 | 3
  /** Faults are drawn until so much time has passed; without it each is done once. */
  readonly seconds?: number
  readonly faults?: readonly Fault[]
}

/** Milliseconds from the fault until every actor had answered an ask begun after it. */
export interface Recovery {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface ChaosReport extends Tally {
  readonly seed: string
  readonly servers: number
  readonly faults: { readonly [fault: string]: Recovery }
  readonly errors: { readonly [code: string]: number }
  readonly problems: readonly string[]
  /** What the nodes said last; empty when nothing is wrong. */
  readonly log: readonly string[]
}

const NODES = ['a', 'b', 'c']
const KEYS = Array.from({ length: 8 }, (_, n) => `k${n}`)
const LEASE_MS = 3_000
/** An election (4-9 s) in which leases run out, then a takeover. */
const BACK_MS = 25_000

export async function chaos({ seed, servers, seconds, ...options }: ChaosOptions): Promise<ChaosReport> {
  const chance = seededEntropy(seed)
  const faults = options.faults ?? FAULTS.filter((fault) => servers > 1 || fault !== 'step-down')
  await using cluster = await Cluster.start(NODES, { servers, links: true })
  const load = new Load(cluster.client, KEYS)
  const took: [Fault, number][] = []
  const back = async (what: string): Promise<number> => {
    const ms = await load.served(BACK_MS)
    if (ms === undefined) load.problems.push(`no service ${BACK_MS} ms after ${what}`)
    return ms ?? BACK_MS
  }
  await back('the start')
  const until = performance.now() + (seconds ?? 0) * 1_000
  do {
    for (const fault of shuffled(faults, chance)) {
      took.push([fault, await inject(cluster, fault, chance, () => back(fault))])
      await back(`the end of ${fault}`)
      if (load.hopeless || (seconds !== undefined && performance.now() > until)) break
    }
  } while (!load.hopeless && performance.now() < until)
  await load.end()
  const problems = [...load.problems, ...cluster.died]
  return {
    seed,
    servers,
    faults: Object.fromEntries(faults.map((fault) => [fault, recovery(took, fault)])),
    ...load.tally,
    errors: load.errors,
    problems,
    log: problems.length > 0 ? [...cluster.log] : [],
  }
}

/** @returns how long the service was away */
async function inject(cluster: Cluster, fault: Fault, chance: Entropy, back: () => Promise<number>): Promise<number> {
  const node = await victim(cluster, chance)
  const outlived = after(LEASE_MS * (1.2 + chance.random() / 2))
  switch (fault) {
    case 'kill': {
      await cluster.kill(node)
      const took = await back()
      await cluster.startNode(node)
      return took
    }
    case 'freeze': {
      cluster.freeze(node)
      const took = await back()
      await outlived
      cluster.thaw(node)
      return took
    }
    case 'cut':
    case 'cut-to-server':
    case 'cut-to-node': {
      cluster.cut(node, WAYS[fault])
      const took = await back()
      await outlived
      cluster.heal(node)
      return took
    }
    case 'restart': {
      const server = pick(cluster.servers, chance)
      await server.server.kill()
      const away = back()
      await after(1_000 * chance.random())
      await server.start()
      return away
    }
    case 'step-down':
      await stepDown(cluster, pick(['TR_default_J', 'TR_default_M', 'KV_TR_default'], chance))
      return back()
  }
}

const WAYS = { cut: 'both', 'cut-to-server': 'to-server', 'cut-to-node': 'to-node' } as const

/** One that has work: a fault of a node without actors shows nothing. */
async function victim({ client }: Cluster, chance: Entropy): Promise<string> {
  const address = `ledger/${pick(KEYS, chance)}` as const
  // The bucket may still be without a leader.
  return (
    (await eventually(async () => (await client.locate(address)).node, { withinMs: BACK_MS })) ?? pick(NODES, chance)
  )
}

async function stepDown(cluster: Cluster, stream: string): Promise<void> {
  const nc = await connect({ servers: cluster.servers.map(({ url }) => url) })
  try {
    await nc.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`)
  } finally {
    await nc.close()
  }
}

function recovery(took: readonly [Fault, number][], fault: Fault): Recovery {
  const times = took.filter(([of]) => of === fault).map(([, ms]) => Math.round(ms))
  const sorted = times.toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.ceil(sorted.length * part) - 1] ?? 0
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) }
}

function pick<T>(among: readonly T[], chance: Entropy): T {
  const found = among[Math.floor(chance.random() * among.length)]
  if (found === undefined) throw new Error('nothing to pick from')
  return found
}

function shuffled<T>(all: readonly T[], chance: Entropy): T[] {
  return all
    .map((one) => ({ one, at: chance.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ one }) => one)
}

const after = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))
