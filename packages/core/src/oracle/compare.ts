/**
 * What can be seen of a run, as plain data. Read through XState's public snapshots on both sides, so that nothing our own
 * state format forgets can hide here.
 *
 * 1. State values, contexts and children keep their key order: XState's parallel regions follow it.
 * 2. Ids that nobody chose (`x:7` in XState, `<parent>/<src>:<n>` here) are named by first appearance.
 */
import { isDeepStrictEqual } from 'node:util'
import type { AnyActorRef } from 'xstate'
import type { Json } from '../codec.ts'

export interface Sight {
  readonly tree: Json
  /** `[id of the actor, event]`, as recorded. */
  readonly emitted: readonly Json[]
  /** What custom actions did; left out where a crash may lose some. */
  readonly acts?: readonly string[]
}

export class Names {
  readonly #known: Map<string, string>
  #anonymous = 0

  /** @param known names that are given beforehand */
  constructor(...known: readonly (readonly [id: string, name: string])[]) {
    this.#known = new Map(known)
  }

  of(id: string): string {
    const given = this.#known.get(id)
    if (given !== undefined || !/^x:\d+$|\/[^/]+:\d+$/.test(id)) return given ?? id
    const name = `anonymous ${++this.#anonymous}`
    this.#known.set(id, name)
    return name
  }
}

/** The actor and all its children. */
export function treeOf(actor: AnyActorRef, names: Names): Json {
  const snapshot: unknown = actor.getSnapshot()
  if (typeof snapshot !== 'object' || snapshot === null) return { snapshot: shown(snapshot, names) }
  const seen: { [name: string]: Json } = {}
  for (const name of Object.keys(snapshot).sort()) {
    const value: unknown = Reflect.get(snapshot, name)
    if (value === undefined || HIDDEN.has(name) || typeof value === 'function') continue
    seen[name] = shown(value, names)
  }
  const tags: unknown = Reflect.get(snapshot, 'tags')
  if (tags instanceof Set) seen['tags'] = [...tags].map(String)
  const nodes: unknown = Reflect.get(snapshot, '_nodes')
  if (Array.isArray(nodes)) seen['nodes'] = nodes.map((node) => String(Reflect.get(node, 'id')))
  const children: unknown = Reflect.get(snapshot, 'children')
  if (typeof children === 'object' && children !== null) {
    const entries = Object.entries(children).filter(([, child]) => isActor(child))
    seen['children'] = entries.map(([id, child]) => [names.of(id), isActor(child) ? treeOf(child, names) : null])
  }
  return seen
}

/** Shown in another form, or XState's own bookkeeping. */
const HIDDEN: ReadonlySet<string> = new Set(['_nodes', 'children', 'machine', 'tags', '_subscription', 'historyValue'])

export function shown(value: unknown, names: Names): Json {
  if (value === undefined) return { undefined: true }
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') {
    return value
  }
  if (typeof value !== 'object') return String(value)
  if (value instanceof Error) return { error: value.name, message: value.message }
  if (value instanceof Uint8Array) return { bytes: [...value] }
  if (Array.isArray(value)) return value.map((item) => shown(item, names))
  if (isActor(value)) return { ref: names.of(value.id) }
  const seen: { [key: string]: Json } = {}
  for (const [key, item] of Object.entries(value)) if (item !== undefined) seen[key] = shown(item, names)
  return seen
}

/** Undefined when equal, else the first place that differs. */
export function difference(expected: Sight, actual: Sight): string | undefined {
  for (const part of ['tree', 'emitted', 'acts'] as const) {
    if (expected[part] === undefined || actual[part] === undefined) continue
    const found = differs(expected[part], actual[part], part)
    if (found !== undefined) return found
  }
  return undefined
}

function differs(expected: unknown, actual: unknown, place: string): string | undefined {
  const [want, got] = [JSON.stringify(expected), JSON.stringify(actual)]
  if (want === got) return undefined
  if (isRecord(expected) && isRecord(actual)) {
    const names = [Object.keys(expected), Object.keys(actual)] as const
    if (!isDeepStrictEqual(...names)) return `${place}: keys ${names[0]} in XState, ${names[1]} here`
    for (const name of names[0]) {
      const found = differs(expected[name], actual[name], `${place}.${name}`)
      if (found !== undefined) return found
    }
  }
  return `${place}: ${want} in XState, ${got} here`
}

function isRecord(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null
}

export function isActor(value: unknown): value is AnyActorRef {
  return isRecord(value) && 'sessionId' in value && 'getSnapshot' in value
}
