/**
 * Optuna's samplers for studies (`@troupe/actors`): the function `optuna.ask` of `troupe_worker.optuna`.
 *
 * 1. The answer depends on the question alone; a repeated or replayed question gives the same parameters.
 */
import type { Sampler, SamplerAnswer, SamplerQuestion } from '@troupe/actors'
import { z } from 'zod'
import { pythonFunction } from './function.ts'

export interface OptunaOptions {
  /** Its app includes `troupe_worker.optuna.app`. */
  readonly pool: { readonly name: string }
  /** Instead of the study's own. */
  readonly seed?: number
  /** Random trials before the sampler learns. @defaultValue 10 */
  readonly startup?: number
}

const answer = z
  .object({ params: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])) })
  .transform((asked): SamplerAnswer => asked)

const sampler = (name: 'tpe' | 'random', { pool, seed, startup }: OptunaOptions): Sampler => ({
  name: `optuna.${name}`,
  ask: pythonFunction(pool.name, 'optuna.ask', {
    // The question is made by a study, and checked against its type hints by the worker.
    input: z.custom<SamplerQuestion>().transform((question) => ({
      ...question,
      ...(seed !== undefined && { seed }),
      ...(startup !== undefined && { startup }),
      sampler: name,
    })),
    output: answer,
  }),
})

export const optuna = {
  /** Tree-structured Parzen estimator: learns from the trials which parameters to try. */
  tpe: (options: OptunaOptions): Sampler => sampler('tpe', options),
  random: (options: Omit<OptunaOptions, 'startup'>): Sampler => sampler('random', options),
} as const
