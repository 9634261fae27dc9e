/**
 * A wire between a node and a server that can be cut: a proxy on loopback.
 *
 * 1. While it is cut nothing passes and nobody is told; connections stay. What was sent arrives after the heal, late, as TCP would
 *    send it again: a fault meant to bring old writes back from the dead.
 * 2. An end that goes away takes the other one with it.
 */
import { createServer, connect as dial, type Server, type Socket } from 'node:net'

/** What a cut holds up. */
export type Way = 'both' | 'to-server' | 'to-node'

interface Pair {
  readonly node: Socket
  readonly server: Socket
}

export class Link {
  readonly url: string
  readonly #proxy: Server
  readonly #pairs: Set<Pair>
  #cut: Way | undefined

  private constructor(proxy: Server, pairs: Set<Pair>, port: number) {
    this.#proxy = proxy
    this.#pairs = pairs
    this.url = `nats://127.0.0.1:${port}`
    proxy.on('connection', () => this.#apply())
  }

  static async open(target: string): Promise<Link> {
    const { hostname: host, port } = new URL(target)
    const pairs = new Set<Pair>()
    const proxy = createServer((node) => join(pairs, { node, server: dial({ host, port: Number(port) }) }))
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const address = proxy.address()
    return new Link(proxy, pairs, typeof address === 'object' && address !== null ? address.port : 0)
  }

  cut(way: Way): void {
    this.#cut = way
    this.#apply()
  }

  heal(): void {
    this.#cut = undefined
    this.#apply()
  }

  end(): void {
    this.#proxy.close()
    for (const { node, server } of this.#pairs) {
      node.destroy()
      server.destroy()
    }
  }

  #apply(): void {
    for (const { node, server } of this.#pairs) {
      flow(node, this.#cut !== 'both' && this.#cut !== 'to-server')
      flow(server, this.#cut !== 'both' && this.#cut !== 'to-node')
    }
  }
}

function flow(from: Socket, open: boolean): void {
  if (open) from.resume()
  else from.pause()
}

function join(pairs: Set<Pair>, pair: Pair): void {
  pairs.add(pair)
  const { node, server } = pair
  const part = (): void => {
    pairs.delete(pair)
    node.end()
    server.end()
  }
  for (const [from, to] of [
    [node, server],
    [server, node],
  ] as const) {
    from.setNoDelay(true)
    // No backpressure: what a test sends fits into memory, and a pause of our own would undo a cut.
    from.on('data', (data) => to.write(data))
    from.once('end', part).once('close', part)
    // A reset is an end; the close that follows says so.
    from.on('error', () => from.destroy())
  }
}
