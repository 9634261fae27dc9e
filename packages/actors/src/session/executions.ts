/**
 * What a session knows of its work. Pure: the time is given.
 *
 * 1. Kept are the last 50 executions; the metrics count all of them.
 */
import type { Execution, SessionMetrics, SessionStatus } from './session-protocol.ts'

export interface SessionState {
  readonly id: string
  /** Executions begun so far; names the next one. */
  readonly begun: number
  readonly running: { readonly [id: string]: { readonly job: string; readonly startedAt: number } }
  readonly history: readonly Execution[]
  readonly metrics: SessionMetrics
  readonly optimisation: { readonly [name: string]: unknown }
  readonly workerAffinity: string | null
}

export const KEPT_EXECUTIONS = 50

export function newSession(id: string): SessionState {
  const metrics = { ok: 0, failed: 0, totalMs: 0, longestMs: 0 }
  return { id, begun: 0, running: {}, history: [], metrics, optimisation: {}, workerAffinity: null }
}

export function nextId({ begun }: SessionState): string {
  return `job-${begun + 1}`
}

export function begin(state: SessionState, job: string, now: number): SessionState {
  return {
    ...state,
    begun: state.begun + 1,
    running: { ...state.running, [nextId(state)]: { job, startedAt: now } },
  }
}

/** Undefined: no such execution runs. */
export function executionOf(state: SessionState, id: string, ok: boolean, now: number): Execution | undefined {
  const run = state.running[id]
  return run && { ...run, ms: now - run.startedAt, ok }
}

export function end(state: SessionState, id: string, execution: Execution): SessionState {
  const { [id]: _, ...running } = state.running
  const { ok, ms } = execution
  const { metrics } = state
  return {
    ...state,
    running,
    history: [...state.history, execution].slice(-KEPT_EXECUTIONS),
    metrics: {
      ok: metrics.ok + (ok ? 1 : 0),
      failed: metrics.failed + (ok ? 0 : 1),
      totalMs: metrics.totalMs + ms,
      longestMs: Math.max(metrics.longestMs, ms),
    },
  }
}

export function statusOf(state: SessionState): SessionStatus {
  const { id, history, metrics, optimisation, workerAffinity } = state
  const running = Object.values(state.running)
  return {
    id,
    state: running.length === 0 ? 'idle' : 'busy',
    running,
    history,
    metrics,
    optimisation,
    ...(workerAffinity !== null && { workerAffinity }),
  }
}
