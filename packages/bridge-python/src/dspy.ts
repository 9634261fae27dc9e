/**
 * A DSPy program in the workers of a pool: the functions `<name>.run`, `<name>.variables` and `<name>.evaluate` that
 * `troupe_worker.dspy.program` registers.
 *
 * 1. A program is a name and an assignment of its variables, never state in a worker.
 * 2. A program and its caller have the same signature, or no call is made: every call carries the hash.
 * 3. Its model calls come back to the nodes over the bus; a repeated run asks under the same ids.
 */
import type { AnySchema, Effect, In, Out } from '@troupe/core'
import { z } from 'zod'
import { derived, withMember } from './derived-schema.ts'
import { type FunctionOptions, pythonFunction, TIMEOUT_MS } from './function.ts'

const EVALUATE_MS = 600_000

const assignment = z.record(z.string(), z.unknown())
export type DspyAssignment = z.output<typeof assignment>

const variable = z.object({
  name: z.string(),
  kind: z.enum(['float', 'int', 'choice', 'text', 'demos', 'module']),
  /** Present or default value. */
  value: z.unknown(),
  choices: z.array(z.unknown()).optional(),
  low: z.number().optional(),
  high: z.number().optional(),
})
export type DspyVariable = z.output<typeof variable>

const evaluation = z.object({
  /** Mean over the rows. */
  score: z.number(),
  correct: z.number(),
  total: z.number(),
  usage: z.object({ calls: z.number(), promptTokens: z.number(), completionTokens: z.number() }),
  /** When `detail` was asked for. */
  rows: z
    .array(
      z.object({
        index: z.number(),
        correct: z.boolean(),
        score: z.number(),
        output: z.record(z.string(), z.unknown()).nullable(),
        error: z.string().optional(),
      }),
    )
    .optional(),
})
export type DspyEvaluation = z.output<typeof evaluation>

const evaluationInput = z.object({
  rows: z.array(z.record(z.string(), z.unknown())).min(1),
  /** A metric that the app registered. */
  metric: z.string(),
  assignment: assignment.optional(),
  threads: z.int().min(1).max(32).optional(),
  detail: z.boolean().optional(),
})
export type DspyEvaluationInput = z.input<typeof evaluationInput>

/** A signature of `@troupe/signatures` is these options. */
export interface DspyOptions<I extends AnySchema, O extends AnySchema> {
  /** Of the program's inputs and outputs: records. */
  readonly input: I
  readonly output: O
  /** Of the signature: a worker whose program has another one refuses the call with `SignatureDrift`. */
  readonly hash?: string
  /** @defaultValue run and variables 60_000, evaluate 600_000 */
  readonly timeoutMs?: number
}

export interface DspyProgram<I, O> {
  readonly run: Effect<{ readonly inputs: I; readonly assignment?: DspyAssignment | undefined }, O>
  /** What can be assigned. */
  variables(): Effect<Record<string, never>, DspyVariable[]>
  readonly evaluate: Effect<DspyEvaluationInput, DspyEvaluation>
}

export function dspyProgram<I extends AnySchema, O extends AnySchema>(
  pool: string,
  name: string,
  { input, output, hash, timeoutMs }: DspyOptions<I, O>,
): DspyProgram<In<I>, Out<O>> {
  const make = <A extends AnySchema, R extends AnySchema>(verb: string, options: FunctionOptions<A, R>) =>
    pythonFunction(pool, `${name}.${verb}`, options)
  const signed = <T extends object>(args: T) => (hash === undefined ? args : { ...args, signature: hash })
  const variables = make('variables', {
    input: z.object({}),
    output: z.array(variable),
    timeoutMs: timeoutMs ?? TIMEOUT_MS,
  })
  return {
    run: make('run', {
      input: derived(withMember(z.object({ assignment: assignment.optional() }), 'inputs', input), signed),
      output,
      timeoutMs: timeoutMs ?? TIMEOUT_MS,
    }),
    variables: () => variables,
    evaluate: make('evaluate', {
      input: derived(evaluationInput, signed),
      output: evaluation,
      timeoutMs: timeoutMs ?? EVALUATE_MS,
    }),
  }
}
