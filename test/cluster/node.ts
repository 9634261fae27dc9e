/** One node process of a cluster test: `node.ts <name> <nats url> <durability proof as JSON>`. Says `up` on stdout; ends when its stdin ends. */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { actors } from './actors.ts'

const [name, url, proof = '[]'] = process.argv.slice(2)
if (name === undefined || url === undefined) throw new Error('usage: node.ts <name> <nats url>')
const system = await createSystem({
  actors,
  backend: nats({ servers: url, durabilityProof: JSON.parse(proof) }),
  node: name,
  leaseMs: 3_000,
  onLog: (text, data) => process.stderr.write(`${name}: ${text} ${JSON.stringify(data)}\n`),
})
process.stdout.write('up\n')
process.stdin.resume().on('end', () => void system.drain().then(() => process.exit(0)))
