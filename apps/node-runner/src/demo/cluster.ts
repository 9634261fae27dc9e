/**
 * What a demo run is made of: one nats-server, a model service, node processes, and a client of the cluster.
 *
 * 1. The model service lives in the launcher: one table of answered calls, whatever happens to nodes. Limits and money belong to actors.
 * 2. `end` leaves no process behind, in whatever state the run is; it may be called more than once.
 */
import { createSystem, type System } from '@troupe/core'
import { type NatsServer, nats, startNatsServer } from '@troupe/core/nats'
import { type ConfiguredModel, inCluster, Ledger, type ModelService, serveModels } from '@troupe/llm'
import { type MetricsServer, nodeMetrics, serveMetrics } from '@troupe/telemetry'
import { NodeProcess } from './node-process.ts'

export interface ClusterOptions {
  readonly storeDir: string
  readonly namespace: string
  readonly nodes: number
  readonly model: ConfiguredModel
  readonly metricsPort?: number
}

/** The shortest allowed: the demo shows a takeover, and nobody wants to wait 20 s for it. */
export const LEASE_MS = 3_000

export class DemoCluster {
  readonly server: NatsServer
  readonly client: System
  readonly nodes: readonly NodeProcess[]
  readonly models: ModelService
  /** Of the model service. */
  readonly ledger: Ledger
  readonly #metrics: MetricsServer | undefined
  #ended: Promise<void> | undefined

  private constructor(
    server: NatsServer,
    client: System,
    nodes: readonly NodeProcess[],
    models: ModelService,
    ledger: Ledger,
    metrics: MetricsServer | undefined,
  ) {
    this.server = server
    this.client = client
    this.nodes = nodes
    this.models = models
    this.ledger = ledger
    this.#metrics = metrics
  }

  static async start({ storeDir, namespace, nodes, model, metricsPort }: ClusterOptions): Promise<DemoCluster> {
    const server = await startNatsServer({ storeDir })
    const own = nodeMetrics()
    let metrics: MetricsServer | undefined
    try {
      if (metricsPort !== undefined) metrics = await serveMetrics({ port: metricsPort, metrics: () => own.snapshot() })
      const backend = nats({
        servers: server.url,
        namespace,
        initialise: true,
        durabilityProof: server.durabilityProof,
      })
      const client = await createSystem({ backend, node: 'launcher' })
      const { bus } = client.connection
      const { clock } = client.runtime
      const ledger = new Ledger()
      const models = serveModels({
        bus,
        ledger,
        namespace,
        model: inCluster(model, client.runtime),
        clock,
        onRecord: own.modelCalled,
        ...(model.budget && { price: model.budget.price }),
      })
      const names = Array.from({ length: nodes }, (_, n) => `node-${n + 1}`)
      const started = names.map((name, n) => {
        const port = metricsPort === undefined ? {} : { metricsPort: metricsPort + 1 + n }
        return new NodeProcess({ name, servers: server.url, namespace, leaseMs: LEASE_MS, ...port })
      })
      const cluster = new DemoCluster(server, client, started, models, ledger, metrics)
      await Promise.all(started.map((node) => node.ready())).catch(async (error: unknown) => {
        await cluster.end()
        throw error
      })
      return cluster
    } catch (error) {
      await metrics?.close()
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
    await this.#metrics?.close()
    await this.server.stop()
  }
}
