/** What waits in the mailbox of an actor: messages of others, and inputs that its own tree has caused. */
import type { Address } from './address.ts'
import type { Route } from './askers.ts'
import type { Envelope } from './envelope.ts'
import type { Input, Origin } from './input.ts'
import type { ReceivedLetter } from './letter.ts'

export interface Received {
  readonly envelope: Envelope
  readonly route: Route
  readonly sizeBytes: number
  /** Monotonic. */
  readonly arrivedAt: number
  /** It came by mail: nobody waits for an answer. */
  readonly letter?: ReceivedLetter
}

export interface SystemInput {
  readonly input: Input
  readonly origin: Origin
}

/** The way back to whoever waits for no answer. */
const NOBODY: Route = () => {}

/** One that cannot be read takes its place in the queue without a message in it. */
export function receivedLetter(letter: ReceivedLetter, to: Address, arrivedAt: number): Received {
  const { content, sizeBytes } = letter
  const nothing: Envelope = { v: 1, kind: 'view', to, cause: { correlation: '', causation: '' }, fenced: false }
  const envelope = 'unreadable' in content ? nothing : content
  return { envelope, route: NOBODY, sizeBytes, arrivedAt, letter }
}
