import { createSystem, defineActor, memory, type Observer, protocol } from '@troupe/core'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { getMetrics, type MetricSnapshot } from './index.ts'

const says = protocol('nobody', { events: { go: z.object({}) } })
const nobody = defineActor(says, { logic: says.handlers({}, { go: (state) => state }) })

const reporting = (metrics: readonly object[]): Observer => {
  const ignore = () => {}
  return {
    turned: ignore,
    appended: ignore,
    effectEnded: ignore,
    answered: ignore,
    buried: ignore,
    report: () => metrics,
  }
}

const counter = (name: string, helpBytes: number): MetricSnapshot => ({
  kind: 'counter',
  name,
  help: 'x'.repeat(helpBytes),
  series: [{ labels: {}, value: 1 }],
})

test('cluster-metrics/3: what does not fit into one message comes in pages; what fits into none is counted', async () => {
  const metrics = [counter('a_total', 600_000), counter('b_total', 1_200_000), counter('c_total', 600_000)]
  const backend = memory()
  await using system = await createSystem({ actors: [nobody], backend, node: 'one', observer: reporting(metrics) })
  const found = await getMetrics(system)
  expect(found.metrics.map(({ name }) => name)).toEqual(['a_total', 'c_total'])
  expect(found).toMatchObject({ nodes: ['one'], missing: [], unobserved: [], omitted: 1 })
  expect([found.total('a_total'), found.total('no_total')]).toEqual([1, 0])
})

test('what another version of a node says in a form that is not known here is left out and counted', async () => {
  const odd = [
    { kind: 'spectrum', name: 'x', help: '', series: [] },
    { kind: 'gauge', name: 'x', help: '', across: 'mean', series: [] },
    { kind: 'distribution', name: 'x_seconds', help: '', series: [{ labels: {}, value: { count: 1 } }] },
    { kind: 'counter', name: 'x_total', help: '', series: [{ labels: { a: 1 }, value: 1 }] },
    counter('y_total', 1),
  ]
  await using system = await createSystem({ actors: [nobody], node: 'one', observer: reporting(odd) })
  const found = await getMetrics(system)
  expect(found.omitted).toBe(4)
  expect(found.metrics.map(({ name }) => name)).toEqual(['y_total'])
})
