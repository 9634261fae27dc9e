/**
 * One node process of a cluster test: `node.ts <name> <nats urls> <tier> <durability proof as JSON>`. Says `up` on stdout; ends when
 * its stdin ends.
 */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { actors } from './actors.ts'

const [name, url, tier, proof = '[]'] = process.argv.slice(2)
if (name === undefined || url === undefined) throw new Error('usage: node.ts <name> <nats urls> <tier>')
const began = performance.now()
const system = await createSystem({
  actors,
  backend: nats({ servers: url, durability: tier === 'r3' ? 'r3' : 'r1', durabilityProof: JSON.parse(proof) }),
  node: name,
  leaseMs: 3_000,
  onLog: (text, data) => {
    process.stderr.write(`${name} ${Math.round(performance.now() - began)}: ${text} ${JSON.stringify(data)}\n`)
  },
})
process.stdout.write('up\n')
process.stdin.resume().on('end', () => void system.drain().then(() => process.exit(0)))
