/**
 * What the earlier owners of a shard left open: read from its checkpoint on, or without one from the newest record of every actor.
 *
 * 1. No actor is left out that has something open, except where a stored wake-up will wake it.
 * 2. A record that cannot be read is its own actor's matter: the others of the shard must not sleep for it.
 */
import type { Address, ShardName, Subjects } from './address.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Journal, JournalEntry } from './ports.ts'
import { decodeRecord } from './step.ts'

export interface Left {
  readonly address: Address
  /** 0: older than the checkpoint. */
  readonly position: number
  readonly isOpen: boolean
}

export interface LeftParts {
  readonly journal: Journal
  readonly subjects: Subjects
  readonly shard: ShardName
  readonly checkpoint: Checkpoint | undefined
  readonly onUnreadable: (subject: string, error: unknown) => void
}

export async function* readLeft({
  journal,
  subjects,
  shard,
  checkpoint,
  onUnreadable,
}: LeftParts): AsyncGenerator<Left> {
  const pattern = subjects.journalOf(shard)
  for (const address of checkpoint?.open ?? []) yield { address, position: 0, isOpen: true }
  const entries = checkpoint === undefined ? journal.heads(pattern) : newestAfter(checkpoint.position, journal, pattern)
  for await (const { subject, position, bytes } of entries) {
    try {
      const { asks, effects, timers, sends } = decodeRecord(bytes).open
      yield { address: subjects.addressIn(subject), position, isOpen: asks + effects + timers + sends > 0 }
    } catch (error) {
      onUnreadable(subject, error)
    }
  }
}

/** Of each actor that has written since. */
async function* newestAfter(position: number, journal: Journal, pattern: string): AsyncGenerator<JournalEntry> {
  const newest = new Map<string, JournalEntry>()
  for await (const entry of journal.read(pattern, { from: position + 1 })) newest.set(entry.subject, entry)
  yield* newest.values()
}
