/** What a system is given that types cannot tell, refused before anything is connected. */
import type { AnyActorDef } from './actor.ts'
import { LogicRefused } from './errors.ts'
import type { ResidencyCap } from './residency.ts'

/** What all nodes read of a group at every change grows with it. */
const MOST_SHARDS = 10_000
const MIN_LEASE_MS = 3_000
/** A node's name is part of keys in the store; dots part their words, and none may be empty. */
const NODE = /^[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+)*$/

export interface CheckedOptions {
  readonly actors: readonly AnyActorDef[]
  readonly node: string
  readonly shards: number
  readonly leaseMs: number
  readonly residency: ResidencyCap
}

/** @throws RangeError, LogicRefused for an actor that is not a definition */
export function checkOptions({ actors, node, shards, leaseMs, residency }: CheckedOptions): void {
  checkShards('shards', shards)
  if (!(leaseMs >= MIN_LEASE_MS && leaseMs % 1_000 === 0)) {
    throw new RangeError(`leaseMs is ${leaseMs}; it must be whole seconds in milliseconds, at least ${MIN_LEASE_MS}`)
  }
  if (typeof node !== 'string' || !NODE.test(node)) {
    throw new RangeError(`node is '${node}'; it must be letters, digits, '_', '-' and '=', with single dots in between`)
  }
  for (const [name, most] of Object.entries(residency)) {
    if (!(Number.isInteger(most) && most >= 1)) {
      throw new RangeError(`residency.${name} is ${most}; it must be a whole number of at least 1`)
    }
  }
  const at = actors.findIndex((actor) => !isDefinition(actor))
  if (at >= 0) throw new LogicRefused(`actors[${at}]: actors must come from defineActor(protocol, { logic })`)
}

/** @throws RangeError */
export function checkShards(what: string, shards: number): void {
  if (Number.isInteger(shards) && shards >= 1 && shards <= MOST_SHARDS) return
  throw new RangeError(`${what} is ${shards}; it must be a whole number from 1 to ${MOST_SHARDS}`)
}

/** Without types anything may be given, a bare machine above all. */
function isDefinition(given: unknown): boolean {
  if (typeof given !== 'object' || given === null) return false
  if (!('protocol' in given && 'logic' in given)) return false
  const { protocol } = given
  return typeof protocol === 'object' && protocol !== null && 'type' in protocol && typeof protocol.type === 'string'
}

/** @throws LogicRefused for two of one type */
export function definitionsByType(actors: readonly AnyActorDef[]): ReadonlyMap<string, AnyActorDef> {
  const defs = new Map<string, AnyActorDef>()
  for (const def of actors) {
    const { type } = def.protocol
    if (defs.has(type)) throw new LogicRefused(`two definitions of actor type '${type}' were given to one system`)
    defs.set(type, def)
  }
  return defs
}
