/**
 * What may be said to a study.
 *
 * 1. `run` is answered when all its trials are told; it stays open over crashes. `trials` counts from the study's first
 *    trial, so the same `run` again asks for nothing new and a larger one continues.
 * 2. Answers are part of the log and, until their asker has settled them, of the state: they are summaries. The trials
 *    themselves are read from the snapshot, which writes nothing.
 */
import { protocol } from '@troupe/core'
import { z } from 'zod'

export const paramsSchema = z.record(z.string(), z.union([z.number(), z.boolean(), z.string()]))

const best = z.object({ number: z.int(), params: paramsSchema, value: z.number() })

const summary = z.object({
  state: z.enum(['idle', 'running']),
  target: z.int(),
  asked: z.int(),
  told: z.int(),
  failed: z.int(),
  running: z.array(z.int()).readonly(),
  best: best.optional(),
})

/** @param name of the study; its actors are `study-<name>/<key>` */
export function studyProtocol<const Name extends string>(name: Name) {
  return protocol(`study-${name}`, {
    events: {
      run: z.object({ trials: z.int().min(1).max(1_000), parallel: z.int().min(1).max(64).default(1) }),
      status: z.object({}),
    },
    replies: { run: summary, status: summary },
    emits: {
      trial: z.object({
        number: z.int(),
        params: paramsSchema,
        state: z.enum(['running', 'complete', 'failed']),
        value: z.number().optional(),
        reason: z.string().optional(),
      }),
      best,
    },
  })
}
