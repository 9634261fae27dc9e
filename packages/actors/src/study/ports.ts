/**
 * What a study needs from outside: a sampler that proposes parameters, an objective that judges them. Both are effects, so
 * they may be TypeScript, a Python function, another actor's reply.
 *
 * 1. A question holds all that its answer may depend on. A sampler that keeps to it is a pure function of the study's log:
 *    asked again after a crash, or in a replay, it gives the same parameters.
 * 2. `op` names the asked trial, `<study>/<key>:<number>`; chance is drawn from (`seed`, `op`) alone.
 * 3. Field names are those of the Python function `optuna.ask`.
 */
import type { Effect } from '@troupe/core'
import type { Assignment, Params, WireSpace } from '../domain.ts'

export type Direction = 'maximize' | 'minimize'
export type TrialState = 'running' | 'complete' | 'failed'

/** One trial as a sampler sees it: a value when complete, none otherwise; no parameters when none could be asked. */
export interface SamplerTrial {
  readonly number: number
  readonly params: Assignment
  readonly state: TrialState
  readonly value?: number
}

export interface SamplerQuestion {
  readonly study: string
  readonly seed: number
  readonly direction: Direction
  readonly space: WireSpace
  /** All earlier trials in the order of their numbers. */
  readonly trials: readonly SamplerTrial[]
  readonly op: string
}

export interface SamplerAnswer {
  readonly params: Assignment
}

export interface Sampler {
  /** Shown in status and logs. */
  readonly name: string
  /** `read` or `idempotent`: it runs again after a crash. */
  readonly ask: Effect<SamplerQuestion, SamplerAnswer>
}

/** What an objective is given. `S` is the type of the space: `ObjectiveInput<typeof space>`. */
export interface ObjectiveInput<S> {
  /** `<study>/<key>` */
  readonly study: string
  readonly trial: { readonly number: number; readonly params: Params<S> }
}

export interface Outcome {
  readonly value: number
  /** Plain data that belongs to the trial: it is in the log, not in the study's state. */
  readonly detail?: unknown
}
