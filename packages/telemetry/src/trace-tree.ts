/**
 * The causal tree of one correlation: steps under the steps that led to them, effects between a step and their results, under
 * an effect what it asked of another actor, or what happened inside its Python call. Pure: events in, a tree out.
 *
 * 1. Any order of events gives the same tree; children come in the order of commits.
 * 2. Bounded: `maxNodes` nodes, `maxDepth` levels. What is left out is counted where it is missing (`hidden`), breadth first,
 *    so the top of a large tree is always whole.
 * 3. Every event is in the tree once or counted as hidden: a cause that is not there makes a root (`missing`), a cycle of
 *    causes is cut at its earliest event (`cut`).
 * 4. No recursion before the bounds: a chain of 100,000 steps is not deeper than the stack.
 * 5. What an actor goes on with by itself (results of its effects, its timers) stands beside what it follows, under the message
 *    that began it, and names its `cause`: a study of a thousand trials is as deep as one of a single trial. `strict` puts every
 *    step under its direct cause instead.
 */
import type { EffectFacts, LoggedEvent } from './logged-event.ts'
import { pythonCallsIn } from './spans.ts'
import { cutCycles, type Draft, openCalls } from './trace-draft.ts'

export interface TraceNode {
  readonly id: string
  readonly kind: 'step' | 'effect' | 'python' | 'span'
  /** Event type, effect, function or span. */
  readonly name: string
  readonly at: number
  readonly durationMs?: number
  /** `open`: an effect without a result so far; `stopped`: one whose machine went on without it. */
  readonly status: 'applied' | 'rejected' | 'error' | 'open' | 'ok' | 'stopped'
  readonly actor?: string
  readonly node?: string
  readonly error?: string
  /** Of a step its input kind, of an effect its class, of a span its kind, of a Python call the worker. */
  readonly detail?: string
  readonly data?: unknown
  readonly children: readonly TraceNode[]
  /** Nodes under this one that the bounds left out. */
  readonly hidden?: number
  /** The step that led to it, when that is not the node above. */
  readonly cause?: string
  /** The step that led to it and is not in the index. */
  readonly missing?: string
  readonly cut?: 'cycle'
}

export interface TraceTree {
  readonly correlation: string
  readonly events: number
  readonly nodes: number
  readonly hidden: number
  readonly roots: readonly TraceNode[]
}

export interface TraceBounds {
  /** @defaultValue 20_000 */
  readonly maxNodes?: number
  /** @defaultValue 256 */
  readonly maxDepth?: number
  /** @defaultValue false */
  readonly strict?: boolean
}

const STEP_ID = /#\d+:\d+$/

export function traceTree(correlation: string, events: Iterable<LoggedEvent>, bounds: TraceBounds = {}): TraceTree {
  const { maxNodes = 20_000, maxDepth = 256, strict = false } = bounds
  const sorted = [...events].sort((a, b) => a.order - b.order)
  const drafts = new Map<string, Draft>()
  for (const event of sorted) {
    drafts.set(event.id, stepDraft(event))
    for (const effect of event.began ?? []) drafts.set(effect.id, effectDraft(event.actor, effect, event.at))
  }
  const asked = askedBy(sorted, drafts)
  const begun = strict ? undefined : new Map<string, Draft>()
  for (const event of sorted) place(event, drafts, asked, begun)
  markStopped(sorted, drafts)
  const roots: Draft[] = []
  for (const draft of drafts.values()) {
    if (draft.parent === undefined) roots.push(draft)
    else draft.parent.children.push(draft)
  }
  cutCycles(drafts, roots)
  const kept = bound(roots, maxNodes, maxDepth)
  return { correlation, events: sorted.length, ...kept, roots: roots.slice(0, kept.roots).map(finished) }
}

function stepDraft({ id, event, kind, at, outcome, actor, node, error }: LoggedEvent): Draft {
  return {
    id,
    kind: 'step',
    name: event,
    at,
    status: outcome,
    actor,
    ...(node !== undefined && { node }),
    ...(error !== undefined && { error }),
    detail: kind,
    children: [],
  }
}

function effectDraft(actor: string, { id, name, class: detail }: EffectFacts, at: number): Draft {
  return { id, kind: 'effect', name, at, status: 'open', actor, detail, children: [] }
}

const pair = ({ actor, causation }: LoggedEvent): string => `${causation} ${actor}`

/** Which effect asked an actor, for the step that its activation put before the answer. */
function askedBy(events: readonly LoggedEvent[], drafts: ReadonlyMap<string, Draft>): ReadonlyMap<string, Draft> {
  const asked = new Map<string, Draft>()
  for (const event of events) {
    const effect = event.key === undefined ? undefined : drafts.get(event.key)
    if (effect?.kind === 'effect') asked.set(pair(event), effect)
  }
  return asked
}

/**
 * Sets the parent of a step and of the effects it began; tells an effect of its result.
 * @param begun by step, the step whose message began what it goes on with; absent: every step stands for itself
 */
function place(
  event: LoggedEvent,
  drafts: Map<string, Draft>,
  asked: ReadonlyMap<string, Draft>,
  begun: Map<string, Draft> | undefined,
): void {
  const draft = drafts.get(event.id)
  if (draft === undefined) return
  const { causation } = event
  const direct = causation === event.id ? undefined : drafts.get(causation)
  const goesOn = event.kind !== 'message' && direct?.actor === event.actor
  const beginning = (goesOn && begun?.get(causation)) || direct
  begun?.set(event.id, goesOn && beginning !== undefined ? beginning : draft)
  for (const { id } of event.began ?? []) put(drafts.get(id), begun?.get(event.id) ?? draft, event.id)
  if (event.effect === undefined) {
    const asking = event.kind === 'init' ? asked.get(pair(event)) : drafts.get(event.key ?? '')
    put(draft, asking ?? beginning, causation)
    return
  }
  let effect = drafts.get(event.effect.id)
  if (effect === undefined) {
    effect = effectDraft(event.actor, event.effect, direct?.at ?? event.at)
    put(effect, beginning, causation)
    drafts.set(effect.id, effect)
  }
  draft.parent = effect
  if (event.kind === 'effect.done' || event.kind === 'effect.error') {
    effect.status = event.kind === 'effect.done' ? 'ok' : 'error'
    effect.durationMs = event.at - effect.at
    const calls = pythonCallsIn(event.evidence)
    if (calls.length > 0) effect.calls = calls
  }
}

/** @param cause id of the step that led to it; a client's command has no step */
function put(draft: Draft | undefined, parent: Draft | undefined, cause: string): void {
  if (draft === undefined) return
  if (parent !== undefined) draft.parent = parent
  else if (STEP_ID.test(cause) && cause !== draft.id) draft.missing = cause
  if (parent?.kind === 'step' && parent.id !== cause) draft.cause = cause
}

function markStopped(events: readonly LoggedEvent[], drafts: ReadonlyMap<string, Draft>): void {
  const open = new Map<string, Draft>()
  for (const draft of drafts.values()) {
    if (draft.status === 'open') open.set(draft.id.slice(0, draft.id.lastIndexOf('@')), draft)
  }
  for (const { actor, stopped = [], at } of events) {
    for (const path of stopped) {
      const effect = open.get(`${actor}${path}`)
      if (effect === undefined) continue
      effect.status = 'stopped'
      effect.durationMs = at - effect.at
    }
  }
}

/** Walks breadth first, opens Python calls on the way, and cuts what is beyond the bounds. */
function bound(roots: Draft[], maxNodes: number, maxDepth: number): { nodes: number; hidden: number; roots: number } {
  const keptRoots = Math.min(roots.length, maxNodes)
  let hidden = roots.slice(keptRoots).reduce((sum, root) => sum + sizeOf(root), 0)
  let nodes = keptRoots
  let level = roots.slice(0, keptRoots)
  for (let depth = 1; level.length > 0; depth++) {
    const next: Draft[] = []
    for (const draft of level) {
      hidden += openCalls(draft)
      const { children } = draft
      const room = depth >= maxDepth ? 0 : Math.max(0, maxNodes - nodes)
      const left = children.splice(Math.min(children.length, room))
      if (left.length > 0) {
        const cut = left.reduce((sum, child) => sum + sizeOf(child), 0)
        draft.hidden = (draft.hidden ?? 0) + cut
        hidden += cut
      }
      nodes += children.length
      for (const child of children) next.push(child)
    }
    level = next
  }
  return { nodes, hidden, roots: keptRoots }
}

function sizeOf(draft: Draft): number {
  let size = 0
  const open = [draft]
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    size += 1 + (one.calls ?? []).reduce((sum, call) => sum + 1 + call.spans.length, 0)
    for (const child of one.children) open.push(child)
  }
  return size
}

/** Drops what only the building needed; the tree is at most `maxDepth` deep, so nothing here can overflow. */
function finished(draft: Draft): TraceNode {
  const { parent: _, calls: __, children, ...node } = draft
  return { ...node, children: children.map(finished) }
}
