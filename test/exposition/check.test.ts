import { Metrics, prometheusText } from '@troupe/telemetry'
import { describe, expect, test } from 'vitest'
import { faultsIn } from './check.ts'

const HEAD = '# HELP a_total What.\n# TYPE a_total counter\n'
const HISTOGRAM = '# HELP h_seconds What.\n# TYPE h_seconds histogram\n'
const WHOLE = `${HISTOGRAM}h_seconds_bucket{le="1"} 1\nh_seconds_bucket{le="+Inf"} 2\nh_seconds_sum 3\nh_seconds_count 2\n`

test('what is right has no faults, awkward labels and timestamps included', () => {
  expect(
    faultsIn(`${HEAD}a_total{x="say \\"hi\\"\\n\\\\",y=""} 1 1700000000000\na_total{x="b"} 2.5e3\n\n${WHOLE}`),
  ).toEqual([])
  const metrics = new Metrics()
  metrics.counter('troupe_odd_total', 'With a \\ and a\nline', ['of']).add({ of: 'a "b"\\\n' })
  metrics.distribution('troupe_wait_seconds', 'How long').observe({}, 0.2)
  expect(faultsIn(prometheusText(metrics.snapshot()))).toEqual([])
})

describe('each kind of broken text is found', () => {
  test.each([
    ['nothing', '', 'no metric'],
    ['no line feed at the end', `${HEAD}a_total 1`, 'line feed'],
    ['no HELP', '# TYPE a_total counter\na_total 1\n', 'no HELP'],
    ['an empty HELP', '# HELP a_total \n# TYPE a_total counter\na_total 1\n', 'no HELP'],
    ['no TYPE', '# HELP a_total What.\na_total 1\n', 'no TYPE'],
    ['HELP twice', `# HELP a_total Other.\n${HEAD}a_total 1\n`, 'second HELP'],
    ['TYPE twice', `# TYPE a_total counter\n${HEAD}a_total 1\n`, 'second TYPE'],
    ['HELP with a bad escape', '# HELP a_total \\x\n# TYPE a_total counter\na_total 1\n', 'bad escape'],
    ['TYPE after samples', '# HELP a_total What.\na_total 1\n# TYPE a_total counter\n', 'after its samples'],
    ['an unknown type', '# HELP a What.\n# TYPE a meter\na 1\n', 'no type'],
    ['a malformed comment', `# HELP\n${HEAD}a_total 1\n`, 'malformed comment'],
    ['a family in two parts', `${HEAD}a_total 1\n${WHOLE}a_total{x="1"} 1\n`, 'goes on'],
    ['a counter without _total', '# HELP a What.\n# TYPE a counter\na 1\n', '_total'],
    ['a gauge with _total', '# HELP a_total What.\n# TYPE a_total gauge\na_total 1\n', 'is no counter'],
    ['a counter below zero', `${HEAD}a_total -1\n`, 'below zero'],
    ['a reserved ending', '# HELP a_count What.\n# TYPE a_count gauge\na_count 1\n', 'reserved ending'],
    ['the type in the name', '# HELP a_gauge What.\n# TYPE a_gauge gauge\na_gauge 1\n', 'its type in its name'],
    ['another unit', '# HELP a_ms What.\n# TYPE a_ms gauge\na_ms 1\n', 'base unit'],
    [
      'another unit before _total',
      '# HELP a_minutes_total W.\n# TYPE a_minutes_total counter\na_minutes_total 1\n',
      'base',
    ],
    ['camel case', '# HELP aB What.\n# TYPE aB gauge\naB 1\n', 'snake case'],
    ['a colon', '# HELP a:b What.\n# TYPE a:b gauge\na:b 1\n', 'colon'],
    ['a bad metric name', `${HEAD}a-total 1\n`, 'no metric name'],
    ['a bad label name', `${HEAD}a_total{1x="1"} 1\n`, 'cannot be read'],
    ['an unquoted label', `${HEAD}a_total{x=1} 1\n`, 'cannot be read'],
    ['a bad escape in a label', `${HEAD}a_total{x="\\q"} 1\n`, 'cannot be read'],
    ['an open label set', `${HEAD}a_total{x="1" 1\n`, 'cannot be read'],
    ['a label twice', `${HEAD}a_total{x="1",x="2"} 1\n`, 'comes twice'],
    ['a reserved label', `${HEAD}a_total{__x="1"} 1\n`, 'reserved'],
    ['a label in camel case', `${HEAD}a_total{aB="1"} 1\n`, 'snake case'],
    ['le on a counter', `${HEAD}a_total{le="1"} 1\n`, "label 'le'"],
    ['quantile on a counter', `${HEAD}a_total{quantile="1"} 1\n`, "label 'quantile'"],
    ['a series twice', `${HEAD}a_total{x="1",y="2"} 1\na_total{y="2",x="1"} 1\n`, 'comes twice'],
    ['no value', `${HEAD}a_total\n`, 'no value'],
    ['a value that is no number', `${HEAD}a_total one\n`, 'no value'],
    ['a bad timestamp', `${HEAD}a_total 1 now\n`, 'no timestamp'],
    ['a bare sample of a histogram', `${HISTOGRAM}h_seconds 1\n`, 'without _bucket'],
    ['buckets that do not grow', WHOLE.replace('le="1"', 'le="+Inf"'), 'do not grow'],
    ['counts that are not cumulative', WHOLE.replace('le="1"} 1', 'le="1"} 3'), 'not cumulative'],
    ['no +Inf', WHOLE.replace('+Inf', '2'), 'not +Inf'],
    ['a count that is not that of +Inf', WHOLE.replace('_count 2', '_count 1'), 'not that of +Inf'],
    ['no count', WHOLE.replace('h_seconds_count 2\n', ''), 'no _count'],
    ['no sum', WHOLE.replace('h_seconds_sum 3\n', ''), 'no _sum'],
  ])('%s', (_, text, fault) => {
    expect(faultsIn(text).join('; ')).toContain(fault)
  })
})
