/** The process under test of P4–P9: a node that hosts the counter. `counter-node.ts <nats url> <durability proof as JSON> [volatile]` */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { counter, volatileCounter } from './counter.ts'

const [url = '', proof = '[]', persistence] = process.argv.slice(2)
const system = await createSystem({
  actors: [persistence === 'volatile' ? volatileCounter : counter],
  backend: nats({ servers: url, durabilityProof: JSON.parse(proof) }),
  node: 'bench',
})
process.stdout.write('up\n')
process.stdin.resume().on('end', () => void system.stop().then(() => process.exit(0)))
