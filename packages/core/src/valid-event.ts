/** A message at the border of an actor: what its protocol makes of it. */
import type { AnyActorDef } from './actor.ts'
import { decode, encode, isFlat, type Json } from './codec.ts'
import { InvalidEvent, TroupeError } from './errors.ts'
import { parse } from './schema.ts'

/** The event as the protocol's schema makes it, encoded again: what is recorded is what the machine sees. Or why it is none. */
export function validEvent(def: AnyActorDef, event: Json): Json | TroupeError {
  try {
    return validated(def, event)
  } catch (error) {
    return error instanceof TroupeError ? error : new InvalidEvent(String(error))
  }
}

function validated({ protocol }: AnyActorDef, event: Json): Json {
  const value = isFlat(event) ? event : decode(event)
  if (typeof value !== 'object' || value === null || !('type' in value)) throw new InvalidEvent('an event needs a type')
  const { type, ...payload } = value
  const { events } = protocol
  const schema = typeof type === 'string' && Object.hasOwn(events, type) ? events[type] : undefined
  if (schema === undefined || typeof type !== 'string') {
    const known = Object.keys(events)
    const what = `'${protocol.type}' has no event '${String(type)}'; it has ${known.join(', ')}`
    throw new InvalidEvent(what, { known })
  }
  const parsed = parse(schema, payload, `event '${type}' of '${protocol.type}'`)
  if (typeof parsed !== 'object' || parsed === null) throw new InvalidEvent(`event '${type}' must be a record`)
  const said = { ...parsed, type }
  return isFlat(said) ? said : encode(said)
}
