/**
 * A cluster of real processes for tests: nats-servers, nodes and a client, with the verbs of faults: start, stop, kill, freeze, thaw,
 * cut, heal.
 *
 * 1. Everything it started is gone after `end`, whatever the test did.
 * 2. A node that ends without being asked is kept in `died`: a fault may silence a node, never end it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createSystem, type System } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { natsCluster, natsServer, type TestServer } from '@troupe/core/testing'
import { Link, type Way } from './link.ts'

const NODE_SCRIPT = fileURLToPath(new URL('node.ts', import.meta.url))
const START_MS = 20_000
/** Lines of the nodes that are kept. */
const LOG_LINES = 400

export interface ClusterOptions {
  readonly syncAlways?: boolean
  /** @defaultValue 1 */
  readonly servers?: 1 | 3
  /** Nodes reach the servers over links that can be cut. */
  readonly links?: boolean
}

export class Cluster implements AsyncDisposable {
  readonly client: System
  readonly servers: readonly TestServer[]
  /** What nodes said on stderr, the newest last. */
  readonly log: string[] = []
  readonly died: string[] = []
  readonly #end: () => Promise<void>
  readonly #withLinks: boolean
  readonly #links = new Map<string, readonly Link[]>()
  readonly #nodes = new Map<string, ChildProcess>()

  private constructor(parts: {
    servers: readonly TestServer[]
    client: System
    withLinks: boolean
    end: () => Promise<void>
  }) {
    this.servers = parts.servers
    this.client = parts.client
    this.#withLinks = parts.withLinks
    this.#end = parts.end
  }

  static async start(names: readonly string[], options: ClusterOptions = {}): Promise<Cluster> {
    const { servers: count = 1, links: withLinks = false, syncAlways = false } = options
    const many = count === 1 ? undefined : await natsCluster(count, { syncAlways })
    const servers = many?.servers ?? [await natsServer({ syncAlways })]
    const end = async (): Promise<void> => {
      await Promise.all(servers.map((server) => server.end()))
    }
    try {
      // The streams of the namespace are made once, before any node.
      const backend = nats({ servers: urlsOf(servers), durability: tierOf(servers), initialise: true })
      const client = await createSystem({ backend, node: 'client' })
      const cluster = new Cluster({ servers, client, withLinks, end })
      try {
        await Promise.all(names.map((name) => cluster.startNode(name)))
        return cluster
      } catch (error) {
        await client.stop()
        await cluster.#killAll()
        throw error
      }
    } catch (error) {
      await end()
      throw error
    }
  }

  get names(): readonly string[] {
    return [...this.#nodes.keys()]
  }

  async startNode(name: string): Promise<void> {
    const url = await this.#urlFor(name)
    const proof = JSON.stringify(this.servers.flatMap(({ server }) => server.durabilityProof))
    const args = ['--conditions=troupe-source', NODE_SCRIPT, name, url, tierOf(this.servers), proof]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#nodes.set(name, child)
    child.once('exit', (code, signal) => {
      if (this.#nodes.get(name) !== child) return
      this.#nodes.delete(name)
      this.died.push(`node '${name}' ended by itself (${code ?? signal})`)
    })
    let said = ''
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`node '${name}' not up in ${START_MS} ms: ${said}`)), START_MS)
      child.stdout?.on('data', (data: Buffer) => {
        said += data.toString()
        if (!said.includes('up\n')) return
        clearTimeout(timer)
        resolve()
      })
      child.stderr?.on('data', (data: Buffer) => {
        said += data.toString()
        this.log.push(...data.toString().trimEnd().split('\n'))
        this.log.splice(0, this.log.length - LOG_LINES)
      })
      child.once('exit', (code) => {
        clearTimeout(timer)
        reject(new Error(`node '${name}' ended with ${code}: ${said}`))
      })
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

  /** SIGSTOP: it stands still in the middle of whatever it does, and knows nothing of it later. */
  freeze(name: string): void {
    this.#node(name).kill('SIGSTOP')
  }

  thaw(name: string): void {
    this.#node(name).kill('SIGCONT')
  }

  cut(name: string, way: Way): void {
    for (const link of this.#linksOf(name)) link.cut(way)
  }

  heal(name: string): void {
    for (const link of this.#linksOf(name)) link.heal()
  }

  async end(): Promise<void> {
    await this.#killAll()
    await this.client.stop()
    await this.#end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end()
  }

  #node(name: string): ChildProcess {
    const child = this.#nodes.get(name)
    if (child === undefined) throw new Error(`no node '${name}' runs`)
    return child
  }

  #take(name: string): ChildProcess {
    const child = this.#node(name)
    this.#nodes.delete(name)
    return child
  }

  #linksOf(name: string): readonly Link[] {
    const links = this.#links.get(name)
    if (links === undefined) throw new Error(`node '${name}' has no links: start the cluster with { links: true }`)
    return links
  }

  async #urlFor(name: string): Promise<string> {
    if (!this.#withLinks) return urlsOf(this.servers)
    const links = this.#links.get(name) ?? (await Promise.all(this.servers.map(({ url }) => Link.open(url))))
    this.#links.set(name, links)
    return urlsOf(links)
  }

  async #killAll(): Promise<void> {
    await Promise.all(this.names.map((name) => this.kill(name)))
    for (const links of this.#links.values()) for (const link of links) link.end()
  }
}

const urlsOf = (places: readonly { readonly url: string }[]): string => places.map(({ url }) => url).join(',')
const tierOf = (servers: readonly unknown[]): 'r1' | 'r3' => (servers.length >= 3 ? 'r3' : 'r1')
