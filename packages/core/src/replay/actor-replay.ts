/**
 * One actor's records, folded again by today's code and compared with what was recorded.
 *
 * Owns one fold and what it has counted so far. Knows neither journal nor network: entries are fed in, in their order.
 *
 * 1. Nothing runs: no effect, no timer, no send. What effects answered is an input of the record.
 * 2. Compared per append: the chain of hashes, the epoch, what every step decided and made, the state at the end.
 * 3. An append counts at most once. After a divergence the fold starts again from the next recorded state; appends in
 *    between cannot be judged and are counted as `unchecked`.
 * 4. A log whose beginning retention has removed is not complete; it is damaged when it begins later than it says.
 */
import type { AnyActorDef } from '../actor.ts'
import type { Address } from '../address.ts'
import { hashOfBytes, type Json } from '../codec.ts'
import { type DivergenceCause, Fold, plain } from '../fold.ts'
import { logicHash } from '../logic-hash.ts'
import type { LogicHost } from '../logic-host.ts'
import type { JournalEntry } from '../ports.ts'
import { SealReader } from '../seal.ts'
import { eventType } from '../settlement.ts'
import { stateHash } from '../state-hash.ts'
import { type Activation, decodeRecord, type JournalRecord, type Step, stepId } from '../step.ts'

/** The root's state as plain data. */
export type StepView = ReturnType<LogicHost['view']>

export interface ReplayDivergence {
  readonly step: string
  readonly position: number
  /** Type of the event that the step took; absent when no single step is to blame. */
  readonly event?: string
  /** `log-damaged`: the records themselves contradict each other, whatever the code. */
  readonly cause: DivergenceCause | 'log-damaged'
  readonly expected: Json
  readonly actual: Json
  /** Who recorded it, with which versions. */
  readonly recordedBy?: Activation
}

export interface ReplayReport {
  readonly actor: Address
  readonly steps: number
  readonly appends: number
  readonly epochs: number
  /** Appends whose fold, or whose place in the chain, is not what was recorded. */
  readonly mismatches: number
  /** Appends after a divergence and before the next recorded state. */
  readonly unchecked: number
  /** Appends of an older version of the definition: folded through its upgrades, with no hash to compare. */
  readonly upgraded: number
  /** False when retention has removed steps before the first one that is here, or the actor was erased. */
  readonly complete: boolean
  /** The actor was erased: its sealed steps cannot be read by anybody. */
  readonly erased?: true
  /** Number of the first step that is here; 0 when none is. */
  readonly firstStep: number
  /** The first one. */
  readonly divergence?: ReplayDivergence
}

/** One step with the states around it; a view is absent while the actor is not initialised or the fold is lost. */
export interface Frame {
  readonly id: string
  readonly position: number
  readonly step: Step
  readonly before?: StepView
  readonly after?: StepView
  readonly divergence?: ReplayDivergence
}

type Finding = Pick<ReplayDivergence, 'step' | 'cause' | 'expected' | 'actual'>

export class ActorReplay {
  readonly #actor: Address
  readonly #fold: Fold
  readonly #epochs = new Set<number>()
  readonly #sealed: SealReader
  #erased = false
  #prev = ''
  #epoch = 0
  #activation: Activation | undefined
  #lost = false
  #steps = 0
  #appends = 0
  #mismatches = 0
  #unchecked = 0
  #upgraded = 0
  #firstStep = 0
  /** The first entry, when others were before it. */
  #begins: JournalEntry | undefined
  /** Where the log says that it begins. */
  #kept = 0
  #first: ReplayDivergence | undefined

  /** @param sealed prepared for what is fed, where records are sealed */
  constructor(actor: Address, def: AnyActorDef, sealed = new SealReader()) {
    this.#actor = actor
    this.#sealed = sealed
    this.#fold = new Fold(actor, def, logicHash(def))
  }

  /** @param onFrame costs two views a step */
  feed(entry: JournalEntry, onFrame?: (frame: Frame) => void): void {
    this.#appends += 1
    const before = this.#prev
    this.#prev = hashOfBytes(entry.bytes)
    let record: JournalRecord
    try {
      const stored = decodeRecord(entry.bytes, this.#actor)
      const opened = this.#sealed.open(stored)
      if (opened === undefined) return this.#passErased(entry, stored, before)
      record = opened
    } catch (error) {
      this.#lost = true
      this.#note(entry, this.#damage('a record of this actor', reasonOf(error)))
      return
    }
    if (before === '' && record.prev !== '') this.#begins = entry
    this.#kept = record.kept ?? this.#kept
    this.#firstStep ||= record.steps[0]?.seq ?? 0
    this.#steps += record.steps.length
    this.#epochs.add(record.epoch)
    this.#activation = record.activated ?? this.#activation
    const begins = this.#begins === entry
    if (begins) this.#resynchronise(record)
    const damage = this.#damageOf(record, begins ? record.prev : before)
    const divergence = this.#lost || begins ? undefined : this.#apply(record, entry, onFrame)
    if (!this.#lost && divergence === undefined && this.#fold.upgrades === 'done') this.#upgraded += 1
    if (this.#lost || begins) {
      // The state behind a first record is known, the one before it is not.
      if (this.#lost) this.#unchecked += 1
      for (const step of record.steps) onFrame?.({ id: idOf(record, step), position: entry.position, step })
    }
    const finding = damage ?? divergence
    if (finding !== undefined) this.#note(entry, finding, record)
    if (divergence !== undefined || this.#lost) this.#resynchronise(record)
    this.#epoch = record.epoch
  }

  /** The chain is all that can be judged of it. */
  #passErased(entry: JournalEntry, record: JournalRecord, before: string): void {
    this.#erased = this.#lost = true
    this.#epochs.add(record.epoch)
    if (before === '' && record.prev !== '') this.#begins = entry
    else if (record.prev !== before) this.#note(entry, this.#damage(before, record.prev))
    this.#kept = record.kept ?? this.#kept
    this.#epoch = record.epoch
  }

  /** Forgets what was folded and goes on from a recorded state; entries must be fed from the next one on. */
  startAfter(entry: JournalEntry): void {
    const stored = decodeRecord(entry.bytes, this.#actor)
    const record = this.#sealed.open(stored) ?? stored
    this.#prev = hashOfBytes(entry.bytes)
    this.#epoch = record.epoch
    this.#resynchronise(record)
  }

  #damageOf(record: JournalRecord, prev: string): Finding | undefined {
    if (record.prev !== prev) return this.#damage(prev, record.prev, record)
    if (record.epoch < this.#epoch) return this.#damage(`epoch ${this.#epoch} or later`, record.epoch, record)
    if (record.state === undefined) return undefined
    const hash = stateHash(record.state, record)
    return hash === record.hash ? undefined : this.#damage(record.hash, hash, record)
  }

  #damage(expected: Json, actual: Json, record?: JournalRecord): Finding {
    const first = record?.steps[0]
    const step = record === undefined || first === undefined ? this.#here() : idOf(record, first)
    return { step, cause: 'log-damaged', expected, actual }
  }

  #apply(record: JournalRecord, entry: JournalEntry, onFrame?: (frame: Frame) => void): Finding | undefined {
    if (this.#fold.takenOver(record)) {
      this.#resynchronise(record)
      return undefined
    }
    const fold = this.#fold
    const seen: Frame[] = []
    let finding: Finding | undefined
    for (const step of record.steps) {
      const id = idOf(record, step)
      const before = onFrame && fold.view()
      finding = attempt(id, () => fold.step(step, record))
      const after = onFrame && finding === undefined ? fold.view() : undefined
      seen.push({ id, position: entry.position, step, ...(before && { before }), ...(after && { after }) })
      if (finding !== undefined) break
    }
    finding ??= attempt(this.#here(record.epoch), () => fold.check(record))
    const last = seen.pop()
    if (last !== undefined) {
      const divergence = finding && this.#located(entry, finding, last.step)
      for (const frame of [...seen, { ...last, ...(divergence && { divergence }) }]) onFrame?.(frame)
    }
    return finding
  }

  #resynchronise({ state }: JournalRecord): void {
    this.#lost = true
    if (state === undefined) return
    try {
      this.#fold.startFrom(state)
      this.#lost = false
    } catch {
      // Today's machine has no place for that state: it stays lost until a later one fits.
    }
  }

  #note(entry: JournalEntry, finding: Finding, record?: JournalRecord): void {
    this.#mismatches += 1
    const step = record?.steps.find((one) => idOf(record, one) === finding.step)
    this.#first ??= this.#located(entry, finding, step)
  }

  #located(entry: JournalEntry, finding: Finding, step: Step | undefined): ReplayDivergence {
    return {
      ...finding,
      position: entry.position,
      ...(step !== undefined && { event: eventType(step.input) }),
      ...(this.#activation !== undefined && { recordedBy: this.#activation }),
    }
  }

  #here(epoch = this.#epoch): string {
    return stepId(this.#actor, epoch, this.#fold.seq)
  }

  report(): ReplayReport {
    const late = this.#begins !== undefined && this.#begins.position > this.#kept ? this.#begins : undefined
    const divergence = late === undefined ? this.#first : this.#located(late, this.#missingBefore(late), undefined)
    return {
      actor: this.#actor,
      steps: this.#steps,
      appends: this.#appends,
      epochs: this.#epochs.size,
      mismatches: this.#mismatches + (late === undefined ? 0 : 1),
      unchecked: this.#unchecked,
      upgraded: this.#upgraded,
      complete: this.#begins === undefined && !this.#erased,
      ...(this.#erased && { erased: true as const }),
      firstStep: this.#firstStep,
      ...(divergence !== undefined && { divergence }),
    }
  }

  #missingBefore({ position }: JournalEntry): Finding {
    return this.#damage(this.#kept === 0 ? 'the first record' : `position ${this.#kept}`, `position ${position}`)
  }
}

const idOf = (record: JournalRecord, step: Step): string => stepId(record.actor, record.epoch, step.seq)
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Code of today that throws where yesterday's did not is a divergence like any other. */
function attempt(step: string, fold: () => Finding | undefined): Finding | undefined {
  try {
    return fold()
  } catch (error) {
    const actual = plain({ threw: reasonOf(error) })
    return { step, cause: 'code-changed', expected: 'applied', actual }
  }
}
