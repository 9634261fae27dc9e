/**
 * A supervisor of actors that live by themselves, on any nodes: a fixed, named set, watched through their logs and directed by
 * orders that each of them records. It is an actor itself, so its decisions are in its own log.
 *
 * 1. It answers what an actor's own type cannot: quarantine, a stop, an end. Failures below that are the type's.
 * 2. Every fact is answered once: facts carry their position in the child's log, and what was seen is state.
 * 3. An order is given until the child has committed it; a repeated one is the same command.
 * 4. Children that fail too often quarantine the supervisor. They stay as they are: whoever supervises it, or an operator, decides.
 */
import { assign, sendTo, setup } from 'xstate'
import { type AnyActorDef, type BroughtBack, defineActor, type Restart, type SupervisionSpec } from './actor.ts'
import { type Address, addressOf } from './address.ts'
import { type EffectContext, effect, resource } from './effect.ts'
import { LogicRefused, toWire } from './errors.ts'
import { pause } from './pause.ts'
import type { Clock } from './ports.ts'
import { protocol } from './protocol.ts'
import type { Lives } from './runtime.ts'
import { guarded } from './schema.ts'
import { type Child, decide } from './supervision.ts'

export interface SupervisedChild {
  readonly actor: AnyActorDef
  /** @defaultValue the child's name */
  readonly key?: string
  /** Which ends bring it back: every one, failures, none. @defaultValue 'permanent' */
  readonly restart?: Restart
  /** @defaultValue 'restart' */
  readonly by?: Exclude<BroughtBack, 'resume'>
}

export type SupervisedSet = { readonly [name: string]: SupervisedChild }

export interface SupervisorSpec<C> extends Pick<SupervisionSpec, 'strategy' | 'intensity' | 'periodMs' | 'backoffMs'> {
  readonly children: C
  readonly group?: string
}

export interface SupervisorDef<C> extends AnyActorDef {
  readonly children: C
}

/** A supervisor is one actor of its type. */
export const SUPERVISOR_KEY = 'main'

type Fact = { readonly type: 'fact'; readonly child: string; readonly position: number; readonly at: number } & (
  | { readonly kind: 'quarantined' | 'stopped' | 'done' | 'destroyed'; readonly reason: string }
  /** Nothing to answer: from here on is watched. */
  | { readonly kind: 'seen' }
)

interface ChildOrder {
  readonly child: string
  readonly order: 'start' | 'restart' | 'reset'
}

interface Task {
  readonly at: number
  readonly reason: string
  readonly orders: readonly ChildOrder[]
}

export interface Charge {
  /** When it began: what its children did before is not its business. */
  readonly since: number
  readonly seen: { readonly [child: string]: number }
  /** Ended for good. */
  readonly gone: readonly string[]
  readonly childFailures: readonly number[]
  readonly tasks: readonly Task[]
}

export interface ChildStatus {
  readonly address: string
  readonly gone: boolean
}

/** @throws InvalidAddress for a name that is no type; LogicRefused for a set without children */
export function supervisor<const C extends SupervisedSet>(name: string, spec: SupervisorSpec<C>): SupervisorDef<C> {
  const { children, group } = spec
  const addresses = Object.fromEntries(
    Object.entries(children).map(([child, { actor, key = child }]) => [child, addressOf(actor.protocol.type, key)]),
  )
  if (Object.keys(addresses).length === 0) throw new LogicRefused(`supervisor '${name}' has no children`)
  const says = protocol(name, {
    events: { status: guarded('{}', isAnything) },
    replies: { status: guarded('the children', isStatus) },
  })
  const charges = chargesOf(children)
  const machine = setup({
    types: says.types<Charge, Fact | { type: 'watch.opened' }>(),
    actors: { watch: watching(addresses), direct: directing(addresses) },
    delays: { untilDue: ({ context }) => Math.max(0, (context.tasks[0]?.at ?? 0) - Date.now()) },
    guards: { busy: ({ context }) => context.tasks.length > 0 },
  }).createMachine({
    type: 'parallel',
    context: () => ({ since: Date.now(), seen: {}, gone: [], childFailures: [], tasks: [startAll(addresses)] }),
    invoke: { src: 'watch', id: 'watch', input: null },
    on: {
      status: {
        actions: says.reply('status', ({ context: { gone } }) =>
          Object.fromEntries(
            Object.entries(addresses).map(([child, address]) => [child, { address, gone: gone.includes(child) }]),
          ),
        ),
      },
      'watch.opened': {
        actions: sendTo('watch', ({ context: { since, seen } }) => ({ type: 'from' as const, since, seen })),
      },
      fact: { actions: assign(({ context, event }) => answered(spec, charges, context, event, Math.random())) },
    },
    states: {
      directing: {
        initial: 'idle',
        states: {
          idle: { always: { guard: 'busy', target: 'waiting' } },
          waiting: { after: { untilDue: 'acting' } },
          acting: {
            invoke: {
              src: 'direct',
              id: 'direct',
              input: ({ context }) => context.tasks[0] ?? NO_TASK,
              onDone: { target: 'idle', actions: assign({ tasks: ({ context }) => context.tasks.slice(1) }) },
            },
          },
        },
      },
    },
  })
  const def = defineActor(says, {
    logic: machine,
    supervision: { intensity: 0 },
    ...(group !== undefined && { group }),
  })
  return { ...def, children }
}

export function isSupervisor(def: object): def is SupervisorDef<SupervisedSet> {
  return 'protocol' in def && 'children' in def
}

const NO_TASK: Task = { at: 0, reason: '', orders: [] }

/** Children as the decision knows them, in the order of their names in the spec. */
function chargesOf(children: { readonly [name: string]: SupervisedChild }): {
  readonly all: readonly Child[]
  readonly specs: NonNullable<SupervisionSpec['children']>
} {
  const names = Object.keys(children)
  const specs = Object.entries(children).map(([name, { restart = 'permanent', by = 'restart' }]) => [
    name,
    { restart, by },
  ])
  return { all: names.map((name) => ({ path: name, src: name, effect: false })), specs: Object.fromEntries(specs) }
}

function startAll(addresses: { readonly [child: string]: Address }): Task {
  const orders = Object.keys(addresses).map((child) => ({ child, order: 'start' as const }))
  return { at: 0, reason: 'the supervisor begins', orders }
}

/**
 * What a fact changes: what is to be ordered, and what counts for the next decision. Pure.
 * @throws Error when children have failed too often: the supervisor's own failure
 */
export function answered(
  spec: Omit<SupervisorSpec<unknown>, 'children'>,
  { all, specs }: ReturnType<typeof chargesOf>,
  charge: Charge,
  fact: Fact,
  random: number,
): Charge {
  const { child: name, position, at } = fact
  if (position <= (charge.seen[name] ?? 0)) return charge
  const next = { ...charge, seen: { ...charge.seen, [name]: position } }
  const child = all.find(({ src }) => src === name)
  if (fact.kind === 'seen' || child === undefined || charge.gone.includes(name)) return next
  const restart = specs[name]?.restart
  const ends = fact.kind === 'destroyed' || restart === 'temporary' || (fact.kind === 'done' && restart !== 'permanent')
  if (ends) return { ...next, gone: [...charge.gone, name] }
  const siblings = all.filter(({ src }) => !charge.gone.includes(src))
  const history = { failures: [], childFailures: charge.childFailures }
  const decision = decide({ ...spec, children: specs }, { at, child, siblings }, history, random)
  if (decision.escalated) {
    throw new Error(`child '${name}' is ${fact.kind} (${fact.reason}); its set has failed more often than allowed`)
  }
  const { restart: again = [], reset = [] } = decision.child ?? {}
  const orders = siblings.flatMap(({ src }): ChildOrder[] => {
    if (reset.includes(src)) return [{ child: src, order: 'reset' }]
    return again.includes(src) ? [{ child: src, order: src === name ? 'start' : 'restart' }] : []
  })
  const task = { at: at + (decision.inMs ?? 0), reason: `'${name}' is ${fact.kind}: ${fact.reason}`, orders }
  return {
    ...next,
    childFailures: [...charge.childFailures, at].slice(-decision.failures),
    tasks: [...charge.tasks, task],
  }
}

// ── What it holds and does outside ──────────────────────────────────────────────────────────────────────────────────

const WATCH_AGAIN_MS = 1_000
const ORDER_AGAIN_MS = 1_000

function watching(addresses: { readonly [child: string]: Address }) {
  return resource<null, { type: 'from'; since: number; seen: Charge['seen'] }>((_, { sendBack, receive, runtime }) => {
    const ended = new AbortController()
    const { signal } = ended
    const follow = async (child: string, address: Address, since: number, seen: number | undefined): Promise<void> => {
      let last = seen
      while (!signal.aborted && runtime?.lives !== undefined) {
        try {
          for await (const fact of runtime.lives.watch(address, { from: (last ?? 0) + 1, signal })) {
            const { kind, position, at } = fact
            if (last === undefined) sendBack({ type: 'fact', child, kind: 'seen', position: position - 1, at })
            last = position
            if (
              at < since ||
              !(kind === 'quarantined' || kind === 'stopped' || kind === 'done' || kind === 'destroyed')
            )
              continue
            const reason = kind === 'quarantined' ? fact.reason : (fact.step ?? '')
            sendBack({ type: 'fact', child, kind, position, at, reason })
          }
        } catch {
          // A lost connection: what was not read is read again.
        }
        const { clock } = runtime
        if (!signal.aborted) await new Promise<void>((resolve) => clock.after(WATCH_AGAIN_MS, resolve))
      }
    }
    receive(({ since, seen }) => {
      for (const [child, address] of Object.entries(addresses)) void follow(child, address, since, seen[child])
    })
    sendBack({ type: 'watch.opened' })
    return () => ended.abort()
  })
}

function directing(addresses: { readonly [child: string]: Address }) {
  return effect('supervisor.direct', 'idempotent', async ({ orders, reason }: Task, context: EffectContext) => {
    const refused: { [child: string]: string } = {}
    for (const { child, order } of orders) {
      const address = addresses[child]
      const { clock, lives } = context.runtime ?? {}
      if (address === undefined || clock === undefined || lives === undefined) continue
      const key = `${context.effectId}/${child}`
      const code = await ordered({ clock, lives }, address, { kind: order, reason }, context, key)
      if (code !== undefined) refused[child] = code
    }
    if (Object.keys(refused).length > 0) context.evidence({ refused })
    return null
  })
}

/** @returns the code of the error that no repetition will change */
export async function ordered(
  { clock, lives }: { readonly clock: Clock; readonly lives: Pick<Lives, 'order'> },
  address: Address,
  order: Parameters<Lives['order']>[1],
  { signal, cause }: Pick<EffectContext, 'signal' | 'cause'>,
  key: string,
): Promise<string | undefined> {
  for (;;) {
    try {
      await lives.order(address, order, { key, timeoutMs: 60_000, signal, cause })
      return undefined
    } catch (error) {
      signal.throwIfAborted()
      const { code, retryable } = toWire(error)
      if (!retryable) return code
    }
    // Without a connection an order fails at once: trying without a pause would leave no time for anything else.
    await pause(clock, ORDER_AGAIN_MS, signal)
    signal.throwIfAborted()
  }
}

function isAnything(value: unknown): value is {} {
  return typeof value === 'object' && value !== null
}

function isStatus(value: unknown): value is { readonly [child: string]: ChildStatus } {
  return typeof value === 'object' && value !== null
}
