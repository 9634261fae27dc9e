import type { Connection } from '../ports.ts'
import { busConformance } from '../testing/bus-conformance.ts'
import { journalConformance } from '../testing/journal-conformance.ts'
import { keyConformance, storedKeyWorld } from '../testing/key-conformance.ts'
import { mailConformance } from '../testing/mail-conformance.ts'
import { natsServer } from '../testing/nats-server.ts'
import { storeConformance } from '../testing/store-conformance.ts'
import { connectOptions, type TestWorld } from '../testing/world.ts'
import { nats } from './backend.ts'

const natsWorld = (): Promise<TestWorld> => worldOf(false)

/** Where every write is synced, ready appends share a batch. */
const syncedWorld = (): Promise<TestWorld> => worldOf(true)

async function worldOf(syncAlways: boolean): Promise<TestWorld> {
  const server = await natsServer({ syncAlways })
  const { durabilityProof } = server.server
  const backend = nats({ servers: server.url, initialise: true, durabilityProof })
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
journalConformance('nats, every write synced', syncedWorld)
mailConformance('nats', natsWorld)
storeConformance('nats', natsWorld)
keyConformance('nats', () => storedKeyWorld(natsWorld))
