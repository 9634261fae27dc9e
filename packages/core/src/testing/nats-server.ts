/** A nats-server for one test file: a free port, a store in the temporary folder, nothing left afterwards. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../nats/server.ts'

export interface TestServer extends AsyncDisposable {
  /** The same across restarts. */
  readonly url: string
  /** Of the server that runs now, or ran last. */
  readonly server: NatsServer
  /** After `stop` or `kill` of `server`: again on the same port and store. */
  start(): Promise<void>
  /** Kills the server and removes its folder. */
  end(): Promise<void>
}

export type TestServerOptions = Pick<NatsServerOptions, 'syncAlways' | 'maxStoreBytes' | 'cluster'>

export async function natsServer(options: TestServerOptions = {}): Promise<TestServer> {
  const storeDir = mkdtempSync(join(tmpdir(), 'troupe-nats-'))
  let server = await startNatsServer({ ...options, storeDir })
  const { url, port } = server
  const end = async (): Promise<void> => {
    await server.kill()
    rmSync(storeDir, { recursive: true, force: true })
  }
  return {
    url,
    get server() {
      return server
    },
    start: async () => {
      server = await startNatsServer({ ...options, storeDir, port })
    },
    end,
    [Symbol.asyncDispose]: end,
  }
}
