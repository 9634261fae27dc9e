/**
 * An actor's state from its journal: one read when the newest record carries the state, else that record's `base` and the
 * tail after it, folded under the hash of every append.
 *
 * 1. Recovery never decides anew: what was recorded is applied, nothing is run.
 * 2. A state that cannot be reached as recorded is `StateDiverged`; records that are missing or unreadable are `LogDamaged`.
 */
import type { AnyActorDef } from './actor.ts'
import { hashOfBytes } from './codec.ts'
import { LogDamaged, StateDiverged } from './errors.ts'
import { Fold } from './fold.ts'
import type { HostState } from './logic-host.ts'
import type { Journal } from './ports.ts'
import { Settlement } from './settlement.ts'
import { decodeRecord, type JournalRecord } from './step.ts'

export interface Recovered {
  /** Position of the newest record; what the next append expects. 0: the actor is new. */
  readonly position: number
  /** Hash of that record's bytes. */
  readonly prev: string
  readonly epoch: number
  readonly writer: string
  readonly seq: number
  readonly at: number
  /** Position of the newest record with a state. */
  readonly base: number
  readonly host: HostState | undefined
  readonly settlement: Settlement
}

const NEW: Omit<Recovered, 'settlement'> = {
  position: 0,
  prev: '',
  epoch: 0,
  writer: '',
  seq: 0,
  at: 0,
  base: 0,
  host: undefined,
}

export async function recover(
  journal: Journal,
  subject: string,
  address: string,
  def: AnyActorDef,
  logicHash: string,
): Promise<Recovered> {
  const last = await journal.last(subject)
  if (last === undefined) return { ...NEW, settlement: new Settlement() }
  const record = decodeRecord(last.bytes, address)
  const { epoch, writer } = record
  const identity = { position: last.position, prev: hashOfBytes(last.bytes), epoch, writer }
  if (record.state !== undefined) {
    const { seq, at, host, settlement } = upgraded(record.state, def)
    return { ...identity, seq, at, base: last.position, host, settlement: new Settlement(settlement) }
  }
  const fold = await foldFrom(journal, subject, address, record, new Fold(address, def, logicHash), def)
  return {
    ...identity,
    seq: fold.seq,
    at: fold.at,
    base: record.base,
    host: fold.hostState(),
    settlement: fold.settlement,
  }
}

async function foldFrom(
  journal: Journal,
  subject: string,
  address: string,
  newest: JournalRecord,
  fold: Fold,
  def: AnyActorDef,
): Promise<Fold> {
  let prev: string | undefined
  for await (const entry of journal.read(subject, { from: newest.base })) {
    const record = decodeRecord(entry.bytes, address)
    if (prev === undefined) {
      if (record.state === undefined)
        throw new LogDamaged(`'${address}': position ${newest.base} carries no state`, { address })
      fold.startFrom(upgraded(record.state, def))
    } else {
      if (record.prev !== prev)
        throw new LogDamaged(`'${address}': the chain breaks at position ${entry.position}`, { address })
      const divergence = fold.apply(record)
      if (divergence !== undefined) {
        throw new StateDiverged(`'${address}' cannot be folded to its recorded state: ${divergence.cause}`, {
          ...divergence,
        })
      }
    }
    prev = hashOfBytes(entry.bytes)
  }
  if (prev === undefined) throw new LogDamaged(`'${address}': nothing from position ${newest.base} on`, { address })
  return fold
}

/** A state of an older version, made one of today's by the definition's own `upgrade`. */
function upgraded(state: NonNullable<JournalRecord['state']>, def: AnyActorDef): NonNullable<JournalRecord['state']> {
  const version = def.version ?? 1
  if (state.version === version || state.host === undefined) return state
  if (def.upgrade === undefined || state.version > version) {
    throw new StateDiverged(
      `the state of '${def.protocol.type}' has version ${state.version}, this code is version ${version} and has no upgrade from it`,
      { from: state.version, to: version },
    )
  }
  const { tree } = state.host
  const snap = typeof tree.snap === 'object' && tree.snap !== null && !Array.isArray(tree.snap) ? tree.snap : {}
  const context = def.upgrade(Reflect.get(snap, 'context'), state.version)
  const host = { ...state.host, tree: { ...tree, snap: { ...snap, context: JSON.parse(JSON.stringify(context)) } } }
  return { ...state, version, host }
}
