import { memoryKeys } from '../keys.ts'
import { busConformance } from '../testing/bus-conformance.ts'
import { journalConformance } from '../testing/journal-conformance.ts'
import { keyConformance, storedKeyWorld } from '../testing/key-conformance.ts'
import { mailConformance } from '../testing/mail-conformance.ts'
import { storeConformance } from '../testing/store-conformance.ts'
import { connectOptions, type TestWorld } from '../testing/world.ts'
import { type MemoryConnection, memory } from './backend.ts'

async function memoryWorld(): Promise<TestWorld> {
  const backend = memory()
  const connections: MemoryConnection[] = []
  return {
    connect: async (overrides) => {
      const connection = await backend.connect(connectOptions(overrides))
      connections.push(connection)
      return connection
    },
    outage: async () => {
      for (const connection of connections) connection.cut()
      return async () => {
        for (const connection of connections) connection.heal()
      }
    },
    end: async () => {
      for (const connection of connections) await connection.close()
    },
  }
}

busConformance('memory', memoryWorld)
journalConformance('memory', memoryWorld)
mailConformance('memory', memoryWorld)
storeConformance('memory', memoryWorld)
keyConformance('memory', () => storedKeyWorld(memoryWorld))
keyConformance('in the process', async () => {
  const keys = memoryKeys()
  return { stores: [keys, keys], end: async () => {} }
})
