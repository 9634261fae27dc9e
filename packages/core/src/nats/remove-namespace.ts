/** Deletes a namespace with all its actors. For the namespaces of tests only: nothing public leads here. */
import { jetstreamManager } from '@nats-io/jetstream'
import type { Connection } from '../ports.ts'
import { dial } from './backend.ts'
import { bucketName, deadLetterStream, journalStream, mailStream } from './streams.ts'

/** What was never created is no failure. */
export async function removeNamespace(place: Pick<Connection, 'servers' | 'creds'>, namespace: string): Promise<void> {
  const nc = await dial(place, 'remove-namespace')
  try {
    const jsm = await jetstreamManager(nc)
    const ours = new Set([
      journalStream(namespace),
      mailStream(namespace),
      deadLetterStream(namespace),
      `KV_${bucketName(namespace)}`,
    ])
    for await (const name of jsm.streams.names()) if (ours.has(name)) await jsm.streams.delete(name)
  } finally {
    await nc.close()
  }
}
