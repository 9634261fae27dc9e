/**
 * The rules of `promtool check metrics` and of the text format 0.0.4, for tests: text in, faults out. Strict where a scraper would
 * guess: a family without HELP or TYPE is a fault here.
 */
interface Family {
  readonly name: string
  help?: string
  type?: string
  readonly samples: Sample[]
}

interface Sample {
  readonly line: number
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
}

const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped']
const METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const NUMBER = /^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|Inf|NaN)$/
/** Units that promtool wants as a base unit, and parts of them. */
const NOT_BASE =
  /(^|_)(milliseconds?|ms|microseconds?|nanoseconds?|minutes?|hours?|days?|weeks?|(kilo|mega|giga|kibi|mebi|gibi)?bits?|(kilo|mega|giga|kibi|mebi|gibi)bytes?|kb|mb|gb|percent|celsius_milli|kilometers?|centimeters?)(_|$)/

export function faultsIn(text: string): string[] {
  const faults: string[] = []
  const families = familiesIn(text, faults)
  for (const family of families.values()) faults.push(...familyFaults(family))
  if (families.size === 0) faults.push('there is no metric')
  return faults
}

function familiesIn(text: string, faults: string[]): ReadonlyMap<string, Family> {
  const families = new Map<string, Family>()
  if (text !== '' && !text.endsWith('\n')) faults.push('the last line does not end in a line feed')
  let current: Family | undefined
  for (const [at, line] of text.split('\n').entries()) {
    const where = `line ${at + 1}`
    if (line === '') continue
    const enter = (name: string): Family => {
      if (current?.name === name) return current
      if (families.has(name)) faults.push(`${where}: '${name}' goes on after another family has begun`)
      current = families.get(name) ?? { name, samples: [] }
      families.set(name, current)
      return current
    }
    const comment = /^# (HELP|TYPE) (\S+)(?: (.*))?$/.exec(line)
    if (comment !== null) {
      const [, what, name = '', rest = ''] = comment
      if (!METRIC.test(name)) faults.push(`${where}: '${name}' is no metric name`)
      const family = enter(name)
      if (family.samples.length > 0) faults.push(`${where}: ${what} of '${name}' comes after its samples`)
      if (what === 'HELP') {
        if (family.help !== undefined) faults.push(`${where}: a second HELP of '${name}'`)
        if (!/^(?:[^\\]|\\[\\n])*$/.test(rest)) faults.push(`${where}: a HELP with a bad escape`)
        family.help = rest
      } else {
        if (family.type !== undefined) faults.push(`${where}: a second TYPE of '${name}'`)
        if (!TYPES.includes(rest)) faults.push(`${where}: '${rest}' is no type`)
        family.type = rest
      }
    } else if (line.startsWith('#')) {
      if (/^#\s*(HELP|TYPE)\b/.test(line)) faults.push(`${where}: a malformed comment '${line}'`)
    } else {
      const sample = sampleIn(line, at + 1, faults)
      if (sample !== undefined) enter(familyOf(sample.name, families)).samples.push(sample)
    }
  }
  return families
}

/** `_bucket`, `_sum` and `_count` belong to the histogram or summary of that name. */
function familyOf(name: string, families: ReadonlyMap<string, Family>): string {
  const base = name.replace(/_(bucket|sum|count)$/, '')
  const type = base === name ? undefined : families.get(base)?.type
  return type === 'histogram' || type === 'summary' ? base : name
}

function sampleIn(line: string, at: number, faults: string[]): Sample | undefined {
  const fault = (what: string): undefined => {
    faults.push(`line ${at}: ${what}`)
    return undefined
  }
  const head = /^([^\s{]+)/.exec(line)?.[1] ?? ''
  if (!METRIC.test(head)) return fault(`'${head}' is no metric name`)
  let rest = line.slice(head.length)
  const labels = new Map<string, string>()
  if (rest.startsWith('{')) {
    rest = rest.slice(1)
    while (!rest.startsWith('}')) {
      const pair = /^([^=]+)="((?:[^"\\\n]|\\["\\n])*)"/.exec(rest)
      const [all = '', name = '', value = ''] = pair ?? []
      if (pair === null || !LABEL.test(name)) return fault(`labels that cannot be read: '${rest}'`)
      if (name.startsWith('__')) fault(`label '${name}' is reserved`)
      if (labels.has(name)) fault(`label '${name}' comes twice`)
      labels.set(name, value)
      rest = rest.slice(all.length)
      if (rest.startsWith(',')) rest = rest.slice(1)
      else if (!rest.startsWith('}')) return fault(`labels that cannot be read: '${rest}'`)
    }
    rest = rest.slice(1)
  }
  const [, value, time] = /^[ \t]+(\S+)(?:[ \t]+(\S+))?$/.exec(rest) ?? []
  if (value === undefined || !NUMBER.test(value)) return fault(`'${rest.trim()}' is no value`)
  if (time !== undefined && !/^-?\d+$/.test(time)) fault(`'${time}' is no timestamp`)
  return { line: at, name: head, labels, value: Number(value.replace('Inf', 'Infinity')) }
}

function* familyFaults({ name, help, type, samples }: Family): Iterable<string> {
  if (help === undefined || help.trim() === '') yield `'${name}' has no HELP`
  if (type === undefined) yield `'${name}' has no TYPE`
  if (type === 'counter' && !name.endsWith('_total')) yield `counter '${name}' does not end in _total`
  if (type !== 'counter' && name.endsWith('_total')) yield `'${name}' ends in _total and is no counter`
  if (/_(bucket|count|sum)$/.test(name)) yield `'${name}' has a reserved ending`
  if (type !== undefined && new RegExp(`_(${TYPES.join('|')})(_|$)`).test(name))
    yield `'${name}' has its type in its name`
  if (NOT_BASE.test(name)) yield `'${name}' is not in a base unit`
  if (/[A-Z]/.test(name)) yield `'${name}' is not in snake case`
  if (name.includes(':')) yield `'${name}' has a colon, which is for recording rules`
  const seen = new Set<string>()
  for (const sample of samples) {
    const series = seriesOf(sample)
    if (seen.has(series)) yield `line ${sample.line}: the series ${series} comes twice`
    seen.add(series)
    for (const label of sample.labels.keys()) {
      if (label === 'le' && type !== 'histogram') yield `'${name}' has a label 'le' and is no histogram`
      if (label === 'quantile' && type !== 'summary') yield `'${name}' has a label 'quantile' and is no summary`
      if (/[A-Z]/.test(label)) yield `label '${label}' of '${name}' is not in snake case`
    }
    if (type === 'counter' && !(sample.value >= 0)) yield `line ${sample.line}: a counter below zero`
  }
  if (type === 'histogram') yield* histogramFaults(name, samples)
}

function* histogramFaults(name: string, samples: readonly Sample[]): Iterable<string> {
  const series = new Map<string, Sample[]>()
  for (const sample of samples) {
    if (sample.name === name) yield `histogram '${name}' has a sample without _bucket, _sum or _count`
    const key = seriesOf({ ...sample, name }, ['le'])
    series.set(key, [...(series.get(key) ?? []), sample])
  }
  for (const [key, all] of series) {
    const buckets = all.filter((one) => one.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels }) => Number((labels.get('le') ?? 'NaN').replace('Inf', 'Infinity')))
    if (bounds.some((bound, n) => !(bound > (bounds[n - 1] ?? Number.NEGATIVE_INFINITY))))
      yield `${key}: its buckets do not grow`
    if (buckets.some(({ value }, n) => value < (buckets[n - 1]?.value ?? 0)))
      yield `${key}: its counts are not cumulative`
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) yield `${key}: its last bucket is not +Inf`
    const count = all.find((one) => one.name === `${name}_count`)
    if (count === undefined) yield `${key}: it has no _count`
    else if (count.value !== buckets.at(-1)?.value) yield `${key}: its _count is not that of +Inf`
    if (!all.some((one) => one.name === `${name}_sum`)) yield `${key}: it has no _sum`
  }
}

function seriesOf({ name, labels }: Pick<Sample, 'name' | 'labels'>, but: readonly string[] = []): string {
  const pairs = [...labels].filter(([label]) => !but.includes(label)).sort(([a], [b]) => (a < b ? -1 : 1))
  return `${name}{${pairs.map(([label, text]) => `${label}="${text}"`).join(',')}}`
}
