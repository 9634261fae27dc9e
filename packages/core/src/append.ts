/**
 * One append to the end: the same bytes again until their fate is known.
 *
 * 1. `mine` means: the stored bytes hash to what was sent. Neither a sequence number nor an epoch proves it.
 * 2. An unknown outcome is never told to anybody; the same bytes are sent again.
 * 3. A conflict is read from the leader before it is judged.
 */
import { hashOfBytes } from './codec.ts'
import { assertNever, UnsupportedVersion } from './errors.ts'
import type { Clock, Journal } from './ports.ts'
import { decodeRecord } from './step.ts'

export type Fate =
  | { readonly kind: 'committed'; readonly position: number }
  /** A later record by another writer: this incarnation is over. */
  | { readonly kind: 'fenced' }
  | { readonly kind: 'damaged'; readonly why: string }
  /** The journal will not take the bytes; nothing was stored. */
  | { readonly kind: 'refused'; readonly cause: Error }
  /** The caller gave up (`goOn` said no) while the outcome was unknown. */
  | { readonly kind: 'abandoned' }

export interface Append {
  readonly subject: string
  readonly expected: number
  readonly bytes: Uint8Array
  readonly goOn: () => boolean
}

const FIRST_PAUSE_MS = 25
const LONGEST_PAUSE_MS = 1_000

export async function append(
  journal: Journal,
  clock: Clock,
  { subject, expected, bytes, goOn }: Append,
): Promise<Fate> {
  for (let pauseMs = FIRST_PAUSE_MS; goOn(); pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const outcome = await journal.append(subject, expected, bytes)
    switch (outcome.kind) {
      case 'stored':
        return { kind: 'committed', position: outcome.position }
      case 'refused':
        return outcome
      case 'conflict': {
        const fate = await judge(journal, subject, expected, bytes)
        if (fate !== undefined) return fate
        break
      }
      case 'unknown':
        break
      default:
        assertNever(outcome)
    }
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve))
  }
  return { kind: 'abandoned' }
}

/** Undefined: not landed, or the leader cannot be read now; send again. */
async function judge(
  journal: Journal,
  subject: string,
  expected: number,
  bytes: Uint8Array,
): Promise<Fate | undefined> {
  let last: Awaited<ReturnType<Journal['last']>>
  try {
    last = await journal.last(subject)
  } catch {
    return undefined // no leader now: the next append will tell
  }
  const position = last?.position ?? 0
  if (position === expected) return undefined
  if (last === undefined || position < expected) {
    return {
      kind: 'damaged',
      why: `position ${expected} of '${subject}' was acknowledged, the journal ends at ${position}`,
    }
  }
  if (hashOfBytes(last.bytes) === hashOfBytes(bytes)) return { kind: 'committed', position }
  try {
    decodeRecord(last.bytes)
    return { kind: 'fenced' }
  } catch (error) {
    // A newer runtime has taken the actor over; its records need not be readable here.
    if (error instanceof UnsupportedVersion) return { kind: 'fenced' }
    return { kind: 'damaged', why: error instanceof Error ? error.message : String(error) }
  }
}
