/**
 * The faults that befall whole processes: nodes are killed and frozen, leave in waves and are upgraded, connections are cut,
 * parties kept apart, leaders lost, each at a moment and for a time that follow from the seed.
 */
import type { Faults } from './faults.ts'
import type { Release } from './host.ts'
import type { SimLink } from './link.ts'
import { type Network, SERVICES } from './network.ts'
import type { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

/** Whoever has this name now: a node that was started again is another process. */
export interface Victim {
  readonly name: string
  readonly process: SimProcess
  readonly link: SimLink | undefined
  release: Release
  /** Dies, or hands over and then ends; starts again after `awayMs`. */
  leave(gracefully: boolean, awayMs: number): void
}

export interface NemesisOptions {
  readonly scheduler: Scheduler
  readonly network: Network
  readonly events: Faults['events']
  readonly withinMs: number
  readonly nodes: readonly Victim[]
  readonly clients: readonly Victim[]
  readonly disturbed: () => boolean
}

/** Longer than a lease, sometimes: then others take over and the victim comes back as a stranger. */
const FROZEN_MS = [50, 7_000] as const
const CUT_MS = [50, 9_000] as const
/** Shorter than a lease, sometimes: then its old incarnation still seems to live. */
const AWAY_MS = [200, 6_000] as const
const UPGRADE_MS = [100, 2_000] as const
const APART_MS = [50, 9_000] as const
const OUTAGE_MS = [500, 4_000] as const

export function disturb(options: NemesisOptions): void {
  const { scheduler, events, withinMs, nodes, clients, disturbed } = options
  const all = [...nodes, ...clients]
  const sometimes = (count: number, victims: readonly Victim[], happen: (victim: Victim) => void): void => {
    for (let i = 0; i < count; i++) {
      const victim = victims[Math.floor(scheduler.between([0, victims.length]))]
      scheduler.at(scheduler.between([0, withinMs]), `fault of ${victim?.name}`, () => {
        if (disturbed() && victim !== undefined) happen(victim)
      })
    }
  }
  sometimes(events.kills, nodes, ({ process }) => process.kill())
  sometimes(events.waves, nodes, () => {
    const [gracefully, awayMs] = [scheduler.chance(0.6), scheduler.between(AWAY_MS)]
    for (const node of nodes) if (scheduler.chance(0.5)) node.leave(gracefully, awayMs)
  })
  sometimes(events.upgrades, nodes, (node) => {
    node.release = node.release === 'older' ? 'newer' : 'older'
    node.leave(scheduler.chance(0.7), scheduler.between(UPGRADE_MS))
  })
  sometimes(events.pauses, nodes, ({ name, process }) => {
    process.freeze()
    scheduler.at(scheduler.between(FROZEN_MS), `${name} thaws`, () => process.thaw())
  })
  sometimes(events.cuts, all, ({ name, link }) => {
    link?.cut()
    scheduler.at(scheduler.between(CUT_MS), `${name} is connected again`, () => link?.heal())
  })
  sometimes(events.jumps, all, ({ process }) => {
    process.clock.skewMs = scheduler.skewMs()
  })
  sometimes(events.partitions, all, ({ name }) => part(options, name))
  sometimes(events.outages, nodes, () => {
    scheduler.available = false
    scheduler.at(scheduler.between(OUTAGE_MS), 'a leader is back', () => {
      scheduler.available = true
    })
  })
}

/** Keeps one process apart from the server, a part of it, or other processes; in one direction sometimes. */
function part({ scheduler, network, nodes, clients }: NemesisOptions, name: string): void {
  const others = [...nodes, ...clients].map((other) => other.name).filter((other) => other !== name)
  const one = <T>(from: readonly T[]): readonly T[] => {
    const picked = from[Math.floor(scheduler.between([0, from.length]))]
    return picked === undefined ? [] : [picked]
  }
  const [peers = []] = one([SERVICES, one(SERVICES), one(SERVICES), one(others), others])
  const [ways = '<>'] = one(['<>', '<>', '<', '>'])
  const holds = scheduler.chance(0.5)
  const ends = peers.flatMap((peer) => [
    ...(ways.includes('>') ? [network.cut(name, peer, holds)] : []),
    ...(ways.includes('<') ? [network.cut(peer, name, holds)] : []),
  ])
  const label = `${name} ${ways} ${peers.join(', ')}`
  scheduler.note(`no way ${label}${holds ? ', held' : ''}`)
  scheduler.at(scheduler.between(APART_MS), `again a way ${label}`, () => {
    for (const end of ends) end()
  })
}
