/** The same promises on three servers: elections, followers that lag, writes that meet on their way. */
import { afterAll, beforeAll, vi } from 'vitest'
import type { Connection } from '../ports.ts'
import { journalConformance } from '../testing/journal-conformance.ts'
import { mailConformance } from '../testing/mail-conformance.ts'
import { natsCluster, type TestCluster } from '../testing/nats-cluster.ts'
import { storeConformance } from '../testing/store-conformance.ts'
import { connectOptions, type TestWorld } from '../testing/world.ts'
import { nats } from './backend.ts'

// After an outage of all servers their leaders are elected anew, in 4-9 s.
vi.setConfig({ testTimeout: 60_000 })

let cluster: TestCluster
beforeAll(async () => {
  cluster = await natsCluster(3)
})
afterAll(() => cluster?.end())

async function replicatedWorld(): Promise<TestWorld> {
  const backend = nats({ servers: cluster.url, durability: 'r3', initialise: true })
  const connections: Connection[] = []
  return {
    connect: async (overrides) => {
      const connection = await backend.connect(connectOptions(overrides))
      connections.push(connection)
      return connection
    },
    outage: async () => {
      await Promise.all(cluster.servers.map(({ server }) => server.kill()))
      return async () => {
        await Promise.all(cluster.servers.map((server) => server.start()))
      }
    },
    end: async () => {
      for (const connection of connections) await connection.close()
    },
  }
}

journalConformance('nats on three servers', replicatedWorld)
mailConformance('nats on three servers', replicatedWorld)
storeConformance('nats on three servers', replicatedWorld)
