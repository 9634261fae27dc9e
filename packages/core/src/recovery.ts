/**
 * An actor's state from its journal: one read when the newest record carries the state, else that record's `base` and the
 * tail after it, folded under the hash of every append.
 *
 * 1. Recovery never decides anew: what was recorded is applied, nothing is run.
 * 2. A state that cannot be reached as recorded is `StateDiverged`; records that are missing or unreadable are `LogDamaged`.
 */
import type { AnyActorDef } from './actor.ts'
import { decode, encode, HASH_VERSION, hashOf, hashOfBytes, type Json, type RefCodec } from './codec.ts'
import { LogDamaged, LogUnavailable, StateDiverged } from './errors.ts'
import { Fold } from './fold.ts'
import type { HostState } from './logic-host.ts'
import type { Journal } from './ports.ts'
import { Settlement } from './settlement.ts'
import { type ActorState, decodeRecord, type JournalRecord, type Step, stepId } from './step.ts'

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
  /** The newest record is an activation: whoever wrote it may have been killed by what it did next. */
  readonly unproven: boolean
  /** What the newest record holds: what it has refused may not be buried yet. */
  readonly newest: readonly Step[]
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
  unproven: false,
  newest: [],
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
  const unproven = record.activated !== undefined
  const newest = record.steps
  const identity = { position: last.position, prev: hashOfBytes(last.bytes), epoch, writer, unproven, newest }
  if (record.state !== undefined) {
    checkState(record, record.state)
    const { seq, at, host, settlement } = upgraded(record.state, def)
    return { ...identity, seq, at, base: last.position, host, settlement: new Settlement(settlement) }
  }
  const fold = await foldFrom(
    journal,
    subject,
    address,
    { ...identity, record },
    new Fold(address, def, logicHash),
    def,
  )
  return {
    ...identity,
    seq: fold.seq,
    at: fold.at,
    base: record.base,
    host: fold.hostState(),
    settlement: fold.settlement,
  }
}

/**
 * What can be known of an actor whose state this code cannot reach: its place in the log and what it owes, which need no machine.
 * Enough to refuse everything but a reset.
 */
export async function recoverWithoutState(journal: Journal, subject: string, address: string): Promise<Recovered> {
  const last = await journal.last(subject)
  if (last === undefined) return { ...NEW, settlement: new Settlement() }
  const { epoch, writer, base, state, steps: newest } = decodeRecord(last.bytes, address)
  let settlement = new Settlement()
  let [seq, at] = [0, 0]
  for await (const entry of journal.read(subject, { from: state === undefined ? base : last.position })) {
    if (entry.position > last.position) break
    const record = decodeRecord(entry.bytes, address)
    if (seq === 0 && record.state !== undefined) {
      settlement = new Settlement(record.state.settlement)
      seq = record.state.seq
      at = record.state.at
      continue
    }
    for (const step of record.steps) {
      settlement.apply(step, stepId(address, record.epoch, step.seq))
      seq = step.seq
      at = step.at
    }
  }
  return {
    position: last.position,
    prev: hashOfBytes(last.bytes),
    epoch,
    writer,
    seq,
    at,
    base,
    host: undefined,
    settlement,
    unproven: false,
    newest,
  }
}

/** The chain is followed to its end before anything is folded: bytes that were changed are not a machine that was changed. */
async function foldFrom(
  journal: Journal,
  subject: string,
  address: string,
  newest: { readonly position: number; readonly prev: string; readonly record: JournalRecord },
  fold: Fold,
  def: AnyActorDef,
): Promise<Fold> {
  const { base } = newest.record
  const damaged = (what: string) => new LogDamaged(`'${address}': ${what}`, { address })
  const tail: JournalRecord[] = []
  let prev: string | undefined
  for await (const entry of journal.read(subject, { from: base })) {
    if (entry.position > newest.position) break // appended since: the next append will tell
    const record = decodeRecord(entry.bytes, address)
    if (prev === undefined && entry.position !== base) throw damaged(`position ${base} is missing`)
    if (prev !== undefined && record.prev !== prev) throw damaged(`the chain breaks at position ${entry.position}`)
    tail.push(record)
    prev = hashOfBytes(entry.bytes)
  }
  if (prev !== newest.prev) {
    // Reads may lag behind the leader, which knows the newest record: never go on from an older state.
    throw new LogUnavailable(`'${address}': the log could not be read up to position ${newest.position}; try again`)
  }
  const [first, ...rest] = tail
  if (first?.state === undefined) throw damaged(`position ${base} carries no state`)
  checkState(first, first.state)
  fold.startFrom(upgraded(first.state, def))
  for (const record of rest) {
    const divergence = fold.apply(record)
    if (divergence === undefined) continue
    throw new StateDiverged(`'${address}' cannot be folded to its recorded state: ${divergence.cause}`, {
      ...divergence,
    })
  }
  return fold
}

function checkState({ actor, hash, hashVersion }: JournalRecord, state: ActorState): void {
  if (hashVersion === HASH_VERSION && hashOf(state) !== hash) {
    throw new LogDamaged(`'${actor}': the recorded state is not the one that was hashed`, { address: actor })
  }
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
  const snap: { readonly [name: string]: Json } = isRecord(tree.snap) ? tree.snap : {}
  const refs = opaqueRefs()
  const context = def.upgrade(decode(snap['context'] ?? null, refs), state.version)
  const host = { ...state.host, tree: { ...tree, snap: { ...snap, context: encode(context, refs, 'context') } } }
  return { ...state, version, host }
}

/** No tree is there yet: a reference is carried over as a token that means itself. */
function opaqueRefs(): RefCodec {
  const known = new Map<object, { readonly path: string; readonly id: string }>()
  return {
    nameOf: (value) => known.get(value),
    find: (path, id) => {
      const reference = Object.freeze({ path, id })
      known.set(reference, reference)
      return reference
    },
  }
}

function isRecord(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
