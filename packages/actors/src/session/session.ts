/**
 * A session: the place where one user's or one task's work is run, counted and remembered.
 *
 * 1. A job is an effect; each execution is a child, so several may run and each answers its own `run`.
 * 2. After a crash a running job goes on as its effect's class says; the open `run` is answered by the next node.
 * 3. Times are those of the recorded steps, so a replay gives the same metrics.
 */
import { defineActor, LogicRefused, stepTime } from '@troupe/core'
import { assign, enqueueActions, setup } from 'xstate'
import { begin, end, executionOf, newSession, nextId, type SessionState, statusOf } from './executions.ts'
import { type AnyEffect, type JobEnded, jobMachine } from './job-machine.ts'
import { sessionProtocol } from './session-protocol.ts'

export interface SessionSpec {
  readonly jobs: { readonly [name: string]: AnyEffect }
}

/** @throws LogicRefused without jobs */
export function session({ jobs }: SessionSpec) {
  const names = Object.keys(jobs)
  if (names.length === 0) throw new LogicRefused('a session without jobs can do nothing; give it at least one')
  const says = sessionProtocol(names)
  const actors = Object.fromEntries(Object.entries(jobs).map(([name, work]) => [name, jobMachine(work)]))
  const logic = setup({ types: says.types<SessionState, JobEnded>(), actors }).createMachine({
    id: 'session',
    context: ({ input }) => newSession(input.key),
    on: {
      run: {
        actions: enqueueActions(({ context, event, enqueue }) => {
          const id = nextId(context)
          enqueue.spawnChild(event.job, { id, input: { id, input: event.input } })
          enqueue.assign(begin(context, event.job, stepTime()))
        }),
      },
      'job.ended': {
        actions: [
          enqueueActions(({ context, event: { id, outcome }, enqueue }) => {
            const execution = executionOf(context, id, outcome.ok, stepTime())
            if (execution === undefined) return
            enqueue.assign(end(context, id, execution))
            enqueue.emit({ type: 'executed', ...execution })
            enqueue.stopChild(id)
          }),
          says.reply('run', ({ event }) => event.outcome),
        ],
      },
      note: {
        actions: assign({
          optimisation: ({ context, event }) => ({ ...context.optimisation, ...event.optimisation }),
          workerAffinity: ({ context, event }) =>
            event.workerAffinity === undefined ? context.workerAffinity : event.workerAffinity,
        }),
      },
      status: { actions: says.reply('status', ({ context }) => statusOf(context)) },
    },
  })
  return defineActor(says, { logic })
}
