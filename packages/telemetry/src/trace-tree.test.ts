import { expect, test } from 'vitest'
import type { LoggedEvent } from './logged-event.ts'
import { type TraceNode, traceTree } from './trace-tree.ts'

let order = 0
function step(id: string, causation: string, more: Partial<LoggedEvent> = {}): LoggedEvent {
  order += 1
  const actor = id.slice(0, id.indexOf('#'))
  return {
    order,
    id,
    actor,
    type: actor.slice(0, actor.indexOf('/')),
    epoch: 1,
    seq: Number(id.slice(id.lastIndexOf(':') + 1)),
    kind: 'message',
    event: 'go',
    at: order,
    correlation: 'c',
    causation,
    outcome: 'applied',
    ...more,
  }
}

/** `kind name` per line, indented. */
function lines(nodes: readonly TraceNode[], indent = ''): string[] {
  return nodes.flatMap((node) => [`${indent}${node.kind} ${node.name}`, ...lines(node.children, `${indent}  `)])
}

const effect = { id: 'trial/1/evaluate:1@1:1', name: 'evaluate', class: 'idempotent' }

test('a tree goes from session over study and trial to the calls inside Python', () => {
  const spans = [
    { id: 's2', parent: 's1', kind: 'lm', name: 'openai/x', startMs: 1, endMs: 3, status: 'ok', data: { tokens: 7 } },
    { id: 's1', parent: null, kind: 'module', name: 'Predict', startMs: 0, endMs: 4, status: 'ok' },
    { id: 's3', parent: 's2', kind: 'lm', name: 'repair', startMs: 2, endMs: 3, status: 'error' },
  ]
  const events = [
    step('session/s#1:1', 'client', { event: 'start' }),
    step('study/a#1:1', 'session/s#1:1', { event: 'run' }),
    step('trial/1#1:1', 'study/a#1:1', { event: 'begin', began: [effect] }),
    step('trial/1#1:2', 'trial/1#1:1', {
      kind: 'effect.done',
      event: 'xstate.promise.resolve',
      effect,
      evidence: { worker: 'w1', fn: 'score', wallMs: 4, spans, dropped: 2 },
    }),
  ]
  for (const given of [events, events.toReversed()]) {
    const tree = traceTree('c', given)
    expect(lines(tree.roots)).toEqual([
      'step start',
      '  step run',
      '    step begin',
      '      effect evaluate',
      '        python score',
      '          span Predict',
      '            span openai/x',
      '              span repair',
      '        step xstate.promise.resolve',
    ])
    expect(tree).toMatchObject({ events: 4, nodes: 9, hidden: 2 })
  }
})

test('every call of an effect is shown, in the order they were made', () => {
  const earlier = [
    { worker: 'w1', fn: 'load', wallMs: 2, spans: [{ id: 's', kind: 'tool', name: 'disk' }] },
    'nonsense',
  ]
  const evidence = { worker: 'w2', fn: 'score', wallMs: 5, earlier }
  const [root] = traceTree('c', [
    step('trial/1#1:1', 'client', { began: [effect], at: 100 }),
    step('trial/1#1:2', 'trial/1#1:1', { kind: 'effect.error', effect, evidence, at: 110 }),
  ]).roots
  const calls = root?.children[0]?.children.slice(0, 2)
  expect(calls?.map(({ name, at, status, detail }) => [name, at, status, detail])).toEqual([
    ['load', 100, 'ok', 'w1'],
    ['score', 105, 'error', 'w2'],
  ])
  expect(calls?.[0]?.children[0]?.name).toBe('disk')
})

test('what an effect asks of another actor is under the effect, the activation of that actor too', () => {
  const ask = { ...effect, id: 'study/a/ask:1@1:1', name: 'ask trial.begin' }
  const [root] = traceTree('c', [
    step('study/a#1:1', 'client', { began: [ask] }),
    step('trial/1#1:1', 'study/a#1:1', { kind: 'init', event: 'trial' }),
    step('trial/1#1:2', 'study/a#1:1', { key: ask.id }),
    step('log/x#1:1', 'study/a#1:1'),
  ]).roots
  expect(lines(root?.children ?? [])).toEqual(['effect ask trial.begin', '  step trial', '  step go', 'step go'])
})

test('an effect without a result is open, one that its machine left is stopped', () => {
  const other = { ...effect, id: 'trial/1/wait:1@1:1', name: 'wait' }
  const begin = step('trial/1#1:1', 'client', { began: [effect, other] })
  const [root] = traceTree('c', [begin, step('trial/1#1:2', 'trial/1#1:1', { stopped: ['/wait:1'] })]).roots
  expect(root?.children.map(({ name, status }) => `${name} ${status}`)).toEqual([
    'evaluate open',
    'wait stopped',
    'go applied',
  ])
})

test('tree/5: what an actor goes on with stands beside what it follows, or strictly under its cause', () => {
  const began = (seq: number) => ({ ...effect, id: `study/a/trial:${seq}@1:${seq}`, name: `trial ${seq}` })
  const events = [1, 2, 3].map((seq) => {
    const taken = seq === 1 ? {} : { kind: 'effect.done' as const, effect: began(seq - 1) }
    return step(`study/a#1:${seq}`, seq === 1 ? 'client' : `study/a#1:${seq - 1}`, { began: [began(seq)], ...taken })
  })
  const timer = step('study/a#1:4', 'study/a#1:3', { kind: 'timer', event: 'timer' })
  const told = step('log/x#1:1', 'study/a#1:4', { event: 'note' })
  const flat = traceTree('c', [...events, timer, told]).roots
  expect(lines(flat)).toEqual([
    'step go',
    '  effect trial 1',
    '    step go',
    '  effect trial 2',
    '    step go',
    '  effect trial 3',
    '  step timer',
    '    step note',
  ])
  expect(flat[0]?.children.map(({ cause }) => cause)).toEqual([undefined, 'study/a#1:2', 'study/a#1:3', 'study/a#1:3'])
  const strict = lines(traceTree('c', [...events, timer, told], { strict: true }).roots)
  expect(strict.at(-1)).toBe(`${'  '.repeat(6)}step note`)
})

test('a cause that is not there makes a root that names it; a cycle is cut at its earliest event', () => {
  const tree = traceTree('c', [
    step('a/1#1:2', 'a/1#1:1'),
    step('b/1#1:1', 'b/1#1:2'),
    step('b/1#1:2', 'b/1#1:1'),
    step('d/1#1:1', 'd/1#1:1'),
  ])
  expect(tree.roots.map(({ id, missing, cut }) => ({ id, missing, cut }))).toEqual([
    { id: 'a/1#1:2', missing: 'a/1#1:1', cut: undefined },
    { id: 'd/1#1:1', missing: undefined, cut: undefined },
    { id: 'b/1#1:1', missing: undefined, cut: 'cycle' },
  ])
  expect(tree).toMatchObject({ events: 4, nodes: 4, hidden: 0 })
})

test('bounds keep the top and count what is below', () => {
  const wide = [step('a/1#1:1', 'client'), ...Array.from({ length: 9 }, (_, i) => step(`b/${i}#1:1`, 'a/1#1:1'))]
  const bounded = traceTree('c', wide, { maxNodes: 4 })
  expect(bounded).toMatchObject({ nodes: 4, hidden: 6, roots: [{ hidden: 6 }] })
  const chain = Array.from({ length: 9 }, (_, i) => step(`a/1#1:${i + 1}`, `a/1#1:${i}`))
  expect(traceTree('c', chain, { maxDepth: 3 })).toMatchObject({ nodes: 3, hidden: 6 })
})

test('100,000 events become a tree in bounded time and memory, wide or as one chain', () => {
  const count = 100_000
  const wide = Array.from({ length: count }, (_, i) =>
    step(`a/1#1:${i + 1}`, i === 0 ? 'client' : `a/1#1:${(i + 2) >> 1}`),
  )
  const chain = Array.from({ length: count }, (_, i) => step(`a/1#1:${i + 1}`, `a/1#1:${i}`))
  for (const [name, events] of Object.entries({ wide, chain })) {
    const heap = process.memoryUsage().heapUsed
    const start = performance.now()
    const tree = traceTree('c', events, { maxNodes: count })
    const ms = Math.round(performance.now() - start)
    const megabytes = Math.round((process.memoryUsage().heapUsed - heap) / 1e6)
    console.info(`${name}: ${count} events, ${tree.nodes} nodes, ${ms} ms, ${megabytes} MB of heap`)
    expect(tree.nodes + tree.hidden).toBe(count)
    expect(ms).toBeLessThan(5_000)
    expect(JSON.stringify(tree).length).toBeGreaterThan(1_000)
  }
})
