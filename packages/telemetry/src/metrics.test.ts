import { expect, test } from 'vitest'
import { metricsOf } from './log-metrics.ts'
import type { LoggedEvent } from './logged-event.ts'
import { MAX_SERIES, Metrics, mergeMetrics, nameFault, summaryOf } from './metrics.ts'
import { prometheusText } from './prometheus-text.ts'

const counted = (node: string, seconds: readonly number[]) => {
  const metrics = new Metrics()
  const calls = metrics.counter('calls_total', 'Calls', ['outcome'])
  const open = metrics.gauge('open_calls', 'Calls under way', 'sum')
  const oldest = metrics.gauge('oldest_seconds', 'Age of the oldest call', 'max', ['node'])
  const took = metrics.distribution('call_seconds', 'How long a call takes', ['outcome'])
  for (const second of seconds) {
    calls.add({ outcome: second > 1 ? 'slow' : 'ok' })
    took.observe({ outcome: second > 1 ? 'slow' : 'ok' }, second)
  }
  open.set({}, seconds.length)
  oldest.set({ node }, Math.max(...seconds))
  return metrics.snapshot()
}

test('metrics/1: merged snapshots of nodes are what one node would have counted', () => {
  const parts = [counted('a', [0.1, 0.2, 3]), counted('a', [0.4, 7])]
  const merged = mergeMetrics(JSON.parse(JSON.stringify(parts)))
  const whole = counted('a', [0.1, 0.2, 3, 0.4, 7])
  expect(merged.map(({ name }) => name)).toEqual(['call_seconds', 'calls_total', 'oldest_seconds', 'open_calls'])
  for (const [n, metric] of merged.entries()) {
    expect(metric).toMatchObject({ name: whole[n]?.name, kind: whole[n]?.kind })
    for (const [m, series] of metric.series.entries()) {
      const wanted = whole[n]?.series[m]
      if (metric.kind !== 'distribution') expect(series).toEqual(wanted)
      else expect(series).toMatchObject({ labels: wanted?.labels, value: { bins: Object(wanted?.value).bins } })
    }
  }
})

test('a summary has what was asked for of a distribution', () => {
  const [took] = counted(
    'a',
    Array.from({ length: 100 }, (_, n) => (n + 1) / 100),
  )
  if (took?.kind !== 'distribution') throw new Error('no distribution')
  const summary = summaryOf(
    took.series[0]?.value ?? { count: 0, sum: 0, spread: 0, min: 0, max: 0, zeros: 0, bins: [] },
  )
  expect(summary).toMatchObject({
    count: 100,
    min: 0.01,
    max: 1,
    sum: expect.closeTo(50.5),
    mean: expect.closeTo(0.505),
  })
  expect(summary?.deviation).toBeCloseTo(0.2887, 3)
  for (const [q, value] of [
    [summary?.p50, 0.5],
    [summary?.p90, 0.9],
    [summary?.p99, 0.99],
  ] as const) {
    expect(Math.abs((q ?? 0) - value)).toBeLessThan(0.011)
  }
})

test.each([
  ['calls', 'counter', 'a counter ends in _total'],
  ['calls_total', 'gauge', 'only a counter ends in _total'],
  ['Calls_total', 'counter', 'a name is'],
  ['a:calls_total', 'counter', 'a name is'],
  ['call_count', 'gauge', 'belongs to Prometheus'],
  ['call_bucket', 'distribution', 'belongs to Prometheus'],
  ['call_ms', 'distribution', 'base unit'],
  ['sent_kb_total', 'counter', 'base unit'],
] as const)('metrics/2: %s as a %s is refused: %s', (name, kind, says) => {
  expect(nameFault(name, kind)).toContain(says)
})

test('metrics/2: declarations that break a rule, or stand twice, are refused', () => {
  const metrics = new Metrics()
  metrics.counter('calls_total', 'Calls')
  expect(() => metrics.counter('calls_total', 'Calls')).toThrow('declared twice')
  expect(() => metrics.counter('x', 'X')).toThrow("metric 'x': a counter ends in _total")
  expect(() => metrics.distribution('call_seconds', 'X', ['le'])).toThrow("label 'le' belongs to Prometheus")
})

test('metrics/3: label sets are bounded; the rest is counted as other', () => {
  const metrics = new Metrics()
  const calls = metrics.counter('calls_total', 'Calls', ['user'])
  for (let n = 0; n < MAX_SERIES + 500; n++) calls.add({ user: `u${n}` })
  calls.add({ user: 'u3' })
  const [snapshot] = metrics.snapshot()
  if (snapshot?.kind !== 'counter') throw new Error('no counter')
  const valueFor = (user: string) => snapshot.series.find(({ labels }) => labels['user'] === user)?.value
  expect([snapshot.series.length, valueFor('other'), valueFor('u3')]).toEqual([MAX_SERIES + 1, 500, 2])
})

test('the text for Prometheus: escaped, with growing buckets that end at all', () => {
  const metrics = new Metrics()
  metrics.counter('calls_total', 'Calls\nof all', ['to']).add({ to: 'a "b"\\c\n' }, 2)
  const took = metrics.distribution('call_seconds', 'How long', ['to'])
  for (const seconds of [0.0002, 0.3, 0.3, 2_000]) took.observe({ to: 'x' }, seconds)
  const text = prometheusText(metrics.snapshot(), [0.001, 1, 10])
  expect(text).toBe(
    [
      '# HELP call_seconds How long',
      '# TYPE call_seconds histogram',
      'call_seconds_bucket{to="x",le="0.001"} 1',
      'call_seconds_bucket{to="x",le="1"} 3',
      'call_seconds_bucket{to="x",le="10"} 3',
      'call_seconds_bucket{to="x",le="+Inf"} 4',
      'call_seconds_sum{to="x"} 2000.6002',
      'call_seconds_count{to="x"} 4',
      '# HELP calls_total Calls\\nof all',
      '# TYPE calls_total counter',
      'calls_total{to="a \\"b\\"\\\\c\\n"} 2',
      '',
    ].join('\n'),
  )
})

test('metrics of a log: steps, effects with their durations, traces', () => {
  const event = (n: number, at: number, more: Partial<LoggedEvent>): LoggedEvent => ({
    ...{
      order: n,
      id: `study/a#1:${n}`,
      actor: 'study/a',
      type: 'study',
      epoch: 1,
      seq: n,
      kind: 'message',
      event: 'run',
    },
    ...{ at, correlation: 't1', causation: '', outcome: 'applied', ...more },
  })
  const ask = { id: 'study/a:0@1:1', name: 'optuna.ask', class: 'idempotent' }
  const score = { id: 'study/a:1@1:1', name: 'score', class: 'read' }
  const left = { id: 'study/a/left@1:1', name: 'left', class: 'read' }
  const log = [
    event(1, 1_000, { began: [ask, score, left] }),
    event(2, 1_250, { kind: 'effect.done', event: 'done', effect: ask }),
    event(3, 5_000, { kind: 'effect.error', event: 'error', effect: score }),
    event(4, 6_000, { outcome: 'rejected', correlation: 't2', stopped: ['/left', '/a child'] }),
    event(5, 7_000, { kind: 'effect.done', event: 'done', effect: { ...ask, id: 'began before' } }),
  ]
  const metrics = new Map(metricsOf(log).map((metric) => [metric.name, metric]))
  expect(metrics.get('troupe_steps_total')?.series).toContainEqual({
    labels: { type: 'study', kind: 'message', outcome: 'rejected' },
    value: 1,
  })
  expect(metrics.get('troupe_effects_total')?.series).toEqual([
    { labels: { name: 'optuna.ask', outcome: 'ok' }, value: 2 },
    { labels: { name: 'score', outcome: 'failed' }, value: 1 },
    { labels: { name: 'left', outcome: 'stopped' }, value: 1 },
  ])
  expect(metrics.get('troupe_effect_seconds')?.series).toMatchObject([
    { labels: { name: 'optuna.ask' }, value: { count: 1, sum: 0.25 } },
    { labels: { name: 'score', outcome: 'failed' }, value: { count: 1, sum: 4 } },
    { labels: { name: 'left', outcome: 'stopped' }, value: { count: 1, sum: 5 } },
  ])
  expect(metrics.get('troupe_trace_seconds')?.series).toMatchObject([
    { labels: { root: 'study run' }, value: { count: 2, max: 6 } },
  ])
})
