/**
 * The process under test of P4–P9 and P15: a node that hosts the counter.
 * `counter-node.ts <nats url> <durability proof as JSON> <volatile | durable | synced> [node] [lease in ms]`; drains when its stdin ends.
 */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { counter, volatileCounter } from './counter.ts'

const [url = '', proof = '[]', persistence, node = 'bench', leaseMs = '20000'] = process.argv.slice(2)
const system = await createSystem({
  actors: [persistence === 'volatile' ? volatileCounter : counter],
  backend: nats({ servers: url, durabilityProof: JSON.parse(proof) }),
  node,
  leaseMs: Number(leaseMs),
})
process.stdout.write('up\n')
process.stdin.resume().on('end', () => void system.drain().then(() => process.exit(0)))
