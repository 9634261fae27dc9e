/**
 * A study's trials as data, and all that is computed from them. Pure.
 *
 * 1. Trials are numbered from 0 without a gap, in the order in which they got their parameters; `trials[n].number` is `n`.
 * 2. A trial is told once: running → complete or failed, never back, never twice.
 * 3. Among equal values the earliest trial is the best.
 */
import { invariant } from '@troupe/core'
import type { Assignment } from '../domain.ts'
import type { Direction, SamplerTrial } from './ports.ts'

/** Compact: a thousand of them must fit into one journal record. */
export interface Trial extends SamplerTrial {
  /** Why it failed. */
  readonly reason?: string
}

export interface Best {
  readonly number: number
  readonly params: Assignment
  readonly value: number
}

/** What a study keeps. */
export interface Progress {
  /** How many trials there shall be. */
  readonly target: number
  readonly parallel: number
  /** The next trial waits for its parameters. One at a time, so that each question knows all earlier answers. */
  readonly asking: boolean
  readonly trials: readonly Trial[]
}

export const NOTHING_YET: Progress = { target: 0, parallel: 1, asking: false, trials: [] }

const LONGEST_REASON = 300

/** Whether a trial can be asked for now. */
export function mayAsk({ target, parallel, asking, trials }: Progress): boolean {
  return !asking && trials.length < target && runningOf(trials).length < parallel
}

export function allTold({ target, asking, trials }: Progress): boolean {
  return !asking && trials.length >= target && runningOf(trials).length === 0
}

/** The asked trial has its parameters and runs. */
export function asked(trials: readonly Trial[], number: number, params: Assignment): readonly Trial[] {
  invariant(number === trials.length, `trial ${number} is asked after ${trials.length} others`)
  return [...trials, { number, params, state: 'running' }]
}

export function complete(trials: readonly Trial[], number: number, value: number): readonly Trial[] {
  const { params } = running(trials, number)
  return trials.with(number, { number, params, state: 'complete', value })
}

/** Also for a trial that got no parameters: it keeps its number, so that no number is ever given twice. */
export function failed(trials: readonly Trial[], number: number, reason: string): readonly Trial[] {
  const short = reason.length > LONGEST_REASON ? `${reason.slice(0, LONGEST_REASON)}…`.toWellFormed() : reason
  if (number === trials.length) return [...trials, { number, params: {}, state: 'failed', reason: short }]
  const { params } = running(trials, number)
  return trials.with(number, { number, params, state: 'failed', reason: short })
}

export function trialAt(trials: readonly Trial[], number: number): Trial {
  const trial = trials[number]
  invariant(trial !== undefined, `there is a trial ${number}`)
  return trial
}

function running(trials: readonly Trial[], number: number): Trial {
  const trial = trialAt(trials, number)
  invariant(trial.state === 'running', `trial ${number} is told and was running`)
  return trial
}

export function bestOf(trials: readonly Trial[], direction: Direction): Best | undefined {
  let best: Best | undefined
  for (const { number, params, value } of trials) {
    if (value === undefined) continue
    const better = best === undefined || (direction === 'maximize' ? value > best.value : value < best.value)
    if (better) best = { number, params, value }
  }
  return best
}

/** The trials as a sampler may see them: reasons are for people. */
export function forSampler(trials: readonly Trial[]): readonly SamplerTrial[] {
  return trials.map(({ reason: _, ...trial }) => trial)
}

export interface Summary {
  readonly state: 'idle' | 'running'
  readonly target: number
  readonly asked: number
  /** Complete or failed. */
  readonly told: number
  readonly failed: number
  readonly running: readonly number[]
  readonly best?: Best | undefined
}

export function summaryOf(progress: Progress, direction: Direction): Summary {
  const { target, asking, trials } = progress
  const best = bestOf(trials, direction)
  const runs = runningOf(trials)
  return {
    state: allTold(progress) ? 'idle' : 'running',
    target,
    asked: trials.length + (asking ? 1 : 0),
    told: trials.length - runs.length,
    failed: trials.filter(({ state }) => state === 'failed').length,
    running: runs,
    ...(best !== undefined && { best }),
  }
}

function runningOf(trials: readonly Trial[]): readonly number[] {
  return trials.filter(({ state }) => state === 'running').map(({ number }) => number)
}
