/**
 * What becomes of an actor whose step failed: a pure decision from its spec and its history.
 *
 * 1. Unlike in OTP a restart keeps the last committed state: the failed message is consumed, effects begin again.
 * 2. More than `intensity` failures within `periodMs` end in quarantine; nothing above the actor is taken down.
 */
import type { SupervisionSpec } from './actor.ts'

export type Directive =
  | { readonly kind: 'restart'; readonly inMs: number; readonly failures: number }
  | { readonly kind: 'stop'; readonly failures: number }
  | { readonly kind: 'quarantine'; readonly failures: number }

/** What a person may order; recorded as a step of its own. */
export interface Order {
  readonly kind: (typeof ORDERS)[number]
  readonly reason?: string
}
export const ORDERS = ['start', 'reset', 'destroy'] as const

/** `same`: untouched; `kept`: begun again from its last committed state; `new`: initialised; `none`: gone. */
export type TreeFate = 'same' | 'kept' | 'new' | 'none'

/**
 * What an order does to the tree: a tombstone leaves none, a reset makes a new one, a start brings an ended actor back, from its
 * last committed state if that can go on.
 * @param status of the tree's root; undefined while there is no tree
 */
export function fateOfTree(order: Order['kind'], life: string, status: string | undefined): TreeFate {
  if (order === 'destroy') return 'none'
  if (order === 'reset' || status !== 'active') return 'new'
  return life === 'active' ? 'same' : 'kept'
}

/** @param history times of earlier failures; @param random uniform in [0, 1), for the jitter of the pause */
export function directive(spec: SupervisionSpec, history: readonly number[], now: number, random: number): Directive {
  const { restart = 'permanent', intensity = 3, periodMs = 5_000, backoffMs: [first, longest] = [100, 30_000] } = spec
  const failures = history.filter((at) => at > now - periodMs).length + 1
  if (restart === 'temporary') return { kind: 'stop', failures }
  if (failures > intensity) return { kind: 'quarantine', failures }
  const pause = Math.min(longest, first * 2 ** (failures - 1))
  return { kind: 'restart', inMs: Math.round(pause * (0.5 + random / 2)), failures }
}
