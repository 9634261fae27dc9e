/** What one resident actor needs of the node that hosts it. */
import type { AnyActorDef } from './actor.ts'
import type { Address } from './address.ts'
import type { ShardProgress } from './checkpoint.ts'
import type { Json } from './codec.ts'
import type { DeadLetter } from './dead-letter.ts'
import type { TroupeError } from './errors.ts'
import type { Observer } from './observer.ts'
import type { Clock, Entropy, Journal, Mail } from './ports.ts'
import type { LogTrim } from './retention.ts'
import type { EffectRuntime } from './runtime.ts'
import type { TreeSeal } from './seal.ts'
import type { OpenSend } from './settlement.ts'
import type { Activation } from './step.ts'

/** To get mail. */
export interface ResidentMail {
  readonly mail: Mail
  readonly subject: string
  /** A committed step has consumed the mail up to this position. */
  readonly onConsumed: (position: number) => void
  /** False when this node stopped before the letter was stored. */
  readonly bury: (letter: DeadLetter, id: string) => Promise<boolean>
}

export interface ResidentOptions {
  readonly address: Address
  readonly def: AnyActorDef
  readonly logicHash: string
  readonly epoch: number
  readonly subject: string
  readonly activation: Activation
  readonly journal: Journal
  readonly clock: Clock
  readonly entropy: Entropy
  readonly runtime: EffectRuntime
  readonly onEmit: (event: Json, step: string) => void
  /** Posts one send. True when it is stored or can never be, false when this node stopped first. */
  readonly onSend: (send: OpenSend) => Promise<boolean>
  readonly mail?: ResidentMail
  /** What was open is taken up. */
  readonly onActive?: () => void
  /** For a type with a retention. */
  readonly trim?: LogTrim
  /** Seals and opens the records of an encrypted tree. */
  readonly seal?: TreeSeal
  /** Of its shard: learns what is written, and whether something stays open. */
  readonly progress?: ShardProgress
  /** How large the state is that was written last, as text. */
  readonly onStateSize?: (sizeBytes: number) => void
  /** The nodes that announce this logic for the actor's type. */
  readonly servedBy?: (logic: string) => readonly string[]
  readonly observer?: Observer
  /** What a group has released is on its way. */
  readonly onRelease?: () => void
  readonly onLog: (text: string, data: object) => void
  /** This incarnation is over; the node forgets it. `fenced`: another writer has the actor. */
  readonly onLost: (why: TroupeError, fenced: boolean) => void
}
