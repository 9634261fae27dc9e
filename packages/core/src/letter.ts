/**
 * What lies in the mail: letters, several in one message when they waited for the one before them.
 *
 * 1. A sender's letters to one receiver are numbered upwards and stored in that order; each says that all up to itself will
 *    not be sent again, so a receiver that remembers the last number knows every repetition.
 * 2. A stock client may store a plain event, as JSON; its place in the mail is its number.
 * 3. Whoever may publish on `m` is believed as a node is: the sender it names is not checked again.
 */
import type { Address } from './address.ts'
import type { Json } from './codec.ts'
import { type Envelope, type EnvelopeCause, envelopeIn } from './envelope.ts'
import { InvalidEvent, type TroupeError, toWire } from './errors.ts'
import type { MailEntry } from './ports.ts'
import type { CommandId } from './step.ts'
import { isJson, packWire, unpackWire } from './wire.ts'

/** As posted. */
export interface Letter {
  readonly event: Json
  readonly cause: EnvelopeCause
  readonly command: CommandId
  /** Names the event across senders, for 24 h. */
  readonly key?: string
  /** Milliseconds since 1970. */
  readonly expiresAt?: number
}

/** As found. */
export interface ReceivedLetter {
  /** Of the message it came in. */
  readonly position: number
  /** Whether it is the last one of that message. */
  readonly last: boolean
  readonly sizeBytes: number
  readonly content:
    | Extract<Envelope, { kind: 'event' }>
    | { readonly unreadable: TroupeError; readonly bytes: Uint8Array }
}

/** @throws MessageTooLarge */
export function packLetters(letters: readonly Letter[]): Uint8Array {
  return packWire({
    v: 1,
    letters: letters.map(({ event, cause, command: { client, n }, key, expiresAt }) => ({
      kind: 'event',
      event,
      cause,
      command: { client, n, settled: n },
      ...(key !== undefined && { key }),
      ...(expiresAt !== undefined && { expiresAt }),
    })),
  })
}

/** All letters of one message; one that cannot be read is a letter as well, for it must not be lost. */
export function lettersIn(entry: MailEntry, to: Address, streamId: string): ReceivedLetter[] {
  const { position, bytes, headers } = entry
  const byPlace = { client: `mail.${streamId.slice(0, 16)}`, n: position, settled: position }
  const contents: ReceivedLetter['content'][] = []
  try {
    const body = unpackWire(bytes, isJson(headers))
    for (const one of listIn(body) ?? [body]) {
      const envelope = envelopeIn(one, to, () => `mail:${position}`)
      if (envelope.kind !== 'event') throw new InvalidEvent(`only events may lie in the mail, not '${envelope.kind}'`)
      contents.push(envelope.command === undefined ? { ...envelope, command: byPlace } : envelope)
    }
  } catch (error) {
    contents.push({ unreadable: asTroupeError(error), bytes })
  }
  const sizeBytes = Math.ceil(bytes.byteLength / contents.length)
  return contents.map((content, i) => ({ position, last: i === contents.length - 1, sizeBytes, content }))
}

function listIn(body: unknown): readonly unknown[] | undefined {
  if (typeof body !== 'object' || body === null || !('letters' in body)) return undefined
  return Array.isArray(body.letters) && body.letters.length > 0 ? body.letters : undefined
}

function asTroupeError(error: unknown): TroupeError {
  const { code, message } = toWire(error)
  return error instanceof InvalidEvent ? error : new InvalidEvent(`the letter cannot be read: ${code}: ${message}`)
}
