/**
 * What a running node does, as metrics: an `Observer` of `@troupe/core` in front of `Metrics`. Give it to `createSystem({ observer })`.
 *
 * 1. The four golden signals by actor type (asks and their time, turns and their time, what failed, what waits), the journal under
 *    them, effects, dead letters and model calls. No key of an actor is ever a label.
 * 2. At most `MAX_NODE_SERIES` label sets of a metric: the rest is counted under `other`.
 * 3. Names that metrics from the log have too (`log-metrics.ts`) mean the same, measured here instead of read there.
 */
import type { NodeFigures, Observer } from '@troupe/core'
import { type MetricSnapshot, Metrics } from './metrics.ts'

export const MAX_NODE_SERIES = 200

/** What of a model call's record is counted; `onRecord` of the model service gives it. */
export interface ModelCall {
  readonly provider: string
  readonly model: string
  /** The error that the caller was told. */
  readonly code?: string
  readonly usage?: { readonly promptTokens: number; readonly completionTokens: number }
  readonly costUsd?: number
  readonly wallMs: number
}

export interface NodeMetrics extends Observer {
  /** As `onRecord` of `serveModels`. */
  readonly modelCalled: (call: ModelCall) => void
  /** Of the node that it observes, with what `system` says of now: for `/metrics`. */
  read(system: { metrics(): unknown }): readonly MetricSnapshot[]
  /** With the gauges of the last report. */
  snapshot(): readonly MetricSnapshot[]
}

const seconds = (ms: number): number => ms / 1_000

export function nodeMetrics(): NodeMetrics {
  const metrics = new Metrics({ maxSeries: MAX_NODE_SERIES })
  const steps = metrics.counter('troupe_steps_total', 'Committed steps', ['type', 'kind', 'outcome'])
  const turns = metrics.distribution(
    'troupe_turn_seconds',
    'From the arrival of the oldest message of a turn to its commit',
    ['type'],
  )
  const failures = metrics.counter('troupe_failures_total', 'Failures, by what supervision decided', [
    'type',
    'directive',
  ])
  const answers = metrics.counter('troupe_answers_total', 'Answers to messages: ok, or the code of the error', [
    'type',
    'code',
  ])
  const answerTime = metrics.distribution(
    'troupe_answer_seconds',
    'From the arrival of a message at the node to its answer',
    ['type'],
  )
  const appends = metrics.distribution('troupe_append_seconds', 'Appends to the journal, repetitions included', [
    'outcome',
  ])
  const written = metrics.counter('troupe_journal_bytes_total', 'Bytes of committed records')
  const effects = metrics.counter('troupe_effects_total', 'Effects that ended', ['name', 'outcome'])
  const effectTime = metrics.distribution(
    'troupe_effect_seconds',
    'From the step that began an effect to the step with its result',
    ['name', 'outcome'],
  )
  const dead = metrics.counter('troupe_dead_letters_total', 'Letters that no step applied', ['type', 'reason'])
  const modelCalls = metrics.counter('troupe_model_calls_total', 'Model calls: ok, or the code of the error', [
    'provider',
    'model',
    'code',
  ])
  const modelTime = metrics.distribution('troupe_model_seconds', 'Model calls, their wait for a turn included', [
    'provider',
    'model',
  ])
  const tokens = metrics.counter('troupe_model_tokens_total', 'Tokens that providers have counted', [
    'provider',
    'model',
    'kind',
  ])
  const cost = metrics.counter('troupe_model_cost_usd_total', 'US dollars that model calls have cost', [
    'provider',
    'model',
  ])
  const gauge = gaugesOf(metrics)
  return {
    turned: ({ type, steps: made, tookMs }) => {
      turns.observe({ type }, seconds(tookMs))
      for (const { input, outcome, supervision } of made) {
        steps.add({ type, kind: input.kind, outcome })
        if (supervision !== undefined) failures.add({ type, directive: supervision.directive })
      }
    },
    appended: ({ outcome, tookMs, sizeBytes }) => {
      appends.observe({ outcome }, seconds(tookMs))
      if (outcome === 'committed') written.add({}, sizeBytes)
    },
    effectEnded: ({ name, outcome, tookMs }) => {
      effects.add({ name, outcome })
      if (tookMs !== undefined) effectTime.observe({ name, outcome }, seconds(tookMs))
    },
    answered: ({ type, code, tookMs }) => {
      answers.add({ type, code })
      answerTime.observe({ type }, seconds(tookMs))
    },
    buried: (labels) => dead.add(labels),
    modelCalled: ({ provider, model, code = 'ok', usage, costUsd, wallMs }) => {
      const labels = { provider, model }
      modelCalls.add({ ...labels, code })
      modelTime.observe(labels, seconds(wallMs))
      tokens.add({ ...labels, kind: 'input' }, usage?.promptTokens ?? 0)
      tokens.add({ ...labels, kind: 'output' }, usage?.completionTokens ?? 0)
      cost.add(labels, costUsd ?? 0)
    },
    report: (figures) => {
      gauge(figures)
      return metrics.snapshot()
    },
    read: (system) => {
      system.metrics()
      return metrics.snapshot()
    },
    snapshot: () => metrics.snapshot(),
  }
}

function gaugesOf(metrics: Metrics): (figures: NodeFigures) => void {
  const shards = metrics.gauge('troupe_shards', 'Shards that the node owns', 'sum')
  const residents = metrics.gauge('troupe_resident_actors', 'Actors in memory', 'sum')
  const state = metrics.gauge('troupe_resident_state_bytes', 'Their states, as they are recorded', 'sum')
  const waiting = metrics.gauge('troupe_messages_waiting', 'Messages that wait for their turn', 'sum', ['type'])
  const mail = metrics.gauge('troupe_actors_with_mail', 'Actors whose mail no step has consumed yet', 'sum')
  const open = metrics.gauge('troupe_effects_open', 'Effects without a result yet', 'sum')
  const memory = metrics.gauge('troupe_process_resident_memory_bytes', 'Memory of the process', 'sum')
  return (figures) => {
    shards.set({}, figures.shards)
    residents.set({}, figures.residents)
    state.set({}, figures.residentBytes)
    for (const [type, messages] of figures.waiting) waiting.set({ type }, messages)
    mail.set({}, figures.withMail)
    open.set({}, figures.openEffects)
    memory.set({}, process.memoryUsage.rss())
  }
}
