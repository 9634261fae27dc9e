/**
 * Replay of what a journal holds: one actor, or all of a namespace in one pass. No network beyond the reading of the journal.
 *
 * 1. Actors whose type has no definition are named with the reason, never left out silently.
 */
import type { AnyActorDef } from '../actor.ts'
import { type Address, type Subjects, splitAddress } from '../address.ts'
import type { Journal, KeyStore } from '../ports.ts'
import { SealReader } from '../seal.ts'
import { ActorReplay, type ReplayReport } from './actor-replay.ts'

/** A report with zero appends means that the journal knows no such actor. Volatile actors have no journal. */
export async function replayActor(
  journal: Journal,
  subjects: Subjects,
  address: Address,
  def: AnyActorDef,
  keys?: KeyStore,
): Promise<ReplayReport> {
  const sealed = new SealReader(keys)
  const replay = new ActorReplay(address, def, sealed)
  for await (const entry of journal.read(subjects.history(address))) {
    await sealed.prepareFor(entry.bytes)
    replay.feed(entry)
  }
  return replay.report()
}

export interface Skipped {
  readonly type: string
  readonly actors: number
  readonly appends: number
  readonly reason: string
}

export interface ReplaySummary {
  readonly actors: readonly ReplayReport[]
  readonly skipped: readonly Skipped[]
  readonly steps: number
  readonly appends: number
  readonly mismatches: number
  readonly unchecked: number
  readonly upgraded: number
  readonly complete: boolean
}

export async function replayAll(
  journal: Journal,
  subjects: Subjects,
  defs: readonly AnyActorDef[],
  keys?: KeyStore,
): Promise<ReplaySummary> {
  const sealed = new SealReader(keys)
  const byType = new Map(defs.map((def) => [def.protocol.type, def]))
  const replays = new Map<Address, ActorReplay>()
  const left = new Map<string, { readonly actors: Set<Address>; appends: number }>()
  for await (const entry of journal.read(subjects.journals())) {
    const address = subjects.addressIn(entry.subject)
    const { type } = splitAddress(address)
    const def = byType.get(type)
    if (def === undefined) {
      const skipped = left.get(type) ?? { actors: new Set(), appends: 0 }
      skipped.actors.add(address)
      skipped.appends += 1
      left.set(type, skipped)
      continue
    }
    const replay = replays.get(address) ?? new ActorReplay(address, def, sealed)
    replays.set(address, replay)
    await sealed.prepareFor(entry.bytes)
    replay.feed(entry)
  }
  const actors = [...replays.values()].map((replay) => replay.report())
  const sum = (of: (report: ReplayReport) => number) => actors.reduce((total, report) => total + of(report), 0)
  return {
    actors,
    skipped: [...left].map(([type, { actors: found, appends }]) => ({
      type,
      actors: found.size,
      appends,
      reason: `the entry module exports no definition of type '${type}'`,
    })),
    steps: sum(({ steps }) => steps),
    appends: sum(({ appends }) => appends),
    mismatches: sum(({ mismatches }) => mismatches),
    unchecked: sum(({ unchecked }) => unchecked),
    upgraded: sum(({ upgraded }) => upgraded),
    complete: actors.every(({ complete }) => complete),
  }
}
