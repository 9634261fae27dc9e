/**
 * What the pool needs of a worker process, as an XState callback logic: held while a worker should live, opened again by
 * whichever node takes the pool up.
 *
 * 1. A worker tells `started` once, `ready` at most once, and its end (`exited` or `lost`) exactly once, in this order; only
 *    changes are told, never heartbeats.
 * 2. When its end is told, the process is gone or is being killed. Releasing the logic ends the process too.
 * 3. Every opening is a new process under a new name.
 */
import type { CallbackActorLogic } from 'xstate'

export interface WorkerInput {
  readonly pool: string
  /** The place in the pool that the worker fills. */
  readonly slot: string
}

/** `at`: wall clock, milliseconds. */
export type WorkerEvent =
  | { readonly type: 'worker.started'; readonly name: string; readonly pid: number; readonly at: number }
  | { readonly type: 'worker.ready'; readonly at: number }
  | WorkerEnd

export interface WorkerEnd {
  /** `exited`: by itself, or killed from outside; `lost`: it no longer showed signs of life. */
  readonly type: 'worker.exited' | 'worker.lost'
  readonly at: number
  readonly reason: string
  /** Its last lines of output. */
  readonly output: readonly string[]
}

/** Finish what runs, then exit. */
export interface WorkerStop {
  readonly type: 'worker.stop'
}

export type WorkerLogic = CallbackActorLogic<WorkerStop, WorkerInput>
