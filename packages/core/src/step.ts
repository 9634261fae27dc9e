/**
 * The record of what an actor did: one `JournalRecord` per append, holding the steps that were committed together.
 * Everything here is frozen by ADR 0003; a change is a new version with an upgrade function and a golden file of the old one.
 *
 * 1. A record is UTF-8 JSON, so any NATS tool can read an actor's history.
 * 2. `prev` is the hash of the bytes of the record before it on this subject ('' for the first): a chain.
 * 3. The identity of an append is (actor, epoch, seq, writer); `writer` is 128 random bits per activation.
 * 4. `state` is the whole state after the last step, `hash` its hash (`state-hash.ts`). A record without `state` names the record
 *    to fold from: `base`, a journal position.
 * 5. A sealed record keeps its steps, its state and the plain hash in `sealed` (`seal.ts`); its own `hash` is keyed.
 * 6. `kept` says where the log begins by now (`retention.ts`): entries below that position may be gone, no others.
 */
import type { Json } from './codec.ts'
import type { EffectClass } from './effect.ts'
import { LogDamaged, UnsupportedVersion, type WireError } from './errors.ts'
import type { Input, Made } from './input.ts'
import type { HostState } from './logic-host.ts'
import type { SettlementState } from './settlement.ts'
import { type STATE_VERSION, todaysState } from './state-format.ts'
import type { Decision } from './supervision.ts'
import type { Draw } from './tape.ts'

export const RECORD_VERSION = 1
/** The hash of a sealed record. */
export const KEYED_HASH_VERSION = 3

/** `type/key#epoch:seq` */
export type StepId = string

export function stepId(actor: string, epoch: number, seq: number): StepId {
  return `${actor}#${epoch}:${seq}`
}

/** Names one command of one client; see `settlement.ts`. */
export interface CommandId {
  readonly client: string
  readonly n: number
}

export function askIdOf(command: CommandId): string {
  return `${command.client}:${command.n}`
}

/** An ask as it ended: what a repeated ask is told again. */
export type Answer =
  | { readonly ok: true; readonly value: Json; readonly step: StepId }
  | { readonly ok: false; readonly error: WireError; readonly step: StepId }

/**
 * An ask that a step ended, without what the step says already: `reply` is an index into its `made.replies`, `refused` stands for
 * its own `error`; with neither and no `error` the ask wanted no more than the commit.
 */
export interface EndedAsk {
  readonly ask: string
  readonly reply?: number
  readonly refused?: true
  readonly error?: WireError
}

export interface Step {
  /** Gap-free per actor, from 1. */
  readonly seq: number
  /** The one time the step saw, milliseconds since 1970; never less than the step's before. */
  readonly at: number
  readonly input: Input
  readonly cause: {
    /** What directly led to this step: a step id, or a client's command. */
    readonly causation: string
    /** The root of the whole tree of steps. */
    readonly correlation: string
    /** The open ask at the root of this step's own chain. */
    readonly ask?: string
    /** Event type of that ask; it outlives the ask. */
    readonly askType?: string
    readonly sender?: string
    readonly traceparent?: string
    readonly hops?: number
  }
  readonly command?: CommandId & {
    /** All of the client's commands up to this one will never be sent again. */
    readonly settled: number
    readonly wants: 'reply' | 'commit'
    readonly key?: string
    /** When the asker stops waiting, in time of `at`. */
    readonly expires?: number
  }
  readonly mailbox?: { readonly waitedMs: number; readonly depth: number; readonly attempt?: number }
  readonly draws?: readonly Draw[]
  readonly made?: Made
  /** State value of the root before and after, when it changed. */
  readonly decided?: { readonly before: Json; readonly after: Json }
  readonly effect?: {
    readonly id: string
    readonly name: string
    readonly class: EffectClass
    /** 2 when the work may have begun before. */
    readonly attempt?: number
    readonly evidence?: Json
  }
  /** Asks that this step ended; `answersIn` says with what. */
  readonly answers?: readonly EndedAsk[]
  /** Earlier sends, by their count, that the receiver has committed. */
  readonly delivered?: readonly number[]
  /** Position in the mail up to which this actor has consumed it. */
  readonly mailSeq?: number
  /** What holds that mail, when it is another one than before. */
  readonly mailStream?: string
  /** A message that may have ended its process is about to be tried for the n-th time. */
  readonly attempt?: { readonly message: string; readonly n: number }
  readonly outcome: 'applied' | 'rejected' | 'error'
  readonly error?: WireError & { readonly fingerprint?: string }
  readonly supervision?: Decision
  /** Set when the actor ended with this step. */
  readonly ended?: { readonly kind: 'done' | 'stopped'; readonly output?: Json }
}

export interface ActorState {
  readonly v: typeof STATE_VERSION
  readonly seq: number
  readonly at: number
  /** Version of the actor's own state (`defineActor({ version })`). */
  readonly version: number
  readonly host?: HostState
  readonly settlement: SettlementState
}

export interface Activation {
  readonly namespace?: string
  readonly node: string
  readonly pid: number
  readonly at: number
  readonly app: string
  readonly runtime: string
  readonly xstate: string
  readonly nodejs: string
  /** Of the actor's definition; older records name it in their states only. */
  readonly version?: number
}

export interface JournalRecord {
  readonly v: typeof RECORD_VERSION
  readonly actor: string
  readonly epoch: number
  readonly writer: string
  readonly prev: string
  /** Hash of the logic's definition; code that differs may not fold this record. */
  readonly logic: string
  readonly activated?: Activation
  readonly steps: readonly Step[]
  readonly state?: ActorState
  /** Base64 of nonce, sealed text and tag; `steps` is empty then. */
  readonly sealed?: string
  /** 0 when this record carries the state itself. */
  readonly base: number
  readonly kept?: number
  readonly hash: string
  readonly hashVersion: number
  /** Settlement at a glance: what a new owner must take up without being asked. */
  readonly open: { readonly asks: number; readonly effects: number; readonly timers: number; readonly sends: number }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** A record whose state is there as text: it is made once, to be measured, and again to be stored would cost as much again. */
export type DraftRecord = Omit<JournalRecord, 'state'>

/** The bytes of a record; `state` is the JSON text of its state. */
export function encodeRecord({ base, hash, hashVersion, open, ...head }: DraftRecord, state?: string): Uint8Array {
  const tail = JSON.stringify({ base, hash, hashVersion, open }).slice(1)
  const middle = state === undefined ? '' : `,"state":${state}`
  return Buffer.from(`${JSON.stringify(head).slice(0, -1)}${middle},${tail}`)
}

/** @throws UnsupportedVersion for a newer format; LogDamaged for bytes that are no record of `actor`. */
export function decodeRecord(bytes: Uint8Array, actor?: string): JournalRecord {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch (error) {
    throw new LogDamaged(`a journal entry of '${actor ?? 'an actor'}' is not JSON`, { actor }, error)
  }
  const version = typeof value === 'object' && value !== null && 'v' in value ? value.v : undefined
  if (typeof version === 'number' && version > RECORD_VERSION) {
    throw new UnsupportedVersion(
      `journal format ${version} is newer than this runtime's ${RECORD_VERSION}; upgrade the node`,
      {
        version,
      },
    )
  }
  const hashVersion =
    typeof value === 'object' && value !== null && 'hashVersion' in value ? value.hashVersion : undefined
  if (typeof hashVersion === 'number' && hashVersion > KEYED_HASH_VERSION) {
    throw new UnsupportedVersion(
      `state hash ${hashVersion} is newer than this runtime's ${KEYED_HASH_VERSION}; upgrade the node`,
      {
        version: hashVersion,
      },
    )
  }
  if (!isRecord(value) || (actor !== undefined && value.actor !== actor)) {
    throw new LogDamaged(`a journal entry of '${actor ?? 'an actor'}' is not a step record of it`, { actor })
  }
  return ofToday(value)
}

/** The record with its state as it is kept today. */
export function ofToday(record: JournalRecord): JournalRecord {
  return record.state === undefined ? record : { ...record, state: todaysState(record.state) }
}

/** The store checks nothing, so the identity fields are checked here; the rest is guarded by `hash` and `prev`. */
export function isRecord(value: unknown): value is JournalRecord {
  if (typeof value !== 'object' || value === null) return false
  const has = (name: string, type: string) => typeof Reflect.get(value, name) === type
  const texts = ['actor', 'writer', 'prev', 'logic', 'hash'].every((name) => has(name, 'string'))
  return (
    Reflect.get(value, 'v') === RECORD_VERSION &&
    texts &&
    has('epoch', 'number') &&
    has('base', 'number') &&
    Array.isArray(Reflect.get(value, 'steps'))
  )
}

export interface EndedWith {
  readonly ask: string
  readonly answer: Answer
}

const NONE: readonly EndedWith[] = []

/** How the asks that a step ended were answered. */
export function answersIn(step: Step, id: StepId): readonly EndedWith[] {
  if (step.answers === undefined) return NONE
  return step.answers.map(({ ask, reply, refused, error }) => {
    const failure = refused === true ? step.error : error
    if (failure !== undefined) return { ask, answer: { ok: false, error: failure, step: id } }
    const value = reply === undefined ? null : (step.made?.replies?.[reply]?.value ?? null)
    return { ask, answer: { ok: true, value, step: id } }
  })
}
