/**
 * Several nats-servers as one JetStream cluster on loopback, for tests of what only a cluster does: elections, followers that lag,
 * a quorum that is lost.
 *
 * 1. It is handed over once it can place a stream with as many replicas as it has servers.
 * 2. Servers never tell clients of one another: a test decides which of them a client knows.
 */
import { createServer } from 'node:net'
import { eventually } from './eventually.ts'
import { natsServer, type TestServer, type TestServerOptions } from './nats-server.ts'

export interface TestCluster extends AsyncDisposable {
  /** Addresses of all servers, separated by commas: for `nats({ servers })`. */
  readonly url: string
  readonly servers: readonly TestServer[]
  /** Kills the servers and removes their folders. */
  end(): Promise<void>
}

/** The first election takes 4-9 s. */
const FORM_MS = 30_000

export async function natsCluster(
  size: number,
  options: Omit<TestServerOptions, 'cluster'> = {},
): Promise<TestCluster> {
  const routePorts = await freePorts(size)
  const starts = await Promise.allSettled(
    routePorts.map((routePort, i) =>
      natsServer({ ...options, cluster: { serverName: `server-${i + 1}`, routePort, routePorts } }),
    ),
  )
  const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
  const end = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.end()))
  }
  try {
    for (const start of starts) if (start.status === 'rejected') throw start.reason
    await canReplicate(servers[0]?.url ?? '', size)
  } catch (error) {
    await end()
    throw error
  }
  return { url: servers.map(({ url }) => url).join(','), servers, end, [Symbol.asyncDispose]: end }
}

/** All at once, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const holders = await Promise.all(
    Array.from({ length: count }, () => {
      const holder = createServer()
      return new Promise<typeof holder>((resolve) => holder.listen(0, '127.0.0.1', () => resolve(holder)))
    }),
  )
  const ports = holders.map((holder) => {
    const address = holder.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(holders.map((holder) => new Promise((resolve) => holder.close(resolve))))
  return ports
}

async function canReplicate(url: string, replicas: number): Promise<void> {
  // Loaded here, so that tests in memory need no NATS client.
  const [{ connect }, { jetstreamManager }] = await Promise.all([
    import('@nats-io/transport-node'),
    import('@nats-io/jetstream'),
  ])
  const nc = await connect({ servers: url })
  try {
    const { streams } = await jetstreamManager(nc, { checkAPI: false })
    const name = 'probe'
    await eventually(() => streams.add({ name, subjects: [name], num_replicas: replicas }), { withinMs: FORM_MS })
    await eventually(() => streams.delete(name), { withinMs: FORM_MS })
  } finally {
    await nc.close()
  }
}
