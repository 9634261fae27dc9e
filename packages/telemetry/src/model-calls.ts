/**
 * The model calls of one effect, read from its evidence: those that Python made (`lm` spans), those of `predict` and `direct`
 * (tries), whatever stands around them. Pure.
 *
 * 1. Evidence is data from outside: what is not of the expected shape is no call.
 * 2. A call is there once: what a `routed` or a `protect` around it says of its calls only adds what the calls do not say
 *    themselves: a price, and how many of them the record has lost (`unseen`).
 * 3. Unknown is not zero, and nothing is worked out: tokens and costs are there where they were recorded.
 */
import { field, numberIn, textIn } from './fields.ts'
import { pythonCallsIn, type Span } from './spans.ts'

/** Provider of a call that goes through our model service, which alone knows who is behind it. */
export const SERVICE = 'troupe'

export interface AskedModel {
  readonly provider: string
  readonly model: string
  /** It gave no answer. An answer that nobody could use has been given, and paid. */
  readonly failed: boolean
  /** Of the call at the model service: the same call has the same id wherever it is told of. */
  readonly id?: string
  readonly usage?: { readonly promptTokens: number; readonly completionTokens: number }
  readonly costUsd?: number
}

export interface ModelCalls {
  readonly calls: readonly AskedModel[]
  /** Spans, calls and tries that the record only counts: model calls may be among them. */
  readonly unseen: number
}

export function modelCallsIn(evidence: unknown): ModelCalls {
  const python = pythonCallsIn(evidence)
  const fromPython = python.flatMap(({ spans }) => spans.filter(({ kind }) => kind === 'lm').map(pythonCall))
  const dropped = python.reduce((sum, call) => sum + call.dropped, 0)
  const predicted = predictionsIn(evidence)
  const tried = predicted.map(({ model, provider, tries }) => tries.map((one) => tryCall(one, model, provider)))
  const routes = routesIn(evidence)
  const calls = [...fromPython, ...priced(tried, routes).flat()]
  const lost = Math.max(0, sumOf(routes, ({ calls }) => calls) - sumOf(tried, ({ length }) => length))
  const gone = sumOf(recordsIn(evidence), ([key, record]) => predictionOf(key, record)?.dropped ?? 0)
  const repeated = predicted.length > 0 ? Math.max(0, leftIn(evidence) - predicted.length - gone) : 0
  return { calls, unseen: dropped + lost + gone + repeated }
}

// ── Python ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function pythonCall({ name, data, failed }: Span): AskedModel {
  const id = textIn(data, 'llmCall')
  return {
    provider: SERVICE,
    model: textIn(data, 'model') ?? name,
    failed,
    ...(id !== undefined && { id }),
    ...usageIn(data),
  }
}

// ── predict and direct ────────────────────────────────────────────────────────────────────────────────────────────────

/** One use of a model. */
export interface Prediction {
  /** `<effect>@<model>` */
  readonly key: string
  /** Of all uses under this key, those that the record has lost among them: the newest is the last. */
  readonly use: number
  readonly model: string
  readonly provider: string
  readonly tries: readonly unknown[]
}

/** `{"<effect>@<model>": {provider, tries: [{format, usage?, costUsd?, faults?, error?, startMs?, endMs?}], earlier?, dropped?}}` */
export function predictionsIn(evidence: unknown): Prediction[] {
  return recordsIn(evidence).flatMap(([key, record]) => {
    const { uses = [], dropped = 0 } = predictionOf(key, record) ?? {}
    const model = key.slice(key.lastIndexOf('@') + 1)
    return uses.flatMap((one, n): Prediction[] => {
      const [tries, provider] = [field(one, 'tries'), textIn(one, 'provider')]
      return Array.isArray(tries) && provider !== undefined ? [{ key, use: dropped + n, model, provider, tries }] : []
    })
  })
}

/** The uses of a model, oldest first. What `protect` says of its tries names no provider. */
function predictionOf(
  key: string,
  record: unknown,
): { readonly uses: unknown[]; readonly dropped: number } | undefined {
  const isOne = key.lastIndexOf('@') > 0 && Array.isArray(field(record, 'tries'))
  if (!isOne || textIn(record, 'provider') === undefined) return undefined
  const earlier = field(record, 'earlier')
  return { uses: [...(Array.isArray(earlier) ? earlier : []), record], dropped: numberIn(record, 'dropped') ?? 0 }
}

function tryCall(one: unknown, model: string, provider: string): AskedModel {
  const costUsd = numberIn(one, 'costUsd')
  const failed = textIn(one, 'error') !== undefined
  return { provider, model, failed, ...usageIn(field(one, 'usage')), ...(costUsd !== undefined && { costUsd }) }
}

// ── What is around them ───────────────────────────────────────────────────────────────────────────────────────────────

interface AskedRoute {
  readonly calls: number
  readonly costUsd: number | undefined
}

/** `{"routed.<signature>": {selection, asked: [{route, ended, calls, ms, costUsd?}]}}` */
function routesIn(evidence: unknown): AskedRoute[] {
  return recordsIn(evidence).flatMap(([, record]) => {
    const asked = field(record, 'asked')
    if (!Array.isArray(asked)) return []
    return asked.map((one) => ({ calls: numberIn(one, 'calls') ?? 0, costUsd: numberIn(one, 'costUsd') }))
  })
}

/** With what a route has cost, where only one model can be the one that it asked: by how many calls there were, and any to pay. */
function priced(tried: readonly AskedModel[][], routes: readonly AskedRoute[]): AskedModel[][] {
  const paid = routes.filter(({ calls, costUsd }) => calls > 0 && costUsd !== undefined)
  const payable = tried.filter((calls) =>
    calls.some(({ usage, costUsd }) => usage !== undefined || costUsd !== undefined),
  )
  return tried.map((calls) => {
    const [route, ...more] = paid.filter((one) => one.calls === calls.length)
    const [mine, ...rivals] = payable.filter(({ length }) => length === calls.length)
    if (route?.costUsd === undefined || more.length + rivals.length > 0 || mine !== calls) return calls
    if (calls.some(({ costUsd }) => costUsd !== undefined)) return calls
    const first = calls.findIndex(({ failed }) => !failed)
    return calls.map((call, n) => (call.failed ? call : { ...call, costUsd: n === first ? (route.costUsd ?? 0) : 0 }))
  })
}

/** Tries of a `protect` that never left, so that they can hide no call. */
const NEVER_LEFT = new Set(['BreakerOpen', 'LimitReached', 'Busy', 'CostRefused'])

/** Tries of each `protect`, in all its uses, that may have reached a model: as many uses may a `predict` in it tell of. */
function leftIn(evidence: unknown): number {
  return sumOf(recordsIn(evidence), ([, record]) => {
    const [tries, before] = [field(record, 'tries'), field(record, 'earlier')]
    if (!Array.isArray(tries) || textIn(record, 'provider') !== undefined) return 0
    const uses = Array.isArray(before) ? before.map((use) => field(use, 'tries')) : []
    const all = [...uses, tries].flatMap((some): unknown[] => (Array.isArray(some) ? some : []))
    const left = all.filter((one) => !NEVER_LEFT.has(textIn(one, 'ended') ?? '')).length
    return left + (numberIn(record, 'dropped') ?? 0)
  })
}

// ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Python's bridge writes two zeros for a usage that it was not told: no prompt is empty. */
function usageIn(data: unknown): Pick<AskedModel, 'usage'> {
  const [promptTokens, completionTokens] = [numberIn(data, 'promptTokens'), numberIn(data, 'completionTokens')]
  if (promptTokens === undefined && completionTokens === undefined) return {}
  if (!promptTokens && !completionTokens) return {}
  return { usage: { promptTokens: promptTokens ?? 0, completionTokens: completionTokens ?? 0 } }
}

function recordsIn(evidence: unknown): (readonly [string, unknown])[] {
  return typeof evidence === 'object' && evidence !== null ? Object.entries(evidence) : []
}

const sumOf = <T>(items: readonly T[], figure: (item: T) => number): number =>
  items.reduce((sum, item) => sum + figure(item), 0)
