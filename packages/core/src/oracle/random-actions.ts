/** Lists of actions for random machines. Whatever can cause more events costs fuel. */
import {
  type AnyActorRef,
  assign,
  cancel,
  emit,
  enqueueActions,
  raise,
  sendParent,
  spawnChild,
  stopChild,
} from 'xstate'
import { type Args, note } from './parts.ts'
import { EVENTS, type Roll } from './roll.ts'

interface Draft {
  readonly roll: Roll
  readonly level: number
  readonly sources: readonly [string, ...string[]]
}

export function fueled({ context }: Args): boolean {
  return Number(context['fuel']) > 0
}

const burn = assign({ fuel: ({ context }) => context['fuel'] - 1 })

/** Runs `action` while there is fuel. */
function costly(action: unknown): unknown {
  return enqueueActions(({ enqueue, context }) => {
    if (!fueled({ context, event: { type: '' } })) return
    enqueue(burn)
    Reflect.apply(enqueue, undefined, [action])
  })
}

export function randomActions(draft: Draft): unknown[] {
  const { roll } = draft
  return Array.from({ length: roll.below(3) }, () => randomAction(draft)).flat()
}

function randomAction({ roll, level, sources }: Draft): unknown[] {
  const type = roll.pick(EVENTS)
  const timer = `d${roll.below(2)}`
  const child = `s${roll.below(2)}`
  switch (roll.below(12)) {
    case 0:
      return [costly(raise({ type }))]
    case 1:
      return [costly(raise({ type }, { delay: 1 + roll.below(5), id: timer }))]
    case 2:
      return [costly(raise({ type }, { delay: 1 + roll.below(5) }))]
    case 3:
      return [cancel(timer)]
    case 4:
      return [emit(({ event }) => ({ type: 'emitted', by: event.type }))]
    case 5:
    case 6:
      return [stopChild(child), spawnChild(roll.pick(sources), { id: child, syncSnapshot: roll.chance(0.2) })]
    case 7:
      return [stopChild(child)]
    case 8:
      return [costly(toChild(child, type, roll.chance(0.4) ? { delay: 1 + roll.below(4) } : {}))]
    case 9:
      return level === 0 ? [note()] : [costly(sendParent({ type: 'UP' }))]
    case 10:
      return [assign({ flag: ({ context }) => !context['flag'] })]
    default:
      return [note()]
  }
}

/** Sends to a child that is there; XState fails a machine that sends to one that is not. */
function toChild(id: string, type: string, options: { readonly delay?: number }): unknown {
  return enqueueActions(({ enqueue, self }) => {
    const child = childOf(self, id)
    if (child !== undefined) enqueue.sendTo(child, { type }, options)
  })
}

/** Undefined also while the machine is being made: its snapshot cannot be read then. */
function childOf(self: AnyActorRef, id: string): AnyActorRef | undefined {
  try {
    return self.getSnapshot()?.children?.[id]
  } catch {
    return undefined
  }
}
