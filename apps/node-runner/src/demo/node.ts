/** One node process of a demo cluster: `node.ts <NodeConfig as JSON>`. Says `serving` once; ends when its stdin ends. */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { actors } from './app.ts'
import type { NodeConfig } from './node-process.ts'

const config: NodeConfig = JSON.parse(process.argv[2] ?? '{}')
const system = await createSystem({
  actors,
  backend: nats({ servers: config.servers, namespace: config.namespace }),
  node: config.name,
  leaseMs: config.leaseMs,
  onLog: (text, data) => process.stderr.write(`${text} ${JSON.stringify(data)}\n`),
})
process.stdout.write('serving\n')
const leave = () => void system.drain().finally(() => process.exit(0))
process.stdin.resume().once('end', leave).once('error', leave)
