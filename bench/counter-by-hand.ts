/**
 * The baseline of P4–P9: a counter as one would write it by hand on nats.js. A request, one JetStream publish over an own ack
 * inbox, the reply after the ack; with `volatile` no publish at all. No fence, no dedupe, no step record, no recovery.
 * `counter-by-hand.ts <nats url> [volatile]`
 */
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type Msg } from '@nats-io/transport-node'
import { Packr } from 'msgpackr'

const packr = new Packr({ useRecords: false })
const [url = '', persistence] = process.argv.slice(2)
const nc = await connect({ servers: url, noAsyncTraces: true })
const jsm = await jetstreamManager(nc)
await jsm.streams.add({ name: 'HAND', subjects: ['hand.log.>'], storage: 'file' })

const inbox = `_INBOX.hand${process.pid}`
const waiting = new Map<string, (ack: Msg) => void>()
let acks = 0
nc.subscribe(`${inbox}.*`, {
  callback: (_error, ack) => {
    const id = ack.subject.slice(inbox.length + 1)
    waiting.get(id)?.(ack)
    waiting.delete(id)
  },
})

function publish(subject: string, data: Uint8Array): Promise<Msg> {
  return new Promise((resolve) => {
    const id = (++acks).toString(36)
    waiting.set(id, resolve)
    nc.publish(subject, data, { reply: `${inbox}.${id}` })
  })
}

const counts = new Map<string, number>()

async function answer(message: Msg): Promise<void> {
  const key = message.subject.slice('hand.ask.'.length)
  const { by }: { by: number } = packr.unpack(message.data)
  const count = (counts.get(key) ?? 0) + by
  counts.set(key, count)
  const ack = persistence === 'volatile' ? undefined : await publish(`hand.log.${key}`, message.data)
  if (ack?.string().includes('"error"')) throw new Error(ack.string())
  message.respond(packr.pack({ count }))
}

nc.subscribe('hand.ask.*', {
  callback: (_error, message) => void answer(message),
})
await nc.flush()
process.stdout.write('up\n')
process.stdin.resume().on('end', () => process.exit(0))
