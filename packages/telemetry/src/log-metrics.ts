/**
 * Metrics of what happened, from the causal log: no node has to run, and the past can be asked as well as the present.
 *
 * 1. An effect lasts from the step that began it to the step that took its result, by the clocks of the nodes: a restart in between
 *    is part of it. One without a result yet is not counted; one that its machine went on without is `stopped`.
 */
import type { LoggedEvent } from './logged-event.ts'
import { type MetricSnapshot, Metrics } from './metrics.ts'

/** Of the steps that end an effect. */
const OUTCOMES: ReadonlyMap<string, string> = new Map([
  ['effect.done', 'ok'],
  ['effect.error', 'failed'],
])

/** @param events in the order of the log, from its beginning or not: an effect that began before is counted without a duration */
export function metricsOf(events: Iterable<LoggedEvent>): readonly MetricSnapshot[] {
  const metrics = new Metrics()
  const steps = metrics.counter('troupe_steps_total', 'Committed steps', ['type', 'kind', 'outcome'])
  const ended = metrics.counter('troupe_effects_total', 'Effects that ended', ['name', 'outcome'])
  const seconds = metrics.distribution(
    'troupe_effect_seconds',
    'From the step that began an effect to the step with its result',
    ['name', 'outcome'],
  )
  const traces = metrics.distribution('troupe_trace_seconds', 'From the first step of a trace to its last', ['root'])
  /** By place in an actor's tree (`type/key/path`). */
  const begun = new Map<string, { readonly name: string; readonly at: number }>()
  const roots = new Map<string, { readonly root: string; readonly from: number; to: number }>()
  for (const event of events) {
    steps.add({ type: event.type, kind: event.kind, outcome: event.outcome })
    const outcome = OUTCOMES.get(event.kind)
    if (event.effect !== undefined && outcome !== undefined) {
      const labels = { name: event.effect.name, outcome }
      const place = placeOf(event.effect.id)
      const at = begun.get(place)?.at
      // Supervision begins it again.
      if (event.outcome === 'error') begun.set(place, { name: event.effect.name, at: event.at })
      else begun.delete(place)
      ended.add(labels)
      if (at !== undefined) seconds.observe(labels, Math.max(0, event.at - at) / 1_000)
    }
    for (const path of event.stopped ?? []) {
      const stopped = begun.get(`${event.actor}${path}`)
      if (stopped === undefined) continue
      begun.delete(`${event.actor}${path}`)
      const labels = { name: stopped.name, outcome: 'stopped' }
      ended.add(labels)
      seconds.observe(labels, Math.max(0, event.at - stopped.at) / 1_000)
    }
    for (const { id, name } of event.began ?? []) begun.set(placeOf(id), { name, at: event.at })
    const trace = roots.get(event.correlation)
    if (trace === undefined)
      roots.set(event.correlation, { root: `${event.type} ${event.event}`, from: event.at, to: event.at })
    else trace.to = Math.max(trace.to, event.at)
  }
  for (const { root, from, to } of roots.values()) traces.observe({ root }, Math.max(0, to - from) / 1_000)
  return metrics.snapshot()
}

const placeOf = (effect: string): string => effect.slice(0, effect.lastIndexOf('@'))
