/**
 * A study as its user holds it: the actor to be hosted, and a typed handle on one key of it.
 *
 * 1. The handle reads by snapshot, which writes nothing, and runs by `ask`, which a crash does not end.
 * 2. Parameters leave the handle only after they were checked against the space.
 */
import { type AskOptions, defineActor, type Effect, LogicRefused, type System, toWire } from '@troupe/core'
import { fits, isSpace, misfit, type Params, type Searchable, spaceToWire } from '../domain.ts'
import type { Direction, ObjectiveInput, Outcome, Sampler } from './ports.ts'
import { studyProtocol } from './protocol.ts'
import { studyMachine } from './study-machine.ts'
import { bestOf, type Best as PlainBest, type Summary as PlainSummary, summaryOf, type Trial } from './trials.ts'

export interface StudySpec<S, O extends Outcome> {
  readonly space: Searchable<S>
  readonly direction: Direction
  readonly sampler: Sampler
  readonly objective: Effect<ObjectiveInput<S>, O>
  /** Of the sampler's chance. @defaultValue 0 */
  readonly seed?: number
  /** How often a question or an evaluation is tried before its trial is told as failed. @defaultValue 3 */
  readonly attempts?: number
  /** Before the second attempt; doubles. @defaultValue 500 */
  readonly pauseMs?: number
}

export interface Best<S> {
  readonly number: number
  readonly params: Params<S>
  readonly value: number
}

export interface Summary<S> extends Omit<PlainSummary, 'best'> {
  readonly best?: Best<S> | undefined
}

export interface Status<S> extends Summary<S> {
  readonly trials: readonly Trial[]
}

export interface RunOptions extends AskOptions {
  /** Of the whole study, those of earlier runs included. */
  readonly trials: number
  /** @defaultValue 1 */
  readonly parallel?: number
}

export interface StudyHandle<S> {
  /**
   * Resolves when all trials are told. The study goes on when the caller gives up; the same run again waits for the rest.
   * @throws Timeout after `timeoutMs` (default: one hour); LogicRefused when this key was begun with another space,
   *   direction or seed; what else `ref.ask` throws
   */
  run(options: RunOptions): Promise<Summary<S>>
  status(): Promise<Status<S>>
  best(): Promise<Best<S> | undefined>
}

const RUN_TIMEOUT_MS = 3_600_000

/**
 * @param name lower case; the actor's type is `study-<name>`
 * @throws LogicRefused for a space that is empty or holds anything but domains, or a sampler that could not be asked again after a crash
 */
export function study<const Name extends string, S extends { readonly [name: string]: unknown }, O extends Outcome>(
  name: Name,
  spec: StudySpec<S, O>,
) {
  const { space, direction, sampler, objective, seed = 0, attempts = 3, pauseMs = 500 } = spec
  if (!isSpace(space)) throw new LogicRefused(`study '${name}': a space is made of float(), int() and choice()`)
  if (Object.keys(space).length === 0) throw new LogicRefused(`study '${name}': the space is empty`)
  if (sampler.ask.effect.class === 'write') {
    throw new LogicRefused(`study '${name}': sampler '${sampler.name}' is a 'write'; it must be safe to ask twice`)
  }
  const suits = (params: unknown): params is Params<S> => fits(space, params)
  const says = studyProtocol(name)
  const logic = studyMachine(
    name,
    says,
    { seed, direction, space: spaceToWire(space) },
    {
      ask: sampler.ask,
      objective,
      fits: suits,
      misfit: (params) => misfit(space, params),
      attempts,
      pauseMs,
    },
  )
  const actor = defineActor(says, { logic })
  const typedBest = ({ number, params, value }: PlainBest): Best<S> => {
    if (!suits(params)) throw begunOtherwise(name)
    return { number, params, value }
  }
  const typed = ({ best, ...summary }: PlainSummary): Summary<S> => ({
    ...summary,
    ...(best !== undefined && { best: typedBest(best) }),
  })
  return {
    name,
    says,
    actor,
    /** @param key one study may be run under many keys, each with its own trials */
    in(system: System, key = 'main'): StudyHandle<S> {
      const ref = system.get(actor, key)
      return {
        async run({ trials, parallel = 1, ...options }) {
          try {
            return typed(await ref.ask({ type: 'run', trials, parallel }, { timeoutMs: RUN_TIMEOUT_MS, ...options }))
          } catch (error) {
            throw toWire(error).code === 'EventNotAccepted' ? begunOtherwise(`${name}/${key}`, error) : error
          }
        },
        async status() {
          const { context } = await ref.snapshot()
          return { ...typed(summaryOf(context, direction)), trials: context.trials }
        },
        async best() {
          const { context } = await ref.snapshot()
          const best = bestOf(context.trials, direction)
          return best && typedBest(best)
        },
      }
    },
  }
}

function begunOtherwise(study: string, cause?: unknown): LogicRefused {
  return new LogicRefused(
    `study '${study}' was begun with another space, direction or seed; its trials do not fit this one: use another key`,
    { study },
    cause,
  )
}
