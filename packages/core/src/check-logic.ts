/**
 * What can be seen of a logic when it is defined and could not survive a restart is refused here, with its place. XState
 * itself is silent about most of it, or fails much later. What only shows while running is refused in the step, before the
 * commit (`logic-host.ts`).
 */
import type { AnyActorLogic } from 'xstate'
import { encode } from './codec.ts'
import { LogicRefused } from './errors.ts'
import { kindOf } from './xstate-inside.ts'

/** The parts of a machine definition that are walked; all are own enumerable data of XState's StateNode. */
interface Definition {
  readonly id: string
  readonly path: readonly string[]
  readonly type: string
  readonly parent?: Definition
  readonly entry: readonly unknown[]
  readonly exit: readonly unknown[]
  readonly always?: readonly Transition[]
  readonly initial?: Transition
  readonly invoke: readonly { readonly id: string; readonly src: unknown }[]
  /** As written: XState replaces an inline source by a name. */
  readonly config: { readonly invoke?: unknown }
  readonly transitions: ReadonlyMap<string, readonly Transition[]>
}

interface Transition {
  readonly actions?: readonly unknown[]
  readonly guard?: unknown
}

interface Machine {
  readonly idMap: ReadonlyMap<string, Definition>
  readonly config: { readonly context?: unknown }
  readonly implementations: {
    readonly [kind in 'actions' | 'guards' | 'actors' | 'delays']: { readonly [name: string]: unknown }
  }
}

/** @throws LogicRefused listing everything that was found, one line each. */
export function checkLogic(logic: AnyActorLogic, name: string): void {
  const found = problemsOf(logic, name, new Set())
  if (found.length > 0) {
    throw new LogicRefused(`actor '${name}' cannot be kept over a restart:\n  ${found.join('\n  ')}`, {
      problems: found,
    })
  }
}

function problemsOf(logic: AnyActorLogic, name: string, seen: Set<unknown>): string[] {
  if (seen.has(logic)) return []
  seen.add(logic)
  const kind = kindOf(logic)
  if (kind === 'unknown') return [`${name}: its start() was made by no XState creator; use fromPromise or fromCallback`]
  return isMachine(logic) ? machineProblems(logic, name, seen) : []
}

function machineProblems(machine: Machine, name: string, seen: Set<unknown>): string[] {
  const found: string[] = []
  const { actions, guards, actors, delays } = machine.implementations
  const missing = (kind: string, what: unknown, known: object, place: string) => {
    const wanted = typeof what === 'object' && what !== null && 'type' in what ? what.type : what
    if (typeof wanted === 'string' && !wanted.startsWith('xstate.') && !Object.hasOwn(known, wanted)) {
      found.push(`${place}: ${kind} '${wanted}' has no implementation`)
    }
  }
  const checkAction = (action: unknown, place: string) => {
    if (typeof action !== 'function') return missing('action', action, actions, place)
    const type: unknown = Reflect.get(action, 'type')
    if (type === 'xstate.spawnChild') {
      if (typeof Reflect.get(action, 'src') !== 'string')
        found.push(`${place}: spawnChild of an inline logic; name it in setup({ actors })`)
      if (Reflect.get(action, 'id') === undefined) found.push(`${place}: spawnChild without an id`)
    }
    const delay: unknown = Reflect.get(action, 'delay')
    if (typeof delay === 'string') missing('delay', delay, delays, place)
  }
  const checkGuard = (guard: unknown, place: string) => {
    if (typeof guard !== 'function') return guard === undefined ? undefined : missing('guard', guard, guards, place)
    // `and`, `or` and `not` hold their parts.
    const parts: unknown = Reflect.get(guard, 'guards')
    if (Array.isArray(parts)) for (const part of parts) checkGuard(part, place)
  }
  for (const node of machine.idMap.values()) {
    const place = node.path.length === 0 ? name : `${name}.${node.path.join('.')}`
    const transitions = [...node.transitions.entries()].flatMap(([on, list]) => list.map((t) => [on, t] as const))
    for (const action of [...node.entry, ...node.exit, ...(node.initial?.actions ?? [])]) checkAction(action, place)
    for (const [on, transition] of [...transitions, ...(node.always ?? []).map((t) => ['always', t] as const)]) {
      for (const action of transition.actions ?? []) checkAction(action, `${place} on '${on}'`)
      checkGuard(transition.guard, `${place} on '${on}'`)
    }
    for (const { src } of node.invoke) {
      if (typeof src === 'string' && !src.startsWith('xstate.invoke.')) missing('actor', src, actors, place)
    }
    for (const src of inlineSources(node)) found.push(...problemsOf(src, `${place} invokes`, seen))
  }
  for (const [id, places] of sharedInvokeIds(machine))
    found.push(`${places}: two invocations with the id '${id}' can run together`)
  if (typeof machine.config.context === 'object') {
    try {
      encode(machine.config.context, undefined, 'context')
    } catch (error) {
      found.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  for (const action of Object.keys(actions)) {
    if (action.startsWith('xstate.')) found.push(`${name}: an action named '${action}'; the prefix is XState's own`)
    checkAction(actions[action], `${name} action '${action}'`)
  }
  for (const [guardName, guard] of Object.entries(guards)) checkGuard(guard, `${name} guard '${guardName}'`)
  for (const [src, logic] of Object.entries(actors)) {
    if (isLogic(logic)) found.push(...problemsOf(logic, `${name}/${src}`, seen))
  }
  return found
}

/** The same invoke id in two states that can be active at once: below different children of a parallel state, or nested. */
function sharedInvokeIds(machine: Machine): (readonly [string, string])[] {
  const byId = new Map<string, Definition[]>()
  for (const node of machine.idMap.values()) {
    for (const { id } of node.invoke) byId.set(id, [...(byId.get(id) ?? []), node])
  }
  const shared: (readonly [string, string])[] = []
  for (const [id, nodes] of byId) {
    nodes.forEach((a, i) => {
      for (const b of nodes.slice(i + 1)) if (together(a, b)) shared.push([id, `${a.id}, ${b.id}`])
    })
  }
  return shared
}

function together(a: Definition, b: Definition): boolean {
  const above = (node: Definition): Definition[] => (node.parent === undefined ? [node] : [...above(node.parent), node])
  const [left, right] = [above(a), above(b)]
  const common = left.filter((node) => right.includes(node)).at(-1)
  return common === a || common === b || common?.type === 'parallel'
}

function inlineSources({ config: { invoke } }: Definition): AnyActorLogic[] {
  const invocations: readonly unknown[] = Array.isArray(invoke) ? invoke : [invoke]
  return invocations
    .map((one) => (typeof one === 'object' && one !== null ? Reflect.get(one, 'src') : undefined))
    .filter(isLogic)
}

function isMachine(logic: object): logic is Machine {
  return 'idMap' in logic && 'implementations' in logic && 'config' in logic
}

function isLogic(value: unknown): value is AnyActorLogic {
  return typeof value === 'object' && value !== null && 'transition' in value && 'getInitialSnapshot' in value
}
