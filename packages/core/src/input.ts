/**
 * What goes into a step of an actor tree and what comes out of it, as data. The words that the host of the tree, the turn and the
 * journal share.
 */
import type { Json } from './codec.ts'
import type { EffectClass } from './effect.ts'
import type { Order } from './supervision.ts'
import type { Draw } from './tape.ts'
import type { ReplyIntent } from './xstate-inside.ts'

/** Where something began: the step that made it, and the ask at the root of that step's chain of causes. */
export interface Origin {
  readonly step: string
  readonly correlation: string
  readonly ask?: string
  /** Event type of that ask. */
  readonly askType?: string
}

/** `path`: place in the tree, '' is the root. Events are encoded data. */
export type Input =
  | { readonly kind: 'init'; readonly event: Json }
  | { readonly kind: 'message'; readonly path: string; readonly from?: string; readonly event: Json }
  | { readonly kind: 'timer'; readonly timer: number }
  | { readonly kind: 'effect.started'; readonly from: string }
  | {
      readonly kind: 'effect.done' | 'effect.error' | 'effect.event'
      readonly from: string
      readonly path: string
      readonly event: Json
      readonly evidence?: Json
    }
  | { readonly kind: 'action.error'; readonly path: string; readonly event: Json }
  /** Nothing for the tree: earlier sends are over. */
  | { readonly kind: 'settled' }
  /** What a person has ordered. With `init` a new tree takes the place of the old one; `blank`: of one that could not be read. */
  | {
      readonly kind: 'operator'
      readonly order: Order['kind']
      readonly reason?: string
      readonly init?: Json
      readonly blank?: true
    }
  /** What supervision does to the tree: children made anew in place and stopped, by path. `init` as above. */
  | {
      readonly kind: 'directive'
      readonly reset?: readonly string[]
      readonly stop?: readonly string[]
      readonly init?: Json
    }

/** What a step made; derived from its input, recorded to be read and to be compared when the step is folded again. */
export interface Made {
  children?: { path: string; id: string; src: string; effect?: { name?: string; class: EffectClass } }[]
  stopped?: string[]
  timers?: { n: number; path: string; event: Json; due: number }[]
  cancelled?: number[]
  intents?: { kind: IntentKind; path: string; type?: string; data?: Json }[]
  replies?: { type: string; value: Json; to: ReplyIntent['to'] }[]
  sends?: { to: string; event: Json }[]
}

export type IntentKind = 'action' | 'emit' | 'log' | 'start' | 'receive' | 'dispose'

/** Something to do after the commit, in order. */
export interface Intent {
  readonly kind: IntentKind
  readonly path: string
  readonly origin: Origin
  readonly run: () => void
}

export interface Outcome {
  readonly status: 'active' | 'done' | 'error' | 'stopped'
  readonly error?: unknown
  /** The child whose failure nobody handled on its way to the root. */
  readonly failed?: string
  /** The addressed machine had no transition for the message. */
  readonly rejected?: { readonly reason: 'state' | 'guard'; readonly accepts: readonly string[] }
  readonly draws: readonly Draw[]
  readonly made: Made
  readonly intents: readonly Intent[]
}

/** Notes something that a step has made. */
export function add<K extends keyof Made>(made: Made, what: K, item: NonNullable<Made[K]>[number]): void {
  const list: unknown[] = (made[what] ??= [])
  list.push(item)
}
