/** A node with Python workers: `python-node.ts <nats url> <namespace> <folder of apps>`. Says `up` when they are ready. */
import { pool } from '@troupe/bridge-python'
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'

const [servers, namespace, folder] = process.argv.slice(2)
if (servers === undefined || namespace === undefined || folder === undefined) {
  throw new Error('usage: python-node.ts <nats url> <namespace> <folder of apps>')
}
const python = pool('general', { app: 'bridge_test_app:app', pythonPath: [folder], size: 2 })
const system = await createSystem({
  actors: [python],
  backend: nats({ servers, namespace, initialise: true }),
  shards: 8,
})
await system.get(python, 'main').ask({ type: 'start' }, { timeoutMs: 20_000 })
process.stdout.write('up\n')
