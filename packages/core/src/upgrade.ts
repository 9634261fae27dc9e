/**
 * What an older version of a definition has recorded, made readable for this one: states by `upgrade`, events by `upgradeEvent`.
 *
 * 1. The log is never rewritten: an upgrade is what reading gives, and the next state that is written is of this version.
 * 2. What was recorded stands: an upgraded fold must start, stop and set the same as the recorded one did, since effects and timers
 *    are known by what the log calls them. Its state has no recorded hash to be compared with; the chain still guards the bytes.
 * 3. An older version never reads a newer one.
 */
import type { AnyActorDef, RecordedEvent } from './actor.ts'
import { decode, encode, isEqual, type Json, type RefCodec } from './codec.ts'
import { StateDiverged } from './errors.ts'
import type { Input, Made } from './input.ts'
import type { ActorState } from './step.ts'

/** @throws StateDiverged when the definition has no way from that version to its own */
export function upgradedState(state: ActorState, def: AnyActorDef): ActorState {
  const version = def.version ?? 1
  if (state.version === version || state.host === undefined) return state
  const { upgrade } = def
  if (upgrade === undefined || state.version > version) {
    throw new StateDiverged(
      `the state of '${def.protocol.type}' has version ${state.version}, this code is version ${version} and has no upgrade from it`,
      { from: state.version, to: version },
    )
  }
  const { tree } = state.host
  const snap: { readonly [name: string]: Json } = isRecord(tree.snap) ? tree.snap : {}
  const refs = opaqueRefs()
  const from = state.version
  const context = attempt(def, 'upgrade', from, () => upgrade(decode(snap['context'] ?? null, refs), from))
  const timers = state.host.timers.map((timer) => ({ ...timer, event: upgradedEvent(timer.event, from, def) }))
  const upgraded = { ...tree, snap: { ...snap, context: encode(context, refs, 'context') } }
  return { ...state, version, host: { ...state.host, timers, tree: upgraded } }
}

/** What today's machine is given for a recorded input. */
export function upgradedInput(input: Input, from: number, def: AnyActorDef): Input {
  switch (input.kind) {
    case 'message':
    case 'effect.done':
    case 'effect.error':
    case 'effect.event':
      return { ...input, event: upgradedEvent(input.event, from, def) }
    default:
      return input
  }
}

function upgradedEvent(event: Json, from: number, def: AnyActorDef): Json {
  const { upgradeEvent } = def
  if (upgradeEvent === undefined) return event
  const refs = opaqueRefs()
  const recorded = decode(event, refs)
  if (!isEvent(recorded)) return event
  const upgraded: unknown = attempt(def, 'upgradeEvent', from, () => upgradeEvent(recorded, from))
  if (!isEvent(upgraded)) {
    const what = `upgradeEvent of '${def.protocol.type}' made no event of a recorded '${recorded.type}'; return one with a type`
    throw new StateDiverged(what, { from, to: def.version ?? 1, event: recorded.type })
  }
  return encode(upgraded, refs, 'event')
}

/** See 2: what later records name of what a step has made. */
export function namedIn({ children = [], stopped = [], timers = [], cancelled = [] }: Made): Json {
  return {
    children: children.map(({ path, effect }) => ({ path, ...(effect !== undefined && { effect }) })),
    stopped,
    timers: timers.map(({ n, path }) => ({ n, path })),
    cancelled,
  }
}

export function namesTheSame(recorded: Made, made: Made): boolean {
  return isEqual(namedIn(recorded), namedIn(made))
}

function attempt<T>(def: AnyActorDef, what: 'upgrade' | 'upgradeEvent', from: number, run: () => T): T {
  try {
    return run()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const text = `${what} of '${def.protocol.type}' threw on what version ${from} has recorded: ${why}`
    throw new StateDiverged(text, { from, to: def.version ?? 1 }, error)
  }
}

/** No tree is there yet: a reference is carried over as a token that means itself. */
function opaqueRefs(): RefCodec {
  const known = new Map<object, { readonly path: string; readonly id: string }>()
  return {
    nameOf: (value) => known.get(value),
    find: (path, id) => {
      const reference = Object.freeze({ path, id })
      known.set(reference, reference)
      return reference
    },
  }
}

function isRecord(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEvent(value: unknown): value is RecordedEvent {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
