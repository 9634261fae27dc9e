/** The process under test of P6–P9: a node that hosts the counter. `durable-node.ts <nats url> <durability proof as JSON>` */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { counter } from './counter.ts'

const system = await createSystem({
  actors: [counter],
  backend: nats({ servers: process.argv[2] ?? '', durabilityProof: JSON.parse(process.argv[3] ?? '[]') }),
  node: 'bench',
})
process.stdout.write('up\n')
process.stdin.resume().on('end', () => void system.stop().then(() => process.exit(0)))
