/**
 * An actor's state from its journal: one read when the newest record carries the state, else that record's `base` and the
 * tail after it, folded under the hash of every append.
 *
 * 1. Recovery never decides anew: what was recorded is applied, nothing is run.
 * 2. A state that cannot be reached as recorded is `StateDiverged`; records that are missing or unreadable are `LogDamaged`.
 * 3. A tail of an older version is folded through the definition's upgrades (`upgrade.ts`), or not at all.
 */
import type { AnyActorDef } from './actor.ts'
import { hashOfBytes } from './codec.ts'
import { LogDamaged, LogUnavailable, StateDiverged } from './errors.ts'
import { type Divergence, Fold } from './fold.ts'
import type { HostState } from './logic-host.ts'
import type { Journal, JournalEntry } from './ports.ts'
import { NO_SEAL, type Opener } from './seal.ts'
import { Settlement } from './settlement.ts'
import { stateHash } from './state-hash.ts'
import { type ActorState, decodeRecord, type JournalRecord, type Step, stepId } from './step.ts'
import { upgradedState } from './upgrade.ts'

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
  /** Where the log begins, as its newest record notes it; 0: nothing has left it. */
  readonly kept: number
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
  kept: 0,
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
  seal = NO_SEAL,
): Promise<Recovered> {
  const last = await journal.last(subject)
  await seal.prepare(last && decodeRecord(last.bytes, address))
  if (last === undefined) return { ...NEW, settlement: new Settlement() }
  try {
    return await recoverFrom(last, journal, subject, address, def, logicHash, seal)
  } catch (error) {
    if (!(error instanceof LogDamaged) || (await journal.last(subject))?.position === last.position) throw error
    // Its writer lives, and retention may have removed what was about to be read.
    throw new LogUnavailable(`'${address}': the log was written while it was read; try again`, {}, error)
  }
}

async function recoverFrom(
  last: JournalEntry,
  journal: Journal,
  subject: string,
  address: string,
  def: AnyActorDef,
  logicHash: string,
  seal: Opener,
): Promise<Recovered> {
  const record = seal.open(decodeRecord(last.bytes, address))
  const { epoch, writer, kept = 0 } = record
  const unproven = record.activated !== undefined
  const newest = record.steps
  const identity = { position: last.position, prev: hashOfBytes(last.bytes), epoch, writer, kept, unproven, newest }
  if (record.state !== undefined) {
    checkState(record, record.state)
    const { seq, at, host, settlement } = upgradedState(record.state, def)
    return { ...identity, seq, at, base: last.position, host, settlement: new Settlement(settlement) }
  }
  const fold = await foldFrom(
    journal,
    subject,
    address,
    { ...identity, record },
    new Fold(address, def, logicHash),
    seal,
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
export async function recoverWithoutState(
  journal: Journal,
  subject: string,
  address: string,
  seal = NO_SEAL,
): Promise<Recovered> {
  const last = await journal.last(subject)
  if (last === undefined) return { ...NEW, settlement: new Settlement() }
  const { epoch, writer, base, kept = 0, state, steps: newest } = seal.open(decodeRecord(last.bytes, address))
  let settlement = new Settlement()
  let [seq, at] = [0, 0]
  let found = false
  for await (const entry of journal.read(subject, { from: state === undefined ? base : last.position })) {
    if (entry.position > last.position) break
    const record = seal.open(decodeRecord(entry.bytes, address))
    if (!found) {
      if (record.state === undefined) break
      found = true
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
  if (!found) throw new LogUnavailable(`the newest state of '${address}' is not where its log says; try again`)
  return {
    position: last.position,
    prev: hashOfBytes(last.bytes),
    epoch,
    writer,
    seq,
    at,
    base,
    kept,
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
  seal: Opener,
): Promise<Fold> {
  const { base } = newest.record
  const damaged = (what: string) => new LogDamaged(`'${address}': ${what}`, { address })
  const tail: JournalRecord[] = []
  let prev: string | undefined
  for await (const entry of journal.read(subject, { from: base })) {
    if (entry.position > newest.position) break // appended since: the next append will tell
    const record = seal.open(decodeRecord(entry.bytes, address))
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
  fold.startFrom(first.state)
  for (const record of rest) {
    const divergence = fold.apply(record)
    if (divergence !== undefined) throw diverged(address, divergence, record, fold)
  }
  return fold
}

function diverged(address: string, divergence: Divergence, { logic }: JournalRecord, fold: Fold): StateDiverged {
  const { recorded, upgrades } = fold
  const how = upgrades === 'needed' ? '; give its definition an upgradeEvent that makes them events of today' : ''
  const of = upgrades === 'none' ? '' : `, from steps that version ${recorded} has recorded${how}`
  const what = `'${address}' cannot be folded to its recorded state: ${divergence.cause}${of}`
  return new StateDiverged(what, { ...divergence, logic, ...(upgrades !== 'none' && { from: recorded }) })
}

function checkState(record: JournalRecord, state: ActorState): void {
  const { actor } = record
  if (stateHash(state, record) === record.hash) return
  throw new LogDamaged(`'${actor}': the recorded state is not the one that was hashed`, { address: actor })
}
