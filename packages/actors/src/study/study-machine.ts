/**
 * A study: keeps its trials, asks for the next one whenever there is room, and answers `run` when all are told.
 *
 * 1. One trial at a time waits for its parameters, up to `parallel` are evaluated: each question is a function of the log
 *    and knows the parameters of every trial that runs.
 * 2. A trial is a child; its number is its place in `trials`. What it tells is applied once, in one step with its end.
 * 3. The question is computed in the step that begins the trial, from the context, never in an effect.
 * 4. What the study was begun with (space, direction, seed) is part of its state; code with another definition does not run
 *    it on.
 */
import { hashOf } from '@troupe/core'
import { assign, emit, enqueueActions, setup, spawnChild, stopChild } from 'xstate'
import type { WireSpace } from '../domain.ts'
import type { Direction, Outcome, SamplerQuestion } from './ports.ts'
import type { studyProtocol } from './protocol.ts'
import { type TrialEvent, type TrialParts, trialMachine } from './trial-machine.ts'
import {
  allTold,
  asked,
  bestOf,
  complete,
  failed,
  forSampler,
  mayAsk,
  NOTHING_YET,
  type Progress,
  summaryOf,
  trialAt,
} from './trials.ts'

export interface StudyContext extends Progress {
  readonly key: string
  readonly definition: StudyDefinition
}

export interface StudyDefinition {
  readonly seed: number
  readonly direction: Direction
  readonly space: WireSpace
}

export function studyMachine<P, O extends Outcome, Name extends string>(
  name: Name,
  says: ReturnType<typeof studyProtocol<Name>>,
  definition: StudyDefinition,
  parts: TrialParts<P, O>,
) {
  const { direction } = definition
  const hash = hashOf(definition)
  const questionOf = ({ key, trials, definition }: StudyContext): SamplerQuestion => ({
    study: name,
    ...definition,
    trials: forSampler(trials),
    op: `${name}/${key}:${trials.length}`,
  })
  return setup({
    types: says.types<StudyContext, TrialEvent>(),
    actors: { trial: trialMachine(parts) },
    guards: {
      sameDefinition: ({ context }) => hashOf(context.definition) === hash,
      mayAsk: ({ context }) => mayAsk(context),
      allTold: ({ context }) => allTold(context),
    },
    actions: {
      beginTrial: spawnChild('trial', {
        id: ({ context }) => trialId(context.trials.length),
        input: ({ context }) => ({
          study: `${name}/${context.key}`,
          number: context.trials.length,
          question: questionOf(context),
        }),
      }),
      emitTrial: emit(({ context }, { number }: { readonly number: number }) => {
        const trial = trialAt(context.trials, number)
        return { ...trial, type: 'trial' as const }
      }),
    },
  }).createMachine({
    id: 'study',
    context: ({ input }) => ({ ...NOTHING_YET, key: input.key, definition }),
    initial: 'idle',
    on: { status: { actions: says.reply('status', ({ context }) => summaryOf(context, direction)) } },
    states: {
      idle: {
        on: {
          run: {
            guard: 'sameDefinition',
            target: 'running',
            actions: assign({
              target: ({ context, event }) => Math.max(context.target, event.trials),
              parallel: ({ event }) => event.parallel,
            }),
          },
        },
      },
      running: {
        always: [
          { guard: 'mayAsk', actions: ['beginTrial', assign({ asking: true })] },
          {
            guard: 'allTold',
            target: 'idle',
            actions: says.reply('run', ({ context }) => summaryOf(context, direction), { to: 'all' }),
          },
        ],
        on: {
          run: {
            guard: 'sameDefinition',
            actions: assign({
              target: ({ context, event }) => Math.max(context.target, event.trials),
              parallel: ({ event }) => event.parallel,
            }),
          },
          'trial.asked': {
            actions: [
              assign({
                asking: false,
                trials: ({ context, event }) => asked(context.trials, event.number, event.params),
              }),
              { type: 'emitTrial', params: ({ event }) => ({ number: event.number }) },
            ],
          },
          'trial.complete': {
            actions: [
              enqueueActions(({ context, event, enqueue }) => {
                const before = bestOf(context.trials, direction)
                const trials = complete(context.trials, event.number, event.value)
                const best = bestOf(trials, direction)
                enqueue.assign({ trials })
                if (best !== undefined && best.number !== before?.number) enqueue.emit({ type: 'best', ...best })
              }),
              { type: 'emitTrial', params: ({ event }) => ({ number: event.number }) },
              stopChild(({ event }) => trialId(event.number)),
            ],
          },
          'trial.failed': {
            actions: [
              assign({
                asking: ({ context, event }) => context.asking && event.number !== context.trials.length,
                trials: ({ context, event }) => failed(context.trials, event.number, event.reason),
              }),
              { type: 'emitTrial', params: ({ event }) => ({ number: event.number }) },
              stopChild(({ event }) => trialId(event.number)),
            ],
          },
        },
      },
    },
  })
}

function trialId(number: number): string {
  return `trial-${number}`
}
