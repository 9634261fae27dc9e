/** The process under test of P6–P9: a node that hosts the counter. `durable-node.ts <nats url>` */
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { counter } from './counter.ts'

const system = await createSystem({
  actors: [counter],
  backend: nats({ servers: process.argv[2] ?? '' }),
  node: 'bench',
})
process.stdout.write('up\n')
process.stdin.resume().on('end', () => void system.stop().then(() => process.exit(0)))
