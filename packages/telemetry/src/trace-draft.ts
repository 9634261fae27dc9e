/** Nodes of a trace tree while it is built: with their parents, and with Python calls that are not opened yet. */
import type { PythonCall, Span } from './spans.ts'
import type { TraceNode } from './trace-tree.ts'

export type Draft = { -readonly [K in keyof Omit<TraceNode, 'children'>]: TraceNode[K] } & {
  readonly children: Draft[]
  parent?: Draft
  calls?: readonly PythonCall[]
}

/** Gives every draft a way to a root. */
export function cutCycles(drafts: ReadonlyMap<string, Draft>, roots: Draft[]): void {
  const reached = new Set<Draft>()
  const reach = (from: Draft) => {
    const open = [from]
    for (let draft = open.pop(); draft !== undefined; draft = open.pop()) {
      if (reached.has(draft)) continue
      reached.add(draft)
      open.push(...draft.children)
    }
  }
  for (const root of roots) reach(root)
  for (const draft of drafts.values()) {
    if (reached.has(draft)) continue
    const siblings = draft.parent?.children ?? []
    siblings.splice(siblings.indexOf(draft), 1)
    draft.cut = 'cycle'
    roots.push(draft)
    reach(draft)
  }
}

/**
 * The Python calls of an effect become its first children, with their spans as they were nested there. Only durations are
 * recorded, so calls are placed one after the other and the last one at the end.
 * @returns how many spans the workers had left out
 */
export function openCalls(effect: Draft): number {
  const { calls } = effect
  if (calls === undefined) return 0
  delete effect.calls
  const endedAt = effect.at + (effect.durationMs ?? 0)
  let at = effect.at
  const opened = calls.map((call, n) => {
    const last = n === calls.length - 1
    const draft = callDraft(call, effect, n + 1, last ? Math.max(effect.at, endedAt - call.wallMs) : at, last)
    at += call.wallMs
    return draft
  })
  effect.children.unshift(...opened)
  return calls.reduce((sum, { dropped }) => sum + dropped, 0)
}

function callDraft(call: PythonCall, effect: Draft, n: number, at: number, last: boolean): Draft {
  const id = `${effect.id}/python:${n}`
  const drafts = new Map(call.spans.map((span) => [span.id, spanDraft(span, id, at)]))
  const roots: Draft[] = []
  for (const span of call.spans) {
    const draft = drafts.get(span.id)
    const parent = span.parent === undefined ? undefined : drafts.get(span.parent)
    if (draft === undefined) continue
    if (parent === undefined || parent === draft) roots.push(draft)
    else {
      draft.parent = parent
      parent.children.push(draft)
    }
  }
  cutCycles(drafts, roots)
  return {
    id,
    kind: 'python',
    name: call.fn ?? effect.name,
    at,
    durationMs: call.wallMs,
    status: last ? effect.status : 'ok',
    detail: call.worker,
    children: roots,
    ...(call.dropped > 0 && { hidden: call.dropped }),
  }
}

function spanDraft(span: Span, call: string, at: number): Draft {
  return {
    id: `${call}/${span.id}`,
    kind: 'span',
    name: span.name,
    at: at + span.startMs,
    durationMs: span.endMs - span.startMs,
    status: span.failed ? 'error' : 'ok',
    detail: span.kind,
    ...(span.data !== undefined && { data: span.data }),
    children: [],
  }
}
