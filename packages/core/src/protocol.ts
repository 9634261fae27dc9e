/**
 * A protocol is what may be said to an actor: its events, replies and emitted events, as schemas. It is made before the
 * logic, so a client needs no machine and two actors that talk to each other form no type cycle.
 */
import {
  type ActionArgs,
  type ActionFunction,
  type EventObject,
  fromTransition,
  type MachineContext,
  type ParameterizedObject,
  type TransitionActorLogic,
} from 'xstate'
import { addressOf } from './address.ts'
import { type Effect, effect } from './effect.ts'
import { LogicRefused } from './errors.ts'
import type { AskOptions } from './runtime.ts'
import { type AnySchema, type In, type Out, parse, type Schemas } from './schema.ts'
import { builtinAction, hostOf } from './xstate-inside.ts'

type Flat<T> = { [K in keyof T]: T[K] } & {}
/** zod gives `z.object({})` the type Record<string, never>, which would swallow `type`. */
type Body<T> = string extends keyof T ? unknown : T
/** An event as a sender writes it (defaults may be left out). */
export type EventIn<E extends Schemas, K extends keyof E> = {
  [T in K & string]: Flat<{ type: T } & Body<In<E[T]>>>
}[K & string]
/** An event as the machine sees it and the log stores it. */
export type EventOut<E extends Schemas, K extends keyof E> = {
  [T in K & string]: Flat<{ type: T } & Body<Out<E[T]>>>
}[K & string]
/** What `ask` resolves to: the declared reply, else nothing (the step is committed). */
// biome-ignore lint/suspicious/noConfusingVoidType: what `await ref.ask()` of an event without a reply is
export type Reply<R, K> = K extends keyof R ? (R[K] extends AnySchema ? Out<R[K]> : void) : void
type Answer<R, K extends keyof R> = R[K] extends AnySchema ? In<R[K]> : never

export interface AnyProtocol {
  readonly type: string
  readonly events: Schemas
  readonly replies: object
  readonly emits: Schemas
}

/** The XState input of every actor that was not spawned by a machine; all else it learns from messages. */
export interface ActorInput {
  readonly type: string
  readonly key: string
}

/**
 * Which open ask a reply answers. `cause`: the one at the root of this step's own chain of causes, and nobody when that one is
 * over; the oldest of this type when the chain began without an ask of this type.
 */
export type ReplyTo = 'cause' | 'oldest' | 'all'

export interface Protocol<Type extends string, E extends Schemas, R extends object, M extends Schemas>
  extends AnyProtocol {
  readonly type: Type
  readonly events: E
  readonly replies: R
  readonly emits: M
  /** The `types` of XState's `setup`: you add the context, and events that nobody outside may send. */
  types<Context extends MachineContext, Internal extends EventObject = never>(): {
    context: Context
    events: EventOut<E, keyof E> | Internal
    emitted: [keyof M] extends [never] ? EventObject : EventOut<M, keyof M>
    input: ActorInput
  }
  /** The simplest logic: one pure function per event; an event with a reply returns `{ state, reply }`. No chart. */
  handlers<S extends object>(
    initial: S | ((input: ActorInput) => S),
    on: {
      readonly [K in keyof E & string]: (
        state: NoInfer<S>,
        event: EventOut<E, K>,
      ) => K extends keyof R ? { readonly state: NoInfer<S>; readonly reply: Answer<R, K> } : NoInfer<S>
    },
  ): TransitionActorLogic<S, EventOut<E, keyof E>, ActorInput>
  /** Action: answers an ask of this type, in the step that received it or in any later one. */
  reply<
    K extends keyof R & string,
    C extends MachineContext,
    X extends EventObject,
    V extends EventObject,
    P extends ParameterizedObject['params'] | undefined,
  >(
    type: K,
    value: Answer<R, K> | ((args: ActionArgs<C, X, V>, params: P) => Answer<R, K>),
    options?: { readonly to?: ReplyTo },
  ): ActionFunction<C, X, V, P, never, never, never, never, never>
  /** Action: sends to another actor of this protocol after the step is committed. */
  sendTo<
    C extends MachineContext,
    X extends EventObject,
    V extends EventObject,
    P extends ParameterizedObject['params'] | undefined,
  >(
    key: string | ((args: ActionArgs<C, X, V>, params: P) => string),
    event: EventIn<E, keyof E> | ((args: ActionArgs<C, X, V>, params: P) => EventIn<E, keyof E>),
  ): ActionFunction<C, X, V, P, never, never, never, never, never>
  /** Effect: asks another actor and waits. A repeated run after a crash is the same command, so it is applied once. */
  ask<K extends keyof E & string>(
    type: K,
    options?: Pick<AskOptions, 'timeoutMs'>,
  ): Effect<Flat<{ key: string } & Body<In<E[K]>>>, Reply<R, K>>
}

/**
 * @param type lower-case name, also a subject token: `^[a-z][a-z0-9-]{0,63}$`
 * @throws InvalidAddress for another name; LogicRefused for an event named `xstate.*`, which XState keeps for itself
 */
export function protocol<
  const Type extends string,
  E extends Schemas,
  R extends { readonly [K in keyof R]: K extends keyof E ? AnySchema : `no event '${K & string}' in events` } = {},
  M extends Schemas = {},
>(type: Type, spec: { readonly events: E; readonly replies?: R; readonly emits?: M }): Protocol<Type, E, R, M> {
  addressOf(type, 'check')
  for (const name of [...Object.keys(spec.events), ...Object.keys(spec.emits ?? {})]) {
    if (name.startsWith('xstate.')) throw new LogicRefused(`protocol '${type}': '${name}' is reserved by XState`)
  }
  const replies: { readonly [name: string]: unknown } = { ...spec.replies }
  const answer = (name: string, value: unknown) => {
    const schema = replies[name]
    return isSchema(schema) ? parse(schema, value, `the reply to '${name}' of '${type}'`) : value
  }
  const says: AnyProtocol & Omit<ProtocolBody, 'type'> = {
    type,
    events: spec.events,
    replies,
    emits: spec.emits ?? {},
    types: () => ({}),
    handlers: (initial, on) =>
      fromTransition(
        (state: object, event: { readonly type: string }, { self, system }) => {
          const handle = on[event.type]
          if (handle === undefined) return state
          const result = handle(state, event)
          if (!(event.type in replies) || !isAnswered(result)) return result
          hostOf(system)?.reply(self, { type: event.type, value: answer(event.type, result.reply), to: 'cause' })
          return result.state
        },
        ({ input }) => (typeof initial === 'function' ? initial(input) : initial),
      ),
    reply: (name, value, options) =>
      builtinAction(
        'troupe.reply',
        (args, params) => ({
          type: name,
          value: answer(name, typeof value === 'function' ? value(args, params) : value),
          to: options?.to ?? 'cause',
        }),
        (host, self, reply) => host.reply(self, reply),
      ),
    sendTo: (key, event) =>
      builtinAction(
        'troupe.sendTo',
        (args, params) => ({
          to: addressOf(type, typeof key === 'function' ? key(args, params) : key),
          event: typeof event === 'function' ? event(args, params) : event,
        }),
        (host, self, send) => host.sendTo(self, send),
      ),
    ask: (name, options) =>
      effect(`ask ${type}.${name}`, 'idempotent', async ({ key, ...payload }, { runtime, effectId, cause, signal }) => {
        if (runtime === undefined) throw new LogicRefused(`'${type}.${name}' can be asked inside a Troupe system only`)
        const event = { ...payload, type: name }
        return runtime.ask(says, key, event, { ...options, idempotencyKey: effectId, cause, signal })
      }),
  }
  return says as unknown as Protocol<Type, E, R, M>
}

/** The bodies above without the caller's types: one implementation serves every protocol, its signature is `Protocol`. */
interface ProtocolBody {
  types(): object
  handlers(
    initial: object | ((input: ActorInput) => object),
    on: { readonly [name: string]: (state: object, event: { readonly type: string }) => object },
  ): TransitionActorLogic<object, { readonly type: string }, ActorInput>
  reply(name: string, value: unknown, options?: { readonly to?: ReplyTo }): object
  sendTo(key: unknown, event: unknown): object
  ask(name: string, options?: Pick<AskOptions, 'timeoutMs'>): Effect<{ key: string }, unknown>
}

function isSchema(value: unknown): value is AnySchema {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && '~standard' in value
}

function isAnswered(value: object): value is { readonly state: object; readonly reply: unknown } {
  return 'state' in value && 'reply' in value
}
