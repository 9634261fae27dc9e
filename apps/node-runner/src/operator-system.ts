/** A system without actors on the connection of an open log, for what an operator orders. The log closes the connection. */
import { type Backend, type Connection, createSystem, type System } from '@troupe/core'

export function operatorSystem(connection: Connection): Promise<System> {
  const backend: Backend = { kind: 'nats', connect: async () => ({ ...connection, close: async () => {} }) }
  return createSystem({ backend })
}
