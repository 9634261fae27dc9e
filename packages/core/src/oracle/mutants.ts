/** The protections of the host, each taken away: what a careless host would save, restore or do. */
import type { Json } from '../codec.ts'
import type { HostState } from '../logic-host.ts'
import type { TreeState } from '../snapshot.ts'
import type { Sabotage } from './sabotage.ts'

const tree = (change: (node: TreeState) => TreeState) => (state: HostState) => ({
  ...state,
  tree: everyNode(state.tree, change),
})

function everyNode(node: TreeState, change: (node: TreeState) => TreeState): TreeState {
  const { children, ...rest } = change(node)
  if (children === undefined) return rest
  const changed = Object.entries(children).map(([id, child]) => [id, everyNode(child, change)] as const)
  return { ...rest, children: Object.fromEntries(changed) }
}

const without = (name: keyof TreeState) =>
  tree((node) => {
    const { [name]: _, ...rest } = node
    return { path: node.path, id: node.id, snap: node.snap, ...rest }
  })

/** Every value in the saved snapshots, innermost first. */
const values = (change: (value: Json) => Json) => tree((node) => ({ ...node, snap: everyValue(node.snap, change) }))

function everyValue(value: Json, change: (value: Json) => Json): Json {
  if (isList(value)) return change(value.map((item) => everyValue(item, change)))
  if (value === null || typeof value !== 'object') return change(value)
  return change(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, everyValue(item, change)])))
}

const sortedKeys = (value: Json): Json =>
  isRecord(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function isRecord(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !isList(value)
}

const timers = (change: (timers: HostState['timers']) => HostState['timers']) => (state: HostState) => ({
  ...state,
  timers: change(state.timers),
})

const effects =
  (change: (effect: HostState['effects'][string]) => HostState['effects'][string]) => (state: HostState) => ({
    ...state,
    effects: Object.fromEntries(Object.entries(state.effects).map(([path, effect]) => [path, change(effect)])),
  })

let restarts = 0

export const mutants: { readonly [name: string]: Sabotage } = {
  'order of state nodes': {
    state: tree((node) => (node.nodes === undefined ? node : { ...node, nodes: [...node.nodes].sort() })),
  },
  'order of keys': { state: values(sortedKeys) },
  'history values': { state: without('history') },
  children: { state: without('children') },
  'which children run': { state: without('running') },
  'children that report each snapshot': { state: without('sync') },
  'system ids': { state: without('systemId') },
  'errors as errors': { state: values((value) => (isRecord(value) && '$error' in value ? {} : value)) },
  'references in context': {
    state: values((value) => (isRecord(value) && '$ref' in value ? { ...value, $ref: '/lost' } : value)),
  },
  'inputs of effects': {
    state: tree((node) => {
      if (!isRecord(node.snap)) return node
      const { input: _, ...snap } = node.snap
      return { ...node, snap }
    }),
  },
  timers: { state: timers(() => []) },
  'when timers are due': { state: timers((all) => all.map((timer) => ({ ...timer, due: timer.due + 1 }))) },
  'older timers of the same id': { state: timers((all) => all.filter((timer) => timer.live)) },
  'which timer of an id can be cancelled': { state: timers((all) => all.map((timer) => ({ ...timer, live: true }))) },
  'the counter of timers': { state: (state) => ({ ...state, timerCount: 0 }) },
  'the counters of children': { state: (state) => ({ ...state, counts: {} }) },
  'running effects': { state: (state) => ({ ...state, effects: {} }) },
  'restart of effects': { resume: false },
  'how much of a source is recorded': { state: effects((effect) => ({ ...effect, recorded: 0 })) },
  'the identity of an effect': {
    state: effects((effect) => ({ ...effect, origin: { ...effect.origin, step: `again#${++restarts}` } })),
  },
  'recorded chance': { draws: () => [] },
  'silence while restoring': { relayWhileRestoring: true },
  'release after the commit only': { releaseFirst: true },
}
