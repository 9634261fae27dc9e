/** Short forms for the machines of the corpus. */
import { type AnyActorLogic, type AnyStateMachine, type AnyStateNodeConfig, assign, createMachine } from 'xstate'

export interface Args {
  readonly context: { readonly [name: string]: unknown }
  readonly event: { readonly type: string; readonly [name: string]: unknown }
}

export interface Spawner {
  readonly spawn: (src: string, options?: { readonly id?: string; readonly input?: unknown }) => unknown
}

interface MachineConfig extends AnyStateNodeConfig {
  readonly context?: unknown
}

interface Parts {
  readonly actors?: { readonly [src: string]: AnyActorLogic }
  readonly actions?: object
  readonly guards?: object
  readonly delays?: object
}

export function machine(config: MachineConfig, parts: Parts = {}): AnyStateMachine {
  return createMachine(config).provide(parts)
}

/** Appends to the context's `log`: the type of the event, or what `of` makes of it. */
export function note(of: (args: Args) => unknown = ({ event }) => event.type) {
  return assign({ log: ({ context, event }) => [...(context['log'] ?? []), of({ context, event })] })
}

/** As `note`, for a fixed word. */
export function mark(word: string) {
  return note(() => word)
}

/** Sets one field of the context to a field of the event. */
export function keep(name: string, from: string) {
  return assign({ [name]: ({ event }) => event[from] })
}

/** The path of a hosted effect's failure: its message. */
export function keepMessage(name: string) {
  return assign({ [name]: ({ event }) => messageOf(event['error']) })
}

export function messageOf(error: unknown): unknown {
  return error instanceof Error ? error.message : error
}

export const outputOf = ({ event }: Args) => event['output']

export const flag = ({ context }: Args) => context['flag'] === true

/** The context of the snapshot that `onSnapshot` tells of. */
export const lastValue = ({ event: { snapshot } }: Args): unknown =>
  typeof snapshot === 'object' && snapshot !== null && 'context' in snapshot ? (snapshot.context ?? null) : null

export const N = { type: 'N' }
const addOne = assign({ v: ({ context }) => context['v'] + 1 })

/** a → N → b → N → done; counts in `v` and gives it as output. */
export const counter = () =>
  machine({
    initial: 'a',
    context: ({ input }: { input?: { v: number } }) => ({ v: input?.v ?? 0 }),
    states: { a: { on: { N: { target: 'b', actions: addOne } } }, b: { on: { N: 'd' } }, d: { type: 'final' } },
    output: ({ context }: Args) => ({ v: context['v'] }),
  })

/** Notes whatever it is sent. */
export const listener = () => machine({ context: { log: [] }, on: { '*': { actions: note() } } })
