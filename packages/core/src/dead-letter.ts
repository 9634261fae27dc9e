/**
 * Letters that no step has taken: too many deaths, refused by their receiver, unreadable. Stored on `d.<type>` as JSON before the
 * receiver tells that it has consumed them.
 *
 * 1. A letter is applied once or it is here: the step that refuses it is committed first, so nobody applies it afterwards.
 * 2. That step is in the newest record until the letter is buried; the next incarnation buries it again, perhaps a second time.
 */
import { type Address, addressOf, type Subjects, splitAddress, token } from './address.ts'
import { ATTEMPTS } from './attempts.ts'
import { encode, type Json } from './codec.ts'
import { dataIn, type EnvelopeCause } from './envelope.ts'
import { type TroupeError, toWire, type WireError } from './errors.ts'
import type { ReceivedLetter } from './letter.ts'
import type { Mail, MailEntry } from './ports.ts'
import type { CommandId, Step } from './step.ts'

export interface DeadLetter {
  readonly to: Address
  /** Code of the error that ended it: `EventNotAccepted`, `ActorDone`, `Poison`, … */
  readonly reason: string
  readonly message: string
  /** How often it was taken up. */
  readonly attempts: number
  /** Milliseconds since 1970. */
  readonly at: number
  /** Encoded; absent when it could not be read. */
  readonly event?: Json
  readonly cause?: EnvelopeCause
  readonly command?: CommandId
  readonly key?: string
  /** What could not be read. */
  readonly bytes?: Json
}

/** As found. */
export interface ListedDeadLetter extends DeadLetter {
  /** Its place in the stream of dead letters, which no other one ever has. */
  readonly position: number
}

const encoder = new TextEncoder()

/** A letter above the limit of a message is told of, without its content. */
export function packDeadLetter(letter: DeadLetter): Uint8Array {
  const bytes = encoder.encode(JSON.stringify({ v: 1, ...letter }))
  if (bytes.byteLength <= 900_000) return bytes
  const { event: _event, bytes: _bytes, ...rest } = letter
  return encoder.encode(JSON.stringify({ v: 1, ...rest }))
}

/** Newest last. What cannot be read is left out: it is nobody's letter. */
export async function* readDeadLetters(
  mail: Mail,
  subjects: Subjects,
  type?: string,
): AsyncGenerator<ListedDeadLetter> {
  for await (const entry of mail.read(subjects.deadLetters(type))) {
    const letter = deadLetterIn(entry)
    if (letter !== undefined) yield letter
  }
}

export function deadLetterIn({ bytes, position }: MailEntry): ListedDeadLetter | undefined {
  let body: unknown
  try {
    body = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
  if (typeof body !== 'object' || body === null) return undefined
  const field = (name: string): unknown => Reflect.get(body, name)
  const to = field('to')
  if (typeof to !== 'string' || !to.includes('/')) return undefined
  const { type, key } = splitAddress(to)
  const cause = causeIn(field('cause'))
  const command = commandIn(field('command'))
  const idempotencyKey = field('key')
  return {
    position,
    to: addressOf(type, key),
    reason: String(field('reason')),
    message: String(field('message')),
    attempts: Number(field('attempts')),
    at: Number(field('at')),
    ...(field('event') !== undefined && { event: dataIn(field('event'), 'event') }),
    ...(cause !== undefined && { cause }),
    ...(command !== undefined && { command }),
    ...(typeof idempotencyKey === 'string' && { key: idempotencyKey }),
    ...(field('bytes') !== undefined && { bytes: dataIn(field('bytes'), 'bytes') }),
  }
}

function causeIn(value: unknown): EnvelopeCause | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { correlation, causation, sender }: { correlation?: unknown; causation?: unknown; sender?: unknown } = value
  if (typeof correlation !== 'string' || typeof causation !== 'string') return undefined
  return { correlation, causation, ...(typeof sender === 'string' && { sender }) }
}

function commandIn(value: unknown): CommandId | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { client, n }: { client?: unknown; n?: unknown } = value
  return typeof client === 'string' && typeof n === 'number' ? { client, n } : undefined
}

/** Why, as `DeadLetter` says it. */
export function reasonOf(error: unknown): Pick<DeadLetter, 'reason' | 'message'> {
  const { code, message }: WireError = toWire(error)
  return { reason: code, message }
}

/** With an id, so that storing it again after an unknown outcome is once. */
export interface Burial {
  readonly id: string
  readonly letter: DeadLetter
}

/** The letters among what was refused: unlike an ask, a letter says that it will not be sent again. */
export function refusedLetters(to: Address, steps: readonly Step[]): Burial[] {
  return steps.flatMap(({ input, command, cause, error, at }) => {
    if (input.kind !== 'message' || error === undefined) return []
    if (command === undefined || command.settled < command.n) return []
    const { client, n, key } = command
    const { code, message } = error
    const about = { to, reason: code, message, attempts: code === 'Poison' ? ATTEMPTS : 1, at }
    const content = { event: input.event, cause: whereFrom(cause), command: { client, n }, ...(key && { key }) }
    return { id: token(`${to} ${client}:${n}`), letter: { ...about, ...content } }
  })
}

/** A letter to an actor that takes no step any more. */
export function untakenLetter(
  to: Address,
  { content, position }: ReceivedLetter,
  error: TroupeError,
  at: number,
): Burial {
  if ('unreadable' in content) return unreadableLetter(to, position, content, at)
  const { event, cause, key } = content
  const { client, n } = content.command ?? { client: 'mail', n: position }
  const letter = { to, ...reasonOf(error), attempts: 0, at, event, cause, command: { client, n }, ...(key && { key }) }
  return { id: token(`${to} ${client}:${n}`), letter }
}

/** Without what the step has added. */
function whereFrom({ correlation, causation, sender }: Step['cause']): EnvelopeCause {
  return { correlation, causation, ...(sender !== undefined && { sender }) }
}

/** What nobody can read is no event, so no step refuses it. */
export function unreadableLetter(
  to: Address,
  position: number,
  { unreadable, bytes }: Extract<ReceivedLetter['content'], { readonly unreadable: TroupeError }>,
  at: number,
): Burial {
  const letter = { to, ...reasonOf(unreadable), attempts: 1, at, bytes: encode(bytes) }
  return { id: token(`${to} at ${position}`), letter }
}
