/**
 * Folding recorded steps: recovery of a tail and replay use the same fold. No effect runs, no timer is armed, nothing leaves.
 *
 * 1. Steps whose outcome is `rejected` or `error` change the settlement and nothing else.
 * 2. What a step decides and makes when it is folded is compared with what it did: the first difference is the divergence.
 * 3. What an older version of the definition has recorded goes through its upgrades (`upgrade.ts`) and has no hash to compare.
 */
import type { AnyActorDef } from './actor.ts'
import { isEqual, type Json } from './codec.ts'
import { type HostState, LogicHost } from './logic-host.ts'
import { type Life, Settlement } from './settlement.ts'
import { STATE_VERSION } from './state-format.ts'
import { stateHash } from './state-hash.ts'
import { type ActorState, type JournalRecord, type Step, stepId } from './step.ts'
import { keepsInput } from './supervision.ts'
import { TapeMismatch } from './tape.ts'
import { namedIn, namesTheSame, upgradedInput, upgradedState } from './upgrade.ts'

export type DivergenceCause = 'unrecorded-entropy' | 'machine-changed' | 'missing-steps' | 'code-changed'

export interface Divergence {
  readonly step: string
  readonly cause: DivergenceCause
  readonly expected: Json
  readonly actual: Json
}

export class Fold {
  readonly #address: string
  readonly #def: AnyActorDef
  readonly #logicHash: string
  #host: LogicHost | undefined
  #settlement = new Settlement()
  #seq = 0
  #at = 0
  /** Version of the definition that recorded what is folded now. */
  #recorded: number

  constructor(address: string, def: AnyActorDef, logicHash: string) {
    this.#address = address
    this.#def = def
    this.#logicHash = logicHash
    this.#recorded = def.version ?? 1
  }

  /** Starts from a saved state instead of from nothing. @throws StateDiverged for one that the definition cannot upgrade */
  startFrom(saved: ActorState): void {
    const state = upgradedState(saved, this.#def)
    this.#recorded = saved.version
    this.#host = state.host && restoreHost(this.#newHost(), state.host)
    this.#settlement = new Settlement(state.settlement)
    this.#seq = state.seq
    this.#at = state.at
  }

  /** Applies one append. The state hash is compared at its end when `check` is set. */
  apply(record: JournalRecord, check = true): Divergence | undefined {
    for (const step of record.steps) {
      const divergence = this.step(step, record)
      if (divergence !== undefined) return divergence
    }
    return check && record.steps.length > 0 ? this.check(record) : undefined
  }

  /** Compares the state with the one that was recorded at the end of this append. */
  check(record: JournalRecord): Divergence | undefined {
    this.#read(record)
    if (this.upgrades === 'done') return undefined
    const state = this.state()
    const hash = stateHash(state, record)
    if (hash === record.hash) return undefined
    const last = stepId(record.actor, record.epoch, this.#seq)
    const expected: Json = record.state === undefined ? record.hash : plain(record.state)
    const actual: Json = record.state === undefined ? hash : plain(state)
    return { step: last, cause: this.#causeClass(record), expected, actual }
  }

  /** Applies one step of an append. After a divergence the fold is good for nothing but `startFrom`. */
  step(step: Step, record: JournalRecord): Divergence | undefined {
    this.#read(record)
    const id = stepId(record.actor, record.epoch, step.seq)
    if (step.seq !== this.#seq + 1) {
      return { step: id, cause: 'missing-steps', expected: this.#seq + 1, actual: step.seq }
    }
    const decides = step.outcome === 'applied' && step.input.kind !== 'settled'
    const divergence = decides ? this.#decide(step, id, record) : undefined
    if (divergence !== undefined) return divergence
    this.#settlement.apply(step, id)
    this.#seq = step.seq
    this.#at = step.at
    return undefined
  }

  #decide(step: Step, id: string, record: JournalRecord): Divergence | undefined {
    const outdated = this.upgrades === 'done'
    const input = outdated ? upgradedInput(step.input, this.#recorded, this.#def) : step.input
    if (input.kind === 'operator' && input.blank === true) this.#host = undefined
    if ((input.kind === 'operator' || input.kind === 'directive') && input.init !== undefined) this.#makeAnew()
    if (input.kind === 'operator' && input.init === undefined) {
      if (input.order === 'destroy') this.#host = undefined
      return undefined
    }
    const host = (this.#host ??= this.#newHost())
    const { correlation, ask, askType } = step.cause
    const origin = {
      step: id,
      correlation,
      ...(ask !== undefined && { ask }),
      ...(askType !== undefined && { askType }),
    }
    const differs = (expected: Json, actual: Json) => ({ step: id, cause: this.#causeClass(record), expected, actual })
    try {
      const { made, rejected, status, error } = host.step(input, step.at, origin, step.draws ?? [])
      if (rejected !== undefined) return differs('applied', `rejected: the ${rejected.reason} does not take the event`)
      if (status === 'error') return differs('applied', `error: ${error instanceof Error ? error.message : error}`)
      if (outdated) {
        const recorded = step.made ?? {}
        return namesTheSame(recorded, made) ? undefined : differs(namedIn(recorded), namedIn(made))
      }
      if (!isEqual(step.made ?? {}, made)) return differs(plain(step.made ?? {}), plain(made))
      const { decided } = step
      const value = decided === undefined ? null : host.stateValue()
      if (decided !== undefined && !isEqual(decided.after, value)) return differs(decided.after, value)
    } catch (error) {
      if (!(error instanceof TapeMismatch)) throw error
      return { step: id, cause: 'unrecorded-entropy', expected: step.draws?.length ?? 0, actual: error.message }
    }
    return undefined
  }

  #read({ state, activated }: JournalRecord): void {
    this.#recorded = state?.version ?? activated?.version ?? this.#recorded
  }

  /** An activation by another version carries the state that its upgrade made: the fold goes on from there. */
  takenOver({ steps, state }: JournalRecord): boolean {
    return steps.length === 0 && state !== undefined && this.#seq > 0 && state.version !== this.#recorded
  }

  /** Version of the definition that recorded what was folded last. */
  get recorded(): number {
    return this.#recorded
  }

  /** Whether that went through the definition's upgrades, which has no `upgradeEvent` when they are `needed`. */
  get upgrades(): 'none' | 'needed' | 'done' {
    if (this.#recorded === (this.#def.version ?? 1)) return 'none'
    return this.#def.upgradeEvent === undefined || this.#recorded > (this.#def.version ?? 1) ? 'needed' : 'done'
  }

  #makeAnew(): void {
    const before = this.#host
    this.#host = this.#newHost()
    if (before !== undefined) this.#host.countOn(before.state())
  }

  #causeClass(record: JournalRecord): DivergenceCause {
    return record.logic === this.#logicHash ? 'code-changed' : 'machine-changed'
  }

  #newHost(): LogicHost {
    return new LogicHost({
      address: this.#address,
      logic: this.#def.logic,
      random: () => 0,
      onInput: () => {},
      keepsInput: keepsInput(this.#def),
    })
  }

  state(): ActorState {
    return actorState(this.#host?.state(), this.#settlement, this.#seq, this.#at, this.#def.version ?? 1)
  }

  view(): ReturnType<LogicHost['view']> | undefined {
    return this.#host?.view()
  }

  get seq(): number {
    return this.#seq
  }
  get at(): number {
    return this.#at
  }
  get settlement(): Settlement {
    return this.#settlement
  }
  /** The saved state of the tree, to be given to a live host. */
  hostState(): HostState | undefined {
    return this.#host?.state()
  }
}

export function actorState(
  host: HostState | undefined,
  settlement: Settlement,
  seq: number,
  at: number,
  version: number,
): ActorState {
  return { v: STATE_VERSION, seq, at, version, ...(host !== undefined && { host }), settlement: settlement.state() }
}

export function restoreHost(host: LogicHost, state: HostState): LogicHost {
  host.restore(state)
  return host
}

/** What a value is after it has been stored: undefined fields are gone. */
export function plain(value: object): Json {
  return JSON.parse(JSON.stringify(value))
}

const UNBORN = { status: 'active', value: null, context: null, output: null, tags: [] } as const

/** The root's state as readers see it: what supervision has decided goes before what the machine says. */
export function stateView(
  seen: ReturnType<LogicHost['view']> | undefined,
  life: Life,
  seq: number,
): { readonly [name: string]: Json } {
  return { ...(seen ?? UNBORN), status: statusOf(life, seen?.status ?? 'active'), seq }
}

function statusOf(life: Life, seen: string): string {
  if (life.kind === 'active') return seen
  if (life.kind === 'quarantined') return 'error'
  return life.kind === 'destroyed' ? 'stopped' : life.kind
}
