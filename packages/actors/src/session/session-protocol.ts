/**
 * What may be said to a session: run one of its jobs, look at it, and note what belongs to it.
 *
 * 1. A job's failure is an answer: the session itself has not failed.
 */
import { protocol } from '@troupe/core'
import { z } from 'zod'

const execution = z.object({
  job: z.string(),
  /** Milliseconds since 1970. */
  startedAt: z.number(),
  ms: z.number(),
  ok: z.boolean(),
})

const metrics = z.object({
  ok: z.int(),
  failed: z.int(),
  totalMs: z.number(),
  longestMs: z.number(),
})

const outcome = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), output: z.unknown() }),
  z.object({ ok: z.literal(false), error: z.object({ code: z.string(), message: z.string() }) }),
])

const status = z.object({
  id: z.string(),
  state: z.enum(['idle', 'busy']),
  running: z.array(z.object({ job: z.string(), startedAt: z.number() })),
  /** The last executions, oldest first. */
  history: z.array(execution).readonly(),
  metrics,
  optimisation: z.record(z.string(), z.unknown()).readonly(),
  workerAffinity: z.string().optional(),
})

export type Execution = z.infer<typeof execution>
export type SessionMetrics = z.infer<typeof metrics>
export type SessionStatus = z.infer<typeof status>
export type JobOutcome = z.infer<typeof outcome>

/** @param jobs names of the jobs that a session can run */
export function sessionProtocol(jobs: readonly string[]) {
  return protocol('session', {
    events: {
      run: z.object({ job: z.enum(jobs), input: z.unknown() }),
      status: z.object({}),
      /** Adds to the optimisation state; a worker to prefer, null for none. */
      note: z.object({
        optimisation: z.record(z.string(), z.unknown()).optional(),
        workerAffinity: z.string().nullable().optional(),
      }),
    },
    replies: { run: outcome, status },
    emits: { executed: execution },
  })
}
