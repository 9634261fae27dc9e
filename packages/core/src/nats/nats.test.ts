import type { Connection } from '../ports.ts'
import { busConformance } from '../testing/bus-conformance.ts'
import { journalConformance } from '../testing/journal-conformance.ts'
import { keyConformance, storedKeyWorld } from '../testing/key-conformance.ts'
import { mailConformance } from '../testing/mail-conformance.ts'
import { natsServer } from '../testing/nats-server.ts'
import { storeConformance } from '../testing/store-conformance.ts'
import { connectOptions, type TestWorld } from '../testing/world.ts'
import { nats } from './backend.ts'

async function natsWorld(): Promise<TestWorld> {
  const server = await natsServer()
  const backend = nats({ servers: server.url, initialise: true })
  const connections: Connection[] = []
  return {
    connect: async (overrides) => {
      const connection = await backend.connect(connectOptions(overrides))
      connections.push(connection)
      return connection
    },
    outage: async () => {
      await server.server.kill()
      return () => server.start()
    },
    end: async () => {
      for (const connection of connections) await connection.close()
      await server.end()
    },
  }
}

busConformance('nats', natsWorld)
journalConformance('nats', natsWorld)
mailConformance('nats', natsWorld)
storeConformance('nats', natsWorld)
keyConformance('nats', () => storedKeyWorld(natsWorld))
