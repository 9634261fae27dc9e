/** What tells two logics of one type apart: a state is recovered by the logic that made it, or by an `upgrade`. */
import type { AnyActorDef } from './actor.ts'
import { hashOf } from './codec.ts'

/** Identity of a logic for recovery: the machine's definition as data; other logics by their functions' text. */
export function logicHash(def: AnyActorDef): string {
  const logic: object = def.logic
  const config: unknown = 'config' in logic ? logic.config : undefined
  const text = typeof config === 'object' && config !== null ? withFunctions(config) : `${def.logic.transition}`
  return hashOf({ type: def.protocol.type, version: def.version ?? 1, text }).slice(0, 22)
}

/** A config as text with the source of its functions; what cannot be walked (actors, cycles) is left out. */
function withFunctions(config: object): string {
  const seen = new Set<unknown>()
  return JSON.stringify(config, (_key, value: unknown) => {
    if (typeof value === 'function' || typeof value === 'bigint') return `${value}`
    if (typeof value === 'object' && value !== null) {
      if (seen.has(value)) return undefined
      seen.add(value)
    }
    return value
  })
}
