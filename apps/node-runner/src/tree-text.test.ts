import type { TraceNode } from '@troupe/telemetry'
import { expect, test } from 'vitest'
import { treeText } from './tree-text.ts'

const node = (name: string, children: TraceNode[] = [], more: Partial<TraceNode> = {}): TraceNode => ({
  id: name,
  kind: 'step',
  name,
  actor: 'a/1',
  detail: 'message',
  at: 1_000,
  status: 'applied',
  children,
  ...more,
})

test('a tree is drawn with its branches, times, troubles and what is hidden', () => {
  const python = node('score', [], {
    kind: 'python',
    detail: 'w1',
    durationMs: 2.5,
    at: 1_004,
    status: 'ok',
    hidden: 3,
  })
  const id = 'a/1/trial-0:1/evaluate:1@1:2'
  const effect = node('evaluate', [python], { id, kind: 'effect', detail: 'idempotent', durationMs: 12, status: 'ok' })
  const refused = node('stop', [], { status: 'rejected', error: 'EventNotAccepted: no', at: 1_020 })
  const root = node('run', [effect, refused], { node: 'one' })
  expect(treeText({ correlation: 'c', events: 3, nodes: 4, hidden: 3, roots: [root] })).toEqual([
    'a/1 run @one  +0 ms',
    '├─ effect evaluate in trial-0:1 (idempotent) 12 ms  +0 ms',
    '│  └─ python score on w1 2.5 ms  +4 ms',
    '│     └─ … 3 nodes not shown',
    '└─ a/1 stop  ! EventNotAccepted: no  +20 ms',
    '3 nodes left out; --nodes and --depth show more',
  ])
})
