/**
 * One branch of a run's trace: from the session down to a model call of the best trial.
 *
 * 1. Only nodes of the log's own tree are shown; what is left out beside the branch is counted where it is missing.
 */
import type { Address } from '@troupe/core'
import type { EventIndex, TraceNode, TraceTree } from '@troupe/telemetry'

const WHOLE = { maxNodes: 500_000, maxDepth: 64 }

export function bestTrialTrace(index: EventIndex, study: Address, trial: number): TraceTree | undefined {
  const correlation = index.events({ actor: study, event: 'run', limit: 1 })[0]?.correlation
  const tree = correlation === undefined ? undefined : index.getTraceTree(correlation, WHOLE)
  if (tree === undefined) return undefined
  // A trial is a child of the study under the id `trial-<number>`; its effects carry that path in their id.
  const ofTrial = new RegExp(`/trial-${trial}:`)
  const isGoal = (node: TraceNode, inside: boolean) => inside && node.kind === 'span' && node.detail === 'lm'
  const branch = tree.roots.map((root) => branchTo(root, ofTrial, isGoal, false)).find((found) => found !== undefined)
  return branch && { ...tree, roots: [branch], hidden: 0 }
}

/** The node with only the child that leads to the goal; undefined when none does. */
function branchTo(
  node: TraceNode,
  within: RegExp,
  isGoal: (node: TraceNode, inside: boolean) => boolean,
  inside: boolean,
): TraceNode | undefined {
  const nowInside = inside || within.test(node.id)
  const { children, ...self } = node
  if (isGoal(node, nowInside)) return node
  for (const child of children) {
    const found = branchTo(child, within, isGoal, nowInside)
    if (found === undefined) continue
    const beside = children.filter((other) => other !== child).reduce((sum, other) => sum + sizeOf(other), 0)
    const hidden = beside + (node.hidden ?? 0)
    return { ...self, children: [found], ...(hidden > 0 && { hidden }) }
  }
  return undefined
}

function sizeOf({ children, hidden = 0 }: TraceNode): number {
  return children.reduce((sum, child) => sum + sizeOf(child), 1 + hidden)
}
