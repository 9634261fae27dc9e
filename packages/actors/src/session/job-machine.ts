/** One execution of a job: runs its effect and tells the session how it ended. */
import { type EffectClass, toWire } from '@troupe/core'
import { type AnyActorLogic, sendParent, setup } from 'xstate'
import { machineTypes } from '../machine-types.ts'
import type { JobOutcome } from './session-protocol.ts'

/** An effect whose input and output are known to its caller alone. */
export type AnyEffect = AnyActorLogic & { readonly effect: { readonly name: string; readonly class: EffectClass } }

export interface JobInput {
  readonly id: string
  readonly input: unknown
}

export interface JobEnded {
  readonly type: 'job.ended'
  readonly id: string
  readonly outcome: JobOutcome
}

export function jobMachine(work: AnyEffect) {
  return setup({ types: machineTypes<JobInput, JobInput>(), actors: { work } }).createMachine({
    id: 'job',
    context: ({ input }) => input,
    initial: 'working',
    states: {
      working: {
        invoke: {
          src: 'work',
          input: ({ context }: { readonly context: JobInput }) => context.input,
          onDone: {
            target: 'ended',
            actions: sendParent(({ context, event }) => ended(context.id, { ok: true, output: event.output })),
          },
          onError: {
            target: 'ended',
            actions: sendParent(({ context, event }) => {
              const { code, message } = toWire(event.error)
              return ended(context.id, { ok: false, error: { code, message } })
            }),
          },
        },
      },
      ended: { type: 'final' },
    },
  })
}

function ended(id: string, outcome: JobOutcome): JobEnded {
  return { type: 'job.ended', id, outcome }
}
