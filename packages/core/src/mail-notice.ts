/**
 * "Has mail": what a stream republishes of each message it stores, headers only, on the `w` subject of the shard.
 *
 * 1. A notice proves nothing but that a read is worth while; one that is lost is made up for by the next read.
 */
import type { BusMessage, Headers } from './ports.ts'

export interface MailNotice {
  readonly subject: string
  readonly position: number
}

const SUBJECT = 'Nats-Subject'
const POSITION = 'Nats-Sequence'

export function noticeIn({ headers }: BusMessage): MailNotice | undefined {
  const subject = headers?.[SUBJECT]
  const position = Number(headers?.[POSITION])
  return subject !== undefined && position > 0 ? { subject, position } : undefined
}

/** For a store that is not a JetStream stream. */
export function noticeHeaders({ subject, position }: MailNotice): Headers {
  return { [SUBJECT]: subject, [POSITION]: String(position) }
}
