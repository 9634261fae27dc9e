/** What may be said to a pool: one actor `pool-<name>/main` per pool. */
import { protocol } from '@troupe/core'
import { z } from 'zod'

const worker = z.object({
  /** The place in the pool; stays over replacements. */
  slot: z.string(),
  /** `''` until the first process runs. */
  name: z.string(),
  state: z.enum(['starting', 'ready', 'waiting', 'stopping', 'failed']),
  pid: z.number().optional(),
  restarts: z.number(),
  /** Wall clock of the last change, milliseconds; 0 before the first. */
  since: z.number(),
  /** Why the last worker here ended, and its last lines. */
  reason: z.string().optional(),
  output: z.array(z.string()).optional(),
})

const trouble = { reason: z.string().optional(), output: z.array(z.string()).optional() }

/** `degraded`: some workers run, others could not be started. */
const outcome = z.object({
  state: z.enum(['ready', 'degraded', 'failed', 'stopped']),
  size: z.number(),
  ready: z.number(),
  ...trouble,
})

const status = z.object({
  state: z.enum(['idle', 'running', 'failed', 'stopping', 'stopped']),
  size: z.number(),
  workers: z.array(worker),
  ...trouble,
})

export type WorkerStatus = z.output<typeof worker>
export type PoolOutcome = z.output<typeof outcome>
export type PoolStatus = z.output<typeof status>

export const POOL_KEY = 'main'

// The return type is what the schemas below say; writing it out would say it twice.
export function poolProtocol(name: string) {
  return protocol(`pool-${name}`, {
    events: {
      /** Also after a failure or a stop. Answered when every worker is ready or has failed for good. */
      start: z.object({ size: z.int().min(1).optional() }),
      /** What callers without a worker ask: starts a pool that never ran; answered when one worker is ready or none will be. */
      ensure: z.object({}),
      scale: z.object({ size: z.int().min(0) }),
      status: z.object({}),
      /** Lets the workers finish what runs; answered when all have ended. */
      stop: z.object({}),
    },
    replies: { start: outcome, ensure: outcome, status, stop: z.object({}) },
  })
}

export type PoolProtocol = ReturnType<typeof poolProtocol>
