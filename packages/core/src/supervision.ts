/**
 * What becomes of an actor, or of a part of its tree, whose step failed: a pure decision from the spec, the failure and the
 * history. What is decided here is recorded as it is (`Step.supervision`), together with what follows from it.
 *
 * 1. XState first: a failure that some parent handles is none. What reaches the root is answered here, for the child in which
 *    it began, or for the root.
 * 2. Unlike in OTP a restart keeps the last committed state: the failed message is consumed, effects begin again. `reset` makes
 *    the state anew; `resume` only goes on.
 * 3. More than `intensity` failures of children within `periodMs` escalate to the root, more of the root end in quarantine;
 *    nothing above the actor is taken down.
 * 4. A failure touches siblings by `strategy`, in the order of their birth. A temporary child that fails ends alone.
 */
import type { ChildSpec, SupervisionSpec } from './actor.ts'

/** A child of the tree as the last committed state has it. */
export interface Child {
  readonly path: string
  readonly src: string
  /** Work outside the machine: it has no state but its input, so it can only begin again. */
  readonly effect: boolean
}

export interface Failure {
  readonly at: number
  /** Where it began, and what has the same parent, oldest first; absent when the root itself failed. */
  readonly child?: Child
  readonly siblings?: readonly Child[]
}

/** Times of earlier failures. */
export interface History {
  readonly failures: readonly number[]
  readonly childFailures: readonly number[]
}

export interface Decision {
  readonly directive: 'resume' | 'restart' | 'reset' | 'stop' | 'quarantine'
  /** Failures inside the period, this one included: of the root, or of all children when a child is answered. */
  readonly failures: number
  /** How long what begins again rests before. */
  readonly inMs?: number
  /** Where the failure began, and which paths it touches. */
  readonly child?: {
    readonly path: string
    readonly src: string
    readonly restart?: readonly string[]
    readonly reset?: readonly string[]
    readonly stop?: readonly string[]
  }
  /** The children have failed too often: the root answers. */
  readonly escalated?: true
}

/** @param random uniform in [0, 1), for the jitter of the pause */
export function decide(spec: SupervisionSpec, failure: Failure, history: History, random: number): Decision {
  const { child, at } = failure
  if (child === undefined) return decideRoot(spec, failure, history, random)
  const { path, src } = child
  const { intensity = 3, strategy = 'one_for_one' } = spec
  const own = specOf(spec, child)
  const failures = within(spec, history.childFailures, at) + 1
  if (own.restart === 'temporary') return { directive: 'stop', failures, child: { path, src, stop: [path] } }
  if (failures > intensity) {
    return { ...decideRoot(spec, failure, history, random), child: { path, src }, escalated: true }
  }
  const directive = own.by === 'reset' && child.effect ? 'restart' : own.by
  if (directive === 'resume' && !child.effect) return { directive, failures, child: { path, src } }
  const all = touched(strategy, child, failure.siblings ?? [child])
  const answered = (kind: 'restart' | 'reset' | 'stop') => {
    const paths = all.filter((one) => answerOf(spec, one) === kind).map((one) => one.path)
    return paths.length > 0 ? { [kind]: paths } : {}
  }
  const shutdownMs = Math.max(0, ...all.map((one) => specOf(spec, one).shutdownMs ?? 0))
  const inMs = Math.max(shutdownMs, pause(spec, failures, random))
  const paths = { ...answered('restart'), ...answered('reset'), ...answered('stop') }
  return { directive: directive === 'resume' ? 'restart' : directive, failures, inMs, child: { path, src, ...paths } }
}

function decideRoot(spec: SupervisionSpec, { at }: Failure, { failures: earlier }: History, random: number): Decision {
  const { restart = 'permanent', intensity = 3, by = 'restart' } = spec
  const failures = within(spec, earlier, at) + 1
  if (restart === 'temporary') return { directive: 'stop', failures }
  if (failures > intensity) return { directive: 'quarantine', failures }
  return { directive: by, failures, inMs: pause(spec, failures, random) }
}

function within({ periodMs = 5_000 }: SupervisionSpec, times: readonly number[], at: number): number {
  return times.filter((time) => time > at - periodMs).length
}

function pause({ backoffMs: [first, longest] = [100, 30_000] }: SupervisionSpec, failures: number, random: number) {
  return Math.round(Math.min(longest, first * 2 ** (failures - 1)) * (0.5 + random / 2))
}

function specOf(spec: SupervisionSpec, { src }: Child): ChildSpec & Required<Pick<ChildSpec, 'restart' | 'by'>> {
  const own = spec.children !== undefined && Object.hasOwn(spec.children, src) ? spec.children[src] : undefined
  return { restart: 'transient', by: 'restart', ...own }
}

function touched(strategy: NonNullable<SupervisionSpec['strategy']>, child: Child, siblings: readonly Child[]) {
  if (strategy === 'one_for_one') return [child]
  const from = siblings.findIndex(({ path }) => path === child.path)
  return strategy === 'one_for_all' || from < 0 ? siblings : siblings.slice(from)
}

function answerOf(spec: SupervisionSpec, child: Child): 'restart' | 'reset' | 'stop' {
  const { restart, by } = specOf(spec, child)
  if (restart === 'temporary') return 'stop'
  return by === 'reset' && !child.effect ? 'reset' : 'restart'
}

/** Children that may be made anew: their input is kept in the state. */
export function keepsInput({ supervision }: { readonly supervision?: SupervisionSpec }): (src: string) => boolean {
  const kept = new Set(
    Object.entries(supervision?.children ?? {}).flatMap(([src, { by }]) => (by === 'reset' ? [src] : [])),
  )
  return (src) => kept.has(src)
}

// ── Orders of a person ──────────────────────────────────────────────────────────────────────────────────────────────

/** What a person may order; recorded as a step of its own. */
export interface Order {
  readonly kind: (typeof ORDERS)[number]
  readonly reason?: string
  /** With `destroy`: the key of its log is destroyed as well. */
  readonly erase?: true
}
export const ORDERS = ['start', 'restart', 'reset', 'destroy'] as const

/** `same`: untouched; `kept`: begun again from its last committed state; `new`: initialised; `none`: gone. */
export type TreeFate = 'same' | 'kept' | 'new' | 'none'

/**
 * What an order does to the tree: a tombstone leaves none, a reset makes a new one, a start brings an ended actor back, from its
 * last committed state if that can go on; a restart does so with one that has not ended as well.
 * @param status of the tree's root; undefined while there is no tree
 */
export function fateOfTree(order: Order['kind'], life: string, status: string | undefined): TreeFate {
  if (order === 'destroy') return 'none'
  if (order === 'reset' || status !== 'active') return 'new'
  return life === 'active' && order === 'start' ? 'same' : 'kept'
}
