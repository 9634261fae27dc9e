/** One node of the cluster: `node.ts <name> <nats url>`. Says `up`, serves until it is told to end, then hands its shards over. */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { actors } from './actors.ts'

const [node = '', servers = ''] = process.argv.slice(2)
const system = await createSystem({ actors, backend: nats({ servers }), node, leaseMs: 3_000 })
process.stdout.write('up\n')

// Nothing keeps the process when its stdin is closed too.
const leave = () => void system.drain().then(() => process.stdin.destroy())
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave)
// Whoever started it is gone.
process.stdin.resume().once('end', leave)
