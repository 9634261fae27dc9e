/**
 * One trial: asks the sampler, evaluates the objective, tells its study.
 *
 * 1. The question was computed by the study in the step that began the trial; an attempt, a restart and a takeover all ask
 *    the same one.
 * 2. A trial tells its parameters once and its end once.
 * 3. A failure is tried again up to `attempts` times for the question and for the evaluation each, except when nobody knows
 *    whether a write happened: then it is told as failed at once.
 */
import { type Effect, invariant } from '@troupe/core'
import { assign, sendParent, setup } from 'xstate'
import type { Assignment } from '../domain.ts'
import { machineTypes } from '../machine-types.ts'
import type { Outcome, SamplerAnswer, SamplerQuestion } from './ports.ts'

export interface TrialParts<P, O extends Outcome> {
  readonly ask: Effect<SamplerQuestion, SamplerAnswer>
  readonly objective: Effect<
    { readonly study: string; readonly trial: { readonly number: number; readonly params: P } },
    O
  >
  readonly fits: (params: unknown) => params is P
  readonly misfit: (params: unknown) => string | undefined
  readonly attempts: number
  readonly pauseMs: number
}

export interface TrialInput {
  readonly study: string
  readonly number: number
  readonly question: SamplerQuestion
}

/** What a trial says to its study. */
export type TrialEvent =
  | { readonly type: 'trial.asked'; readonly number: number; readonly params: Assignment }
  | { readonly type: 'trial.complete'; readonly number: number; readonly value: number }
  | { readonly type: 'trial.failed'; readonly number: number; readonly reason: string }

export interface TrialContext extends TrialInput {
  readonly params?: Assignment
  /** Failures of the effect that runs now. */
  readonly failures: number
  readonly reason: string
}

export interface Failure {
  readonly error: unknown
}

export function trialMachine<P, O extends Outcome>(parts: TrialParts<P, O>) {
  const { ask, objective, fits, misfit, attempts, pauseMs } = parts
  return setup({
    types: machineTypes<TrialContext, TrialInput>(),
    actors: { ask, objective },
    delays: { pause: ({ context }) => pauseMs * 2 ** (context.failures - 1) },
    guards: {
      mayRetry: ({ context }, { error }: Failure) => context.failures + 1 < attempts && !isUnknownWrite(error),
      fits: (_, params: Assignment) => fits(params),
    },
    actions: {
      noteFailure: assign({
        failures: ({ context }) => context.failures + 1,
        reason: (_, { error }: Failure) => (error instanceof Error ? error.message : String(error)),
      }),
      // The earlier trials are a large part of the state and are never asked about again.
      forgetQuestion: assign({ question: ({ context }) => ({ ...context.question, trials: [] }), failures: 0 }),
    },
  }).createMachine({
    id: 'trial',
    context: ({ input }) => ({ ...input, failures: 0, reason: '' }),
    initial: 'asking',
    states: {
      asking: {
        invoke: {
          src: 'ask',
          input: ({ context }) => context.question,
          onDone: [
            {
              guard: { type: 'fits', params: ({ event }) => event.output.params },
              target: 'evaluating',
              actions: [
                assign({ params: ({ event }) => event.output.params }),
                'forgetQuestion',
                sendParent(({ context, event }) => ({
                  type: 'trial.asked',
                  number: context.number,
                  params: event.output.params,
                })),
              ],
            },
            {
              target: 'failed',
              actions: assign({
                reason: ({ event }) => `the sampler's answer is outside of the space: ${misfit(event.output.params)}`,
              }),
            },
          ],
          onError: [
            {
              guard: { type: 'mayRetry', params: ({ event }) => ({ error: event.error }) },
              target: 'beforeAsking',
              actions: { type: 'noteFailure', params: ({ event }) => ({ error: event.error }) },
            },
            { target: 'failed', actions: { type: 'noteFailure', params: ({ event }) => ({ error: event.error }) } },
          ],
        },
      },
      beforeAsking: { after: { pause: 'asking' } },
      evaluating: {
        invoke: {
          src: 'objective',
          input: ({ context }) => {
            const { study, number, params } = context
            invariant(fits(params), 'a trial evaluates parameters of its space')
            return { study, trial: { number, params } }
          },
          onDone: [
            {
              guard: ({ event }) => Number.isFinite(event.output.value),
              target: 'complete',
              actions: sendParent(({ context, event }) => ({
                type: 'trial.complete',
                number: context.number,
                value: event.output.value,
              })),
            },
            { target: 'failed', actions: assign({ reason: 'the objective gave no finite value' }) },
          ],
          onError: [
            {
              guard: { type: 'mayRetry', params: ({ event }) => ({ error: event.error }) },
              target: 'beforeEvaluating',
              actions: { type: 'noteFailure', params: ({ event }) => ({ error: event.error }) },
            },
            { target: 'failed', actions: { type: 'noteFailure', params: ({ event }) => ({ error: event.error }) } },
          ],
        },
      },
      beforeEvaluating: { after: { pause: 'evaluating' } },
      complete: { type: 'final' },
      failed: {
        type: 'final',
        entry: sendParent(({ context: { number, reason } }) => ({ type: 'trial.failed', number, reason })),
      },
    },
  })
}

function isUnknownWrite(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EffectOutcomeUnknown'
}
