/**
 * What a demo run is made of: one nats-server, a model service, node processes, and a client of the cluster.
 *
 * 1. The model service lives in the launcher: one budget and one table of answered calls, whatever happens to nodes.
 * 2. `end` leaves no process behind, in whatever state the run is; it may be called more than once.
 */
import { createSystem, type System } from '@troupe/core'
import { type NatsServer, nats, startNatsServer } from '@troupe/core/nats'
import { type ConfiguredModel, limited, type ModelService, modelGate, serveModels } from '@troupe/llm'
import { NodeProcess } from './node-process.ts'

export interface ClusterOptions {
  readonly storeDir: string
  readonly namespace: string
  readonly nodes: number
  readonly model: ConfiguredModel
}

/** The shortest allowed: the demo shows a takeover, and nobody wants to wait 20 s for it. */
export const LEASE_MS = 3_000

export class DemoCluster {
  readonly server: NatsServer
  readonly client: System
  readonly nodes: readonly NodeProcess[]
  readonly models: ModelService
  #ended: Promise<void> | undefined

  private constructor(server: NatsServer, client: System, nodes: readonly NodeProcess[], models: ModelService) {
    this.server = server
    this.client = client
    this.nodes = nodes
    this.models = models
  }

  static async start({ storeDir, namespace, nodes, model }: ClusterOptions): Promise<DemoCluster> {
    const server = await startNatsServer({ storeDir })
    try {
      const backend = nats({
        servers: server.url,
        namespace,
        initialise: true,
        durabilityProof: server.durabilityProof,
      })
      const client = await createSystem({ backend, node: 'launcher' })
      const { bus } = client.connection
      const { clock } = client.runtime
      const limits = model.limits && modelGate(model.account, model.limits).in(client.runtime)
      const models = serveModels({
        bus,
        namespace,
        model: limits === undefined ? model.model : limited(model.model, limits, clock),
        clock,
        ...(model.budget && { budget: model.budget }),
      })
      const names = Array.from({ length: nodes }, (_, n) => `node-${n + 1}`)
      const started = names.map((name) => new NodeProcess({ name, servers: server.url, namespace, leaseMs: LEASE_MS }))
      const cluster = new DemoCluster(server, client, started, models)
      await Promise.all(started.map((node) => node.ready())).catch(async (error: unknown) => {
        await cluster.end()
        throw error
      })
      return cluster
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  end(): Promise<void> {
    this.#ended ??= this.#end()
    return this.#ended
  }

  async #end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.end()))
    await this.models.stop()
    await this.client.stop()
    await this.server.stop()
  }
}
