/**
 * What a simulation remembers, to be compared with the log at the end: calls, looks, effects, and every record in the order
 * it was stored. What can only be seen at the moment it happens is checked here; the rest in `log-check.ts`, `call-check.ts`,
 * `mail-check.ts` and `life-check.ts`, that of the store in `placement-check.ts`. Orders of a person are calls.
 *
 *  1. Acknowledged means: in the log, exactly once, and answered as the log says.
 *  2. No command is applied twice.
 *  3. Nothing leaves before its append: no answer, emit, send or effect.
 *  4. One writer at a time: epochs never fall, a writer begins with an activation and never comes back.
 *  5. The chain of hashes is unbroken.
 *  6. Every record folds to its hash.
 *  7. A refusal is recorded before it is told.
 *  8. Every call ends before its deadline, with an answer or a typed error.
 *  9. After healing, everything that was open ends, and new commands are answered.
 * 10. A timer fires never early and once.
 * 11. A send is applied once, after the step that made it, and the sends of one actor to another in their order.
 * 12. A write effect runs at most once; no effect has two results.
 * 13. A look shows no less than what was acknowledged before it was asked for; a fenced one whatever the clocks, any other while
 *     clocks are as `ADMITTED_DRIFT` says.
 * 14. No error escapes into the process.
 * 15. A letter that is stored is applied once or is a dead letter, and the letters of one sender in their order; one whose
 *     delivery was told is stored. None is applied later than it allows, nor refused as expired before; no delivery is applied twice,
 *     however often operators have it delivered again.
 * 16. A failure is answered by its spec; what has ended takes nothing until it is ordered to.
 * 17. A shard is taken from a member only when that has given it back or its lease has ended, and in a higher epoch; nobody opens
 *     one that its key has not given to him, and a member whose lease has ended does not come back.
 */
import { type Address, splitAddress } from '../address.ts'
import type { EffectContext } from '../effect.ts'
import type { BusMessage, MailEntry } from '../ports.ts'
import { decodeRecord, type JournalRecord, type Step, stepId } from '../step.ts'
import { isJson, unpackWire } from '../wire.ts'
import type { Witness } from './backend.ts'
import { idOf, Letters } from './letters.ts'
import { PlacementCheck } from './placement-check.ts'
import type { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

export interface Violation {
  /** Number in the list above. */
  readonly invariant: number
  readonly what: string
}

export type CallOutcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly applied: 'no' | 'unknown'; readonly message: string }

export interface Call {
  readonly id: string
  /** Who waits for it. */
  readonly caller: SimProcess
  readonly to: Address
  readonly type: string
  readonly key: string | undefined
  readonly askedAt: number
  readonly deadline: number
  ended?: { readonly at: number; readonly outcome: CallOutcome; readonly records: number }
}

export interface Stored {
  readonly subject: string
  readonly bytes: Uint8Array
  readonly record: JournalRecord
}

export class Ledger implements Witness {
  readonly calls: Call[] = []
  readonly records: Stored[] = []
  readonly violations: Violation[] = []
  /** Runs of write effects, by effect id. */
  readonly writes = new Map<string, number>()
  readonly letters = new Letters()
  readonly #scheduler: Scheduler
  readonly #placement = new PlacementCheck((what) => this.report(17, what))
  readonly #steps = new Set<string>()
  readonly #acknowledged = new Map<string, number>()
  readonly #sendCounts = new Map<string, number>()
  /** Sends that no receiver has taken yet, with their receivers. */
  readonly #underWay = new Map<string, string>()
  readonly #open: (record: JournalRecord) => JournalRecord
  readonly #ended = new Set<string>()
  readonly #newest = new Map<string, JournalRecord>()

  /** @param open what a sealed record says */
  constructor(scheduler: Scheduler, open: (record: JournalRecord) => JournalRecord = (record) => record) {
    this.#scheduler = scheduler
    this.#open = open
  }

  report(invariant: number, what: string): void {
    const at = Math.round(this.#scheduler.time.elapsedMs)
    if (this.violations.length < 20) this.violations.push({ invariant, what: `${what} (at ${at} ms)` })
  }

  // ── What happens ────────────────────────────────────────────────────────────────────────────────────────────────────

  #read(subject: string, bytes: Uint8Array): JournalRecord | undefined {
    try {
      return this.#open(decodeRecord(bytes))
    } catch (error) {
      this.report(5, `something on ${subject} is no record: ${String(error)}`)
      return undefined
    }
  }

  stored(subject: string, bytes: Uint8Array): void {
    const record = this.#read(subject, bytes)
    if (record === undefined) return
    this.records.push({ subject, bytes, record })
    this.#newest.set(record.actor, record)
    for (const step of record.steps) {
      this.#steps.add(stepId(record.actor, record.epoch, step.seq))
      this.#noteSends(record.actor, step)
    }
  }

  #noteSends(actor: string, step: Step): void {
    const { command } = step
    if (command !== undefined) {
      this.letters.took(actor, command)
      this.#underWay.delete(idOf(command, actor))
    }
    if (endsActor(step)) this.#ended.add(actor)
    for (const { to } of step.outcome === 'applied' ? (step.made?.sends ?? []) : []) {
      const n = (this.#sendCounts.get(actor) ?? 0) + 1
      this.#sendCounts.set(actor, n)
      this.#underWay.set(`${actor}:${n} to ${to}`, to)
    }
  }

  mailed(to: Address, entry: MailEntry, streamId: string): void {
    this.letters.arrived(to, entry, streamId, this.records.length)
  }

  planned(to: Address, entry: MailEntry, streamId: string): void {
    this.letters.plannedFor(to, entry, streamId, this.records.length)
  }

  changed(key: string, value: Uint8Array | undefined): void {
    this.#placement.changed(key, value)
  }

  subscribed({ name }: SimProcess, subject: string): void {
    this.#placement.subscribed(name, subject)
  }

  buried(bytes: Uint8Array): void {
    this.letters.buried(bytes)
  }

  acknowledged(subject: string, bytes: Uint8Array): void {
    const record = this.#read(subject, bytes)
    if (record === undefined) return
    const { actor, steps } = record
    const seq = steps.at(-1)?.seq ?? 0
    this.#acknowledged.set(actor, Math.max(seq, this.#acknowledged.get(actor) ?? 0))
  }

  published(process: SimProcess, { subject, data, headers }: BusMessage): void {
    const kind = subject.split('.')[2]
    const body = bodyOf(data, isJson(headers))
    if (subject.startsWith('_INBOX.')) this.#leaves(process, 'an answer', field(body, 'step'))
    else if (kind === 'o') this.#leaves(process, 'an emit', field(body, 'step'))
    else if (kind === 'i') this.#leaves(process, 'a send', field(field(body, 'cause'), 'causation'))
  }

  #leaves(process: SimProcess, what: string, step: unknown): void {
    if (typeof step !== 'string' || !/#\d+:\d+$/.test(step) || this.#steps.has(step)) return
    this.report(3, `${process.name} lets out ${what} of ${step}, which is not in the log`)
  }

  /** To be called by each effect of a simulated actor as it begins. */
  effectBegins(effectClass: 'read' | 'idempotent' | 'write', { effectId, cause, runtime }: EffectContext): void {
    if (!this.#steps.has(cause.causation)) {
      this.report(3, `${runtime?.node} begins ${effectId} of ${cause.causation}, which is not in the log`)
    }
    if (effectClass !== 'write') return
    const runs = (this.writes.get(effectId) ?? 0) + 1
    this.writes.set(effectId, runs)
    if (runs > 1) this.report(12, `the write ${effectId} runs a second time`)
  }

  /** To be called when everything has had its time: what has not ended by now never will. */
  expectAllEnded(): void {
    for (const { id, to, type } of this.waiting()) this.report(8, `call ${id} (${type} to ${to}) never ended`)
  }

  /** Calls that somebody still waits for. */
  waiting(): readonly Call[] {
    return this.calls.filter(({ ended, caller }) => ended === undefined && caller.alive)
  }

  /** The newest step of an actor whose writer knows that it is stored. */
  acknowledgedSeq(actor: string): number {
    return this.#acknowledged.get(actor) ?? 0
  }

  /**
   * What is open and must end by itself.
   * @param restless types whose timers and effects need not
   * @param unrecorded types without a log
   */
  open(restless: readonly string[], unrecorded: ReadonlySet<string>): readonly string[] {
    const open: string[] = []
    for (const [actor, record] of this.#newest) {
      const { effects, timers, sends } = record.open
      if (restless.includes(splitAddress(actor).type)) continue
      if (effects + timers + sends > 0) open.push(`${actor}: ${JSON.stringify(record.open)}`)
    }
    const isRecorded = (to: string) => !unrecorded.has(splitAddress(to).type)
    for (const [send, to] of this.#underWay) if (!this.#ended.has(to) && isRecorded(to)) open.push(`send ${send}`)
    for (const { id, to } of this.letters.waiting) if (isRecorded(to)) open.push(`letter ${id}`)
    return open
  }

  get actors(): readonly string[] {
    return [...this.#newest.keys()]
  }
}

function bodyOf(data: Uint8Array, asJson: boolean): unknown {
  try {
    return unpackWire(data, asJson)
  } catch {
    return undefined
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** Whether an actor took nothing more after this step. */
export function endsActor(step: Step): boolean {
  const directive = step.supervision?.directive
  return step.ended !== undefined || directive === 'stop' || directive === 'quarantine'
}
