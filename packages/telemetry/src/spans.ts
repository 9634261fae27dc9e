/**
 * What Python calls report of their inside, read from an effect's evidence: that of its newest call (`docs/protocol.md`: fn,
 * worker, wallMs, spans, dropped), with the calls before it under `earlier`.
 *
 * 1. Evidence is data from outside: anything that is not of the expected shape is left out, nothing is trusted to exist.
 * 2. Parents may follow their children; a parent that is not in the list, or a cycle, makes a root.
 */
import { field, numberIn, textIn } from './fields.ts'

export interface Span {
  readonly id: string
  readonly parent: string | undefined
  readonly kind: string
  readonly name: string
  readonly startMs: number
  readonly endMs: number
  readonly failed: boolean
  readonly data?: unknown
}

export interface PythonCall {
  readonly fn?: string
  readonly worker: string
  readonly wallMs: number
  readonly spans: readonly Span[]
  /** Spans the worker left out. */
  readonly dropped: number
}

/** In the order they were made; none when the evidence is not of Python calls. */
export function pythonCallsIn(evidence: unknown): PythonCall[] {
  const earlier = field(evidence, 'earlier')
  return [...(Array.isArray(earlier) ? earlier.flatMap(callIn) : []), ...callIn(evidence)]
}

function callIn(evidence: unknown): PythonCall[] {
  const worker = textIn(evidence, 'worker')
  if (worker === undefined) return []
  const fn = textIn(evidence, 'fn')
  const spans = field(evidence, 'spans')
  const [wallMs, dropped] = [numberIn(evidence, 'wallMs') ?? 0, numberIn(evidence, 'dropped') ?? 0]
  return [
    {
      ...(fn !== undefined && { fn }),
      worker,
      wallMs,
      spans: Array.isArray(spans) ? spans.flatMap(spanIn) : [],
      dropped,
    },
  ]
}

function spanIn(value: unknown): Span[] {
  const [id, parent, kind, name] = ['id', 'parent', 'kind', 'name'].map((key) => field(value, key))
  if (typeof kind !== 'string' || (typeof id !== 'string' && typeof id !== 'number')) return []
  const startMs = numberIn(value, 'startMs') ?? 0
  const data = field(value, 'data')
  return [
    {
      id: String(id),
      parent: typeof parent === 'string' || typeof parent === 'number' ? String(parent) : undefined,
      kind,
      name: typeof name === 'string' ? name : kind,
      startMs,
      endMs: numberIn(value, 'endMs') ?? startMs,
      failed: field(value, 'status') === 'error',
      ...(data !== undefined && { data }),
    },
  ]
}
