/**
 * A dead letter is delivered again: as a new letter, under a command that is made from that of the dead one.
 *
 * 1. It leaves the list once the new letter is stored: what fails in between leaves it there.
 * 2. The command is the same however often, and wherever, the letter is redriven, also when it was buried twice. The stream drops a
 *    second one for 2 minutes, and the receiver knows it for 24 h after it has taken the first.
 * 3. The idempotency key goes along unless the refusal stands for it (`EventNotAccepted`, `ActorFailed`): then the receiver would
 *    answer the key from that record, and the letter would neither be applied nor be dead.
 * 4. It does not expire again.
 */
import { type Subjects, splitAddress } from './address.ts'
import { hashOf } from './codec.ts'
import { deadLetterIn, type ListedDeadLetter } from './dead-letter.ts'
import { InvalidEvent } from './errors.ts'
import type { Letter } from './letter.ts'
import type { Outbox } from './outbox.ts'
import type { Clock, Mail } from './ports.ts'

export interface RedriveParts {
  readonly mail: Mail
  readonly outbox: Pick<Outbox, 'post'>
  readonly subjects: Subjects
  readonly clock: Clock
}

const PATIENCE_MS = 30_000
/** The step had looked at the event when it refused it, so the receiver keeps that refusal under the key for 24 h. */
const TAKES_THE_KEY: ReadonlySet<string> = new Set(['EventNotAccepted', 'ActorFailed'])

/**
 * @returns false when it is not there any more
 * @throws InvalidEvent when its event is not kept; TypeNotServed, MessageTooLarge, Disconnected: nothing was stored; Timeout,
 * LogUnavailable: perhaps, redrive it again
 */
export async function redrive(listed: ListedDeadLetter, parts: RedriveParts): Promise<boolean> {
  const { mail, outbox, subjects, clock } = parts
  const subject = subjects.deadLetters(splitAddress(listed.to).type)
  const entry = await mail.next(subject, listed.position)
  const found = entry?.position === listed.position ? deadLetterIn(entry) : undefined
  // Positions of a stream that was made anew begin again.
  if (found === undefined || found.to !== listed.to || found.at !== listed.at) return false
  const posted = await outbox.post(found.to, redriven(found), clock.monotonic() + PATIENCE_MS)
  if (posted.kind === 'failed') throw posted.error
  await mail.remove(subject, found.position)
  return true
}

/** @throws InvalidEvent */
export function redriven({ to, reason, position, event, cause, command, key }: ListedDeadLetter): Letter {
  if (event === undefined) {
    const why = 'its event could not be read, or was too large to be kept'
    throw new InvalidEvent(`the dead letter ${position} to '${to}' cannot be delivered again: ${why}`, { position })
  }
  const id = hashOf(command === undefined ? [to, position] : [to, command.client, command.n])
  return {
    event,
    cause: cause ?? { correlation: id, causation: `redrive:${id}` },
    command: { client: `redrive-${id}`, n: 1 },
    ...(key !== undefined && !TAKES_THE_KEY.has(reason) && { key }),
  }
}
