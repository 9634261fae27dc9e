/**
 * A cluster of real processes for tests: one nats-server, nodes that can be started, stopped and killed, a client.
 * Everything it started is gone after `end`, whatever the test did.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createSystem, type System } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { natsServer, type TestServer } from '@troupe/core/testing'

const NODE_SCRIPT = fileURLToPath(new URL('node.ts', import.meta.url))
const START_MS = 20_000

export class Cluster implements AsyncDisposable {
  readonly server: TestServer
  readonly client: System
  readonly #nodes = new Map<string, ChildProcess>()

  private constructor(server: TestServer, client: System) {
    this.server = server
    this.client = client
  }

  static async start(names: readonly string[], options: { readonly syncAlways?: boolean } = {}): Promise<Cluster> {
    const server = await natsServer(options)
    // The streams of the namespace and its shard count are made once, before any node.
    const client = await createSystem({ backend: nats({ servers: server.url, initialise: true }), node: 'client' })
    const cluster = new Cluster(server, client)
    try {
      await Promise.all(names.map((name) => cluster.startNode(name)))
    } catch (error) {
      await cluster.end()
      throw error
    }
    return cluster
  }

  startNode(name: string): Promise<void> {
    const proof = JSON.stringify(this.server.server.durabilityProof)
    const child = spawn(process.execPath, ['--conditions=troupe-source', NODE_SCRIPT, name, this.server.url, proof], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#nodes.set(name, child)
    let said = ''
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`node '${name}' not up in ${START_MS} ms: ${said}`)), START_MS)
      const hear = (data: Buffer) => {
        said += data.toString()
        if (!said.includes('up\n')) return
        clearTimeout(timer)
        resolve()
      }
      child.stdout?.on('data', hear)
      child.stderr?.on('data', hear)
      child.once('exit', (code) => reject(new Error(`node '${name}' ended with ${code}: ${said}`)))
    })
  }

  /** SIGKILL: no hand-over, no farewell. */
  async kill(name: string): Promise<void> {
    const child = this.#take(name)
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  /** A planned stop: shards are handed over. */
  async stop(name: string): Promise<void> {
    const child = this.#take(name)
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.stdin?.end()
    await gone
  }

  #take(name: string): ChildProcess {
    const child = this.#nodes.get(name)
    if (child === undefined) throw new Error(`no node '${name}' runs`)
    this.#nodes.delete(name)
    return child
  }

  async end(): Promise<void> {
    await Promise.all([...this.#nodes.keys()].map((name) => this.kill(name)))
    await this.client.stop()
    await this.server.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end()
  }
}
