/** One node process of a demo cluster: `node.ts <NodeConfig as JSON>`. Says `serving` once; ends when its stdin ends. */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { nodeMetrics, serveMetrics } from '@troupe/telemetry'
import { actors } from './app.ts'
import type { NodeConfig } from './node-process.ts'

const config: NodeConfig = JSON.parse(process.argv[2] ?? '{}')
const { metricsPort } = config
const observer = metricsPort === undefined ? undefined : nodeMetrics()
const system = await createSystem({
  actors,
  backend: nats({ servers: config.servers, namespace: config.namespace }),
  node: config.name,
  leaseMs: config.leaseMs,
  ...(observer && { observer }),
  onLog: (text, data) => process.stderr.write(`${text} ${JSON.stringify(data)}\n`),
})
if (observer !== undefined && metricsPort !== undefined) {
  await serveMetrics({ port: metricsPort, metrics: () => observer.read(system) })
}
process.stdout.write('serving\n')
const leave = () => void system.drain().finally(() => process.exit(0))
process.stdin.resume().once('end', leave).once('error', leave)
