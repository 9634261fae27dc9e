/** A group: the steps that one append commits, and what they will release once it has. */
import type { Burial } from './dead-letter.ts'
import type { Intent } from './input.ts'
import type { Step } from './step.ts'
import type { Revive } from './step-maker.ts'
import type { TreeFate } from './supervision.ts'

/** A group is closed when it has so many messages, bytes or milliseconds. */
export const GROUP = { messages: 256, bytes: 256 * 1024, ms: 10 } as const

export interface Group {
  readonly steps: Step[]
  readonly releases: (() => void)[]
  readonly intents: Intent[]
  /** Letters to be buried once the steps that refuse them are committed. */
  readonly dead: Burial[]
  sizeBytes: number
  /** Append even without steps: a fenced read. */
  forced: boolean
  pauseMs?: number
  /** A part of the tree has failed: what begins again later. */
  revive?: Revive
  /** Another tree from this intent on. */
  replaced?: { readonly fate: TreeFate; readonly from: number }
}

export function newGroup(): Group {
  return { steps: [], releases: [], intents: [], dead: [], sizeBytes: 0, forced: false }
}

/** A failure, a new tree and a dead letter end their group: what comes after them must find them committed, and the letter buried. */
export function takesMore({ steps, dead, sizeBytes, pauseMs, revive, replaced }: Group): boolean {
  const undisturbed = dead.length === 0 && pauseMs === undefined && revive === undefined && replaced === undefined
  return undisturbed && steps.length < GROUP.messages && sizeBytes < GROUP.bytes
}
