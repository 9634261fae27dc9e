/**
 * What happened inside an effect, read from its evidence, as spans: Python calls with what DSPy did in them, and the tries of a
 * predicted signature. Pure.
 *
 * 1. Evidence is data from outside: what is not of the expected shape gives no span.
 * 2. Model calls carry OpenTelemetry's GenAI attributes. Prompts and answers are not in the log, and not in a span.
 */
import { field, numberIn, textIn } from '../fields.ts'
import { predictionsIn, SERVICE } from '../model-calls.ts'
import { pythonCallsIn } from '../spans.ts'
import { type Draft, openCalls } from '../trace-draft.ts'
import { type Attributes, type AttributeValue, type LogSpan, spanIdOf } from './log-span.ts'

export interface EndedEffect {
  readonly id: string
  /** Of this try, when it is not the only one. */
  readonly tryId: string
  readonly name: string
  readonly startMs: number
  readonly endMs: number
  readonly failed: boolean
  readonly traceId: string
  readonly node?: string
}

export function insideSpans(effect: EndedEffect, evidence: unknown): LogSpan[] {
  return [...pythonSpans(effect, evidence), ...trySpans(effect, evidence)]
}

function pythonSpans(effect: EndedEffect, evidence: unknown): LogSpan[] {
  const calls = pythonCallsIn(evidence)
  if (calls.length === 0) return []
  const draft: Draft = {
    id: effect.tryId,
    kind: 'effect',
    name: effect.name,
    at: effect.startMs,
    durationMs: effect.endMs - effect.startMs,
    status: effect.failed ? 'error' : 'ok',
    children: [],
    calls,
  }
  openCalls(draft)
  const spans: LogSpan[] = []
  const open = draft.children.map((child) => ({ child, parentId: spanIdOf('effect', effect.id) }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const span = spanOf(next.child, effect, next.parentId)
    spans.push(span)
    for (const child of next.child.children) open.push({ child, parentId: span.spanId })
  }
  return spans
}

function spanOf(draft: Draft, { traceId, node }: EndedEffect, parentId: string): LogSpan {
  const failed = draft.status === 'error'
  return {
    traceId,
    spanId: spanIdOf('inside', draft.id),
    parentId,
    ...said(draft),
    startMs: draft.at,
    endMs: draft.at + (draft.durationMs ?? 0),
    ...(failed && { error: 'PythonError' }),
    ...(node !== undefined && { node }),
  }
}

function said({ kind, name, detail = '', data, hidden }: Draft): Pick<LogSpan, 'name' | 'kind' | 'attributes'> {
  if (kind === 'python') {
    const dropped = hidden === undefined ? {} : { 'troupe.spans.dropped': hidden }
    const attributes = { 'code.function.name': name, 'troupe.worker': detail, ...dropped }
    return { name: `python ${name}`, kind: 'server', attributes }
  }
  if (detail === 'lm') {
    const model = textIn(data, 'model') ?? name
    return { name: `chat ${model}`, kind: 'client', attributes: modelAttributes(model, SERVICE, data) }
  }
  if (detail === 'tool') {
    const attributes = { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': name }
    return { name: `execute_tool ${name}`, kind: 'internal', attributes }
  }
  return { name: `${detail} ${name}`, kind: 'internal', attributes: { 'dspy.kind': detail } }
}

function trySpans(effect: EndedEffect, evidence: unknown): LogSpan[] {
  return predictionsIn(evidence).flatMap(({ key, use, model, provider, tries }) =>
    tries.map((one, n) => {
      const id = use === 0 ? key : `${key}#${use}`
      return trySpan(effect, one, `${effect.tryId}/${id}:${n + 1}`, model, provider, n + 1)
    }),
  )
}

function trySpan(effect: EndedEffect, one: unknown, id: string, model: string, provider: string, n: number): LogSpan {
  const faults = field(one, 'faults')
  const error = codeIn(one) ?? (Array.isArray(faults) && faults.length > 0 ? 'MalformedAnswer' : undefined)
  const startMs = timeOf(effect, numberIn(one, 'startMs')) ?? effect.startMs
  const endMs = timeOf(effect, numberIn(one, 'endMs')) ?? effect.endMs
  const [format, costUsd] = [textIn(one, 'format'), numberIn(one, 'costUsd')]
  const { traceId, node } = effect
  return {
    traceId,
    spanId: spanIdOf('inside', id),
    parentId: spanIdOf('effect', effect.id),
    name: `chat ${model}`,
    kind: 'client',
    startMs,
    endMs: Math.max(startMs, endMs),
    ...(error !== undefined && { error }),
    attributes: {
      ...modelAttributes(model, provider, field(one, 'usage')),
      'troupe.predict.try': n,
      ...(format !== undefined && { 'troupe.predict.format': format }),
      ...(Array.isArray(faults) && { 'troupe.predict.faults': faults.length }),
      ...(costUsd !== undefined && { 'troupe.model_call.cost_usd': costUsd }),
    },
    ...(node !== undefined && { node }),
  }
}

/** What is no code may say what was in the request: only its first word is told. */
const codeIn = (one: unknown): string | undefined => {
  const error = textIn(one, 'error')
  return error === undefined ? undefined : (/^\w+/.exec(error)?.[0] ?? 'Error')
}

/** Small numbers count from the begin of the effect, large ones from 1970. */
const timeOf = (effect: EndedEffect, ms: number | undefined): number | undefined =>
  ms === undefined || ms > 1e11 ? ms : effect.startMs + ms

function modelAttributes(model: string, provider: string, data: unknown): Attributes {
  const optional: readonly (readonly [string, AttributeValue | undefined])[] = [
    ['gen_ai.usage.input_tokens', numberIn(data, 'promptTokens')],
    ['gen_ai.usage.output_tokens', numberIn(data, 'completionTokens')],
    ['gen_ai.request.temperature', numberIn(data, 'temperature')],
    ['troupe.model_call.id', textIn(data, 'llmCall')],
  ]
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': provider,
    'gen_ai.request.model': model,
    ...Object.fromEntries(optional.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
  }
}
