/**
 * The faults that befall whole processes: nodes are killed and frozen, connections cut, leaders lost, each at a moment and for
 * a time that follow from the seed.
 */
import type { Faults } from './faults.ts'
import type { SimLink } from './link.ts'
import type { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

/** Whoever has this name now: a node that was started again is another process. */
export interface Victim {
  readonly name: string
  readonly process: SimProcess
  readonly link: SimLink | undefined
}

export interface NemesisOptions {
  readonly scheduler: Scheduler
  readonly events: Faults['events']
  readonly withinMs: number
  readonly nodes: readonly Victim[]
  readonly clients: readonly Victim[]
  readonly disturbed: () => boolean
}

/** Longer than a lease, sometimes: then others take over and the victim comes back as a stranger. */
const FROZEN_MS = [50, 7_000] as const
const CUT_MS = [50, 9_000] as const
const OUTAGE_MS = [500, 4_000] as const

export function disturb({ scheduler, events, withinMs, nodes, clients, disturbed }: NemesisOptions): void {
  const sometimes = (count: number, victims: readonly Victim[], happen: (victim: Victim) => void): void => {
    for (let i = 0; i < count; i++) {
      const victim = victims[Math.floor(scheduler.between([0, victims.length]))]
      scheduler.at(scheduler.between([0, withinMs]), `fault of ${victim?.name}`, () => {
        if (disturbed() && victim !== undefined) happen(victim)
      })
    }
  }
  sometimes(events.kills, nodes, ({ process }) => process.kill())
  sometimes(events.pauses, nodes, ({ name, process }) => {
    process.freeze()
    scheduler.at(scheduler.between(FROZEN_MS), `${name} thaws`, () => process.thaw())
  })
  sometimes(events.cuts, [...nodes, ...clients], ({ name, link }) => {
    link?.cut()
    scheduler.at(scheduler.between(CUT_MS), `${name} is connected again`, () => link?.heal())
  })
  sometimes(events.outages, nodes, () => {
    scheduler.available = false
    scheduler.at(scheduler.between(OUTAGE_MS), 'a leader is back', () => {
      scheduler.available = true
    })
  })
}
