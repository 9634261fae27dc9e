/**
 * What the log of a simulation must be by itself, actor by actor: invariants 4, 5, 6, 10, 11, 12 and 16 of `ledger.ts`.
 *
 * 1. The fold runs on the production code, with the definitions the nodes ran.
 */
import type { AnyActorDef } from '../actor.ts'
import { type Address, splitAddress } from '../address.ts'
import { hashOfBytes } from '../codec.ts'
import { Fold } from '../fold.ts'
import { logicHash } from '../logic-hash.ts'
import { stateHash } from '../state-hash.ts'
import type { ActorState, JournalRecord, Step } from '../step.ts'
import { upgradedState } from '../upgrade.ts'
import { endsActor, type Ledger, type Stored } from './ledger.ts'
import { checkLife } from './life-check.ts'

interface Placed {
  readonly step: Step
  readonly record: JournalRecord
  /** Place of its record in the whole log. */
  readonly at: number
}

/** @param releases all that nodes have run */
export function checkLog(ledger: Ledger, releases: readonly (readonly AnyActorDef[])[]): void {
  const logs = new Map<string, Stored[]>()
  for (const stored of ledger.records) {
    const log = logs.get(stored.record.actor)
    if (log === undefined) logs.set(stored.record.actor, [stored])
    else log.push(stored)
  }
  for (const [actor, log] of logs) {
    checkChain(ledger, actor, log)
    checkWriters(ledger, actor, log)
    const defs = releases.flatMap((release) => release.filter((def) => def.protocol.type === splitAddress(actor).type))
    checkFold(ledger, actor, log, defs)
    checkTimers(ledger, actor, log)
    if (defs[0] !== undefined) checkLife(ledger, actor, log, defs[0])
    checkEffects(ledger, actor, log)
  }
  checkSends(ledger)
}

function checkChain(ledger: Ledger, actor: string, log: readonly Stored[]): void {
  let prev = ''
  for (const [at, { record, bytes }] of log.entries()) {
    if (record.prev !== prev) ledger.report(5, `the chain of ${actor} breaks at its record ${at + 1}`)
    prev = hashOfBytes(bytes)
  }
}

function checkWriters(ledger: Ledger, actor: string, log: readonly Stored[]): void {
  const gone = new Set<string>()
  const nodes = new Map<number, string>()
  let last: JournalRecord | undefined
  for (const { record } of log) {
    if (last !== undefined && record.epoch < last.epoch) {
      ledger.report(4, `${actor}: epoch ${record.epoch} writes after epoch ${last.epoch}`)
    }
    if (record.writer !== last?.writer) {
      if (record.activated === undefined) ledger.report(4, `${actor}: a writer begins without an activation`)
      if (last !== undefined) gone.add(last.writer)
      if (gone.has(record.writer)) ledger.report(4, `${actor}: a writer comes back after another one`)
    }
    const node = record.activated?.node
    const known = nodes.get(record.epoch)
    if (node !== undefined && known !== undefined && known !== node) {
      ledger.report(4, `${actor}: ${known} and ${node} share epoch ${record.epoch}`)
    }
    if (node !== undefined) nodes.set(record.epoch, node)
    last = record
  }
}

/** Each release folds what it has recorded; from the older one the newer takes over the state, as its `upgrade` makes it. */
function checkFold(ledger: Ledger, actor: string, log: readonly Stored[], releases: readonly AnyActorDef[]): void {
  let fold: Fold | undefined
  let version: number | undefined
  for (const [at, { record }] of log.entries()) {
    const where = `${actor}, record ${at + 1}`
    try {
      const recorded = record.state?.version ?? record.activated?.version ?? version
      if (recorded !== version) {
        const def = releases.find((release) => (release.version ?? 1) === recorded)
        if (def === undefined) return ledger.report(6, `nobody has version ${recorded} of ${actor}`)
        const before = fold
        fold = version === undefined || record.state !== undefined ? new Fold(actor, def, logicHash(def)) : undefined
        version = recorded
        if (before !== undefined && record.state !== undefined) {
          fold?.startFrom(record.state)
          if (!isUpgradeOf(before.state(), record, def)) return ledger.report(6, `${where} is no upgrade of its past`)
          continue
        }
      }
      const divergence = fold?.apply(record)
      if (divergence === undefined) continue
      const { step, cause, expected, actual } = divergence
      const seen = `${JSON.stringify(expected)} / ${JSON.stringify(actual)}`.slice(0, 400)
      return ledger.report(6, `${where}, ${step} does not fold (${cause}): ${seen}`)
    } catch (error) {
      return ledger.report(6, `${where} does not fold: ${String(error)}`)
    }
  }
}

/** An older release goes on only where an order has made the actor anew. */
function isUpgradeOf(before: ActorState, record: JournalRecord, def: AnyActorDef): boolean {
  if (before.version > (def.version ?? 1)) return record.steps.some(({ input }) => input.kind === 'operator')
  return record.steps.length > 0 || stateHash(upgradedState(before, def), record) === record.hash
}

function checkTimers(ledger: Ledger, actor: string, log: readonly Stored[]): void {
  let due = new Map<number, number>()
  let fired = new Set<number>()
  for (const step of log.flatMap(({ record }) => record.steps)) {
    if (step.input.kind === 'init') {
      due = new Map()
      fired = new Set()
    }
    if (step.input.kind === 'timer') {
      const { timer } = step.input
      if (fired.has(timer)) ledger.report(10, `timer ${timer} of ${actor} fires twice`)
      fired.add(timer)
      const dueAt = due.get(timer)
      if (dueAt === undefined) ledger.report(10, `timer ${timer} of ${actor} was never set`)
      else if (step.at < dueAt) ledger.report(10, `timer ${timer} of ${actor} fires ${dueAt - step.at} ms early`)
    }
    if (step.outcome === 'applied') for (const { n, due: at } of step.made?.timers ?? []) due.set(n, at)
  }
}

function checkEffects(ledger: Ledger, actor: string, log: readonly Stored[]): void {
  const ended = new Set<string>()
  for (const { input, effect } of log.flatMap(({ record }) => record.steps)) {
    if (effect === undefined || (input.kind !== 'effect.done' && input.kind !== 'effect.error')) continue
    if (ended.has(effect.id)) ledger.report(12, `effect ${effect.id} of ${actor} has two results`)
    ended.add(effect.id)
  }
}

/** Sends that were made, against the commands under which they came. */
function checkSends(ledger: Ledger): void {
  const received = new Map<string, Placed[]>()
  const senders = new Map<string, { n: number; readonly sends: { n: number; to: Address; placed: Placed }[] }>()
  const over = new Set<string>()
  for (const [at, { record }] of ledger.records.entries()) {
    for (const step of record.steps) {
      const placed = { step, record, at }
      const { command } = step
      if (command?.client.includes('/') === true) {
        const id = `${record.actor} < ${command.client}:${command.n}`
        received.set(id, [...(received.get(id) ?? []), placed])
      }
      if (endsActor(step)) over.add(record.actor)
      const sender = senders.get(record.actor) ?? { n: 0, sends: [] }
      senders.set(record.actor, sender)
      for (const { to } of step.outcome === 'applied' ? (step.made?.sends ?? []) : []) {
        const { type, key } = splitAddress(to)
        sender.sends.push({ n: ++sender.n, to: `${type}/${key}`, placed })
      }
    }
  }
  for (const [from, { sends }] of senders) {
    const latest = new Map<string, number>()
    for (const { n, to, placed } of sends) {
      const came = received.get(`${to} < ${from}:${n}`) ?? []
      received.delete(`${to} < ${from}:${n}`)
      const at = came[0] === undefined ? 0 : came[0].at * 1_000 + came[0].record.steps.indexOf(came[0].step)
      if (at > 0 && at < (latest.get(to) ?? 0))
        ledger.report(11, `send ${n} of ${from} came to ${to} after a later one`)
      latest.set(to, Math.max(at, latest.get(to) ?? 0))
      if (came.length > 1) ledger.report(11, `send ${n} of ${from} was taken ${came.length} times by ${to}`)
      if (came.length === 0 && !over.has(to)) ledger.report(11, `send ${n} of ${from} never came to ${to}`)
      const early = came.find(({ at }) => at <= placed.at)
      if (early !== undefined) ledger.report(3, `send ${n} of ${from} was taken before it was in the log`)
    }
  }
  for (const id of received.keys()) ledger.report(11, `nobody made the send ${id}`)
}
