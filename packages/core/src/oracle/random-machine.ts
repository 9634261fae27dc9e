/**
 * Whole machines and what happens to them, drawn from a seed: nested, parallel, history and final states; guarded, eventless,
 * delayed and re-entering transitions; raises, emits, named and unnamed delayed events, cancels; invocations that share an id
 * with those of their sibling states; children spawned and stopped, three levels deep; effects that end at a set time.
 *
 * 1. The same seed gives the same machine, the same effects and the same script.
 * 2. Every run ends: what a machine does by itself costs fuel, of which it has a fixed amount.
 */
import { type AnyStateMachine, type AnyStateNodeConfig, assign } from 'xstate'
import { dice } from './fate.ts'
import { type Args, machine, note } from './parts.ts'
import { fueled, randomActions } from './random-actions.ts'
import { EVENTS, type Roll, rollOf } from './roll.ts'
import type { Case, Operation } from './script.ts'
import type { World } from './world.ts'

const FUEL = 16
const LOADS = [0, 1, 2, 3, 5] as const

/** How one machine is being drawn: its level, and the ids of all its states, which any transition may target. */
interface Draft {
  readonly roll: Roll
  readonly level: number
  readonly ids: string[]
  readonly sources: readonly [string, ...string[]]
  /** Filled in when all ids are known. */
  readonly later: (() => void)[]
}

export function randomCase(seed: number): Case {
  const roll = rollOf(dice(seed))
  const machineSeed = roll.below(2 ** 31)
  const operations = Array.from({ length: 12 + roll.below(14) }, () => randomOperation(roll))
  return {
    name: `random machine ${seed}`,
    operations,
    make: (world) => randomMachine(rollOf(dice(machineSeed)), world, 0),
  }
}

function randomOperation(roll: Roll): Operation {
  if (roll.chance(0.35)) return 1 + roll.below(4)
  const event = { type: roll.pick(EVENTS), k: roll.below(3) }
  return roll.chance(0.1) ? { to: [`s${roll.below(2)}`], event } : event
}

function randomMachine(roll: Roll, world: World, level: number): AnyStateMachine {
  const loads = LOADS.flatMap((ms) => [
    [`load ${ms}`, world.effect(ms, (input) => ({ ok: input ?? ms }))] as const,
    [`fail ${ms}`, world.effect(ms, () => ({ fail: new Error(`after ${ms}`) }))] as const,
  ])
  const kids = level < 2 ? [0, 1].map((n) => [`kid ${n}`, randomMachine(roll, world, level + 1)] as const) : []
  const names = [...loads, ...kids, ...kids].map(([name]) => name)
  const draft: Draft = { roll, level, ids: [], sources: ['load 1', ...names], later: [] }
  const root = randomNode(draft, 'root', 0, 'compound')
  for (const complete of draft.later) complete()
  return machine(
    {
      ...root,
      context: { log: [], flag: false, fuel: FUEL >> level },
      output: ({ context }: Args) => context['log'],
    },
    { actors: Object.fromEntries([...loads, ...kids]) },
  )
}

type Kind = 'atomic' | 'compound' | 'parallel' | 'final' | 'history'

function randomNode(draft: Draft, id: string, depth: number, kind: Kind, inCompound = false): AnyStateNodeConfig {
  const { roll } = draft
  draft.ids.push(id)
  if (kind === 'history') return { id, type: 'history', history: roll.chance(0.5) ? 'deep' : 'shallow' }
  if (kind === 'final') return { id, type: 'final', output: ({ event }: Args) => event.type }
  const node: AnyStateNodeConfig = { id }
  if (kind === 'compound' || kind === 'parallel') addStates(draft, node, id, depth, kind)
  if (roll.chance(0.2)) node.tags = [`tag ${id}`]
  draft.later.push(() => addBehaviour(draft, node, id, inCompound))
  return node
}

function addStates(
  draft: Draft,
  node: AnyStateNodeConfig,
  id: string,
  depth: number,
  kind: 'compound' | 'parallel',
): void {
  const { roll } = draft
  const count = 2 + roll.below(2)
  const states: { [name: string]: AnyStateNodeConfig } = {}
  for (let i = 0; i < count; i++) {
    // Against the alphabet, so that the order of keys shows.
    const name = `${'zyx'[i]}${i}`
    states[name] = randomNode(draft, `${id}_${name}`, depth + 1, childKind(roll, depth, kind, i), kind === 'compound')
  }
  if (roll.chance(0.4)) states['h'] = randomNode(draft, `${id}_h`, depth + 1, 'history')
  node.states = states
  if (kind === 'parallel') node.type = 'parallel'
  else node.initial = 'z0'
}

function childKind(roll: Roll, depth: number, parent: 'compound' | 'parallel', i: number): Kind {
  if (depth < 2 && roll.chance(0.35)) return roll.chance(0.5) ? 'parallel' : 'compound'
  if (parent === 'parallel') return depth < 2 && roll.chance(0.6) ? 'compound' : 'atomic'
  return i > 0 && roll.chance(0.12) ? 'final' : 'atomic'
}

function addBehaviour(draft: Draft, node: AnyStateNodeConfig, id: string, inCompound: boolean): void {
  const { roll } = draft
  const on: { [type: string]: unknown } = {}
  for (const type of EVENTS) if (roll.chance(0.4)) on[type] = randomTransition(draft, id)
  if (roll.chance(0.05)) on['*'] = { actions: note() }
  if (roll.chance(0.1)) on['xstate.done.actor.*'] = { actions: note() }
  if (roll.chance(id === 'root' ? 0.7 : 0.1)) on['xstate.error.actor.*'] = { actions: note() }
  if (roll.chance(0.1)) on['UP'] = { actions: note() }
  Object.assign(node, { on })
  if (roll.chance(0.3)) node.entry = randomActions(draft)
  if (roll.chance(0.2)) node.exit = randomActions(draft)
  if (roll.chance(0.25)) Object.assign(node, { after: { [1 + roll.below(5)]: byItself(draft, id) } })
  if (roll.chance(0.2)) Object.assign(node, { always: [burning(randomTransition(draft, id, true))] })
  if (node.states !== undefined && roll.chance(0.5)) Object.assign(node, { onDone: byItself(draft, id) })
  // Sibling states of a compound state share the id of their invocation: entering the next one replaces the child.
  if (roll.chance(0.35))
    Object.assign(node, {
      invoke: randomInvoke(draft, id, inCompound ? `below ${id.slice(0, id.lastIndexOf('_'))}` : id),
    })
}

function randomInvoke(draft: Draft, id: string, name: string): object {
  const { roll } = draft
  return {
    id: `inv ${name}`,
    src: roll.pick(draft.sources),
    input: ({ event }: Args) => event.type,
    onDone: byItself(draft, id),
    ...(roll.chance(0.8) && { onError: byItself(draft, id) }),
    ...(roll.chance(0.15) && { onSnapshot: { actions: note() } }),
  }
}

interface Transition {
  readonly target?: string
  readonly reenter?: boolean
  readonly guard?: (args: Args) => boolean
  readonly actions: readonly unknown[]
}

function randomTransition(draft: Draft, source: string, mustGuard = false): Transition {
  const { roll } = draft
  const guard = roll.pick([
    ({ context }: Args) => context['flag'] === true,
    ({ context }: Args) => Array.isArray(context['log']) && context['log'].length % 2 === 0,
  ])
  const reenter = roll.chance(0.3)
  const targets = draft.ids.filter((id) => reachable(source, id, reenter))
  const target = targets[roll.below(targets.length)]
  return {
    ...(target !== undefined && roll.chance(0.7) && { target: `#${target}` }),
    ...(reenter && { reenter }),
    ...((mustGuard || roll.chance(0.3)) && { guard }),
    actions: randomActions(draft),
  }
}

/**
 * Two targets XState enters without having left them, so that their invocations run twice under one id, which is refused here:
 * the root without `reenter`, and a history that stands for the source itself.
 */
function reachable(source: string, target: string, reenter: boolean): boolean {
  if (target === 'root') return reenter
  const parent = target.slice(0, -'_h'.length)
  return !target.endsWith('_h') || !`${source}_`.startsWith(`${parent}_`)
}

/** Taken without an event from outside: only while there is fuel; without, the event is taken and nothing done. */
function byItself(draft: Draft, source: string): readonly object[] {
  return [burning(randomTransition(draft, source)), {}]
}

function burning(transition: Transition): object {
  const { guard = () => true, actions } = transition
  return {
    ...transition,
    guard: (args: Args) => fueled(args) && guard(args),
    actions: [assign({ fuel: ({ context }) => context['fuel'] - 1 }), ...actions],
  }
}
