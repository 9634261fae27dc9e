/**
 * Bugs that let two writers meet: what the journal's expectation, the epoch, the writer and the lease are for.
 */
import { hashOfBytes } from '../codec.ts'
import { Membership } from '../membership.ts'
import type { JournalEntry } from '../ports.ts'
import { decodeRecord, type JournalRecord } from '../step.ts'
import { NO_EVENTS } from './faults.ts'
import { lastOf, type Plants, withJournal, withRecords, withStore } from './planting.ts'

export const FENCE_PLANTS: Plants = {
  'appends ignore their expectation': () => ({
    wrap: (connection) =>
      withJournal(connection, (journal) => ({
        append: async (subject, expected, bytes) => {
          const outcome = await journal.append(subject, expected, bytes)
          if (outcome.kind !== 'conflict') return outcome
          const last = await lastOf(journal, subject)
          return last === undefined ? outcome : journal.append(subject, last.position, bytes)
        },
      })),
  }),

  'a conflict is taken for a lost acknowledgement': () => ({
    wrap: (connection) =>
      withJournal(connection, (journal) => ({
        append: async (subject, expected, bytes) => {
          const outcome = await journal.append(subject, expected, bytes)
          const last = outcome.kind === 'conflict' ? await lastOf(journal, subject) : undefined
          return last === undefined ? outcome : { kind: 'stored', position: last.position }
        },
      })),
    faults: { events: OFTEN_FROZEN, slow: 0.1, dropped: 0.15 },
  }),

  'records are told apart without their writer': () => ({
    wrap: (connection) =>
      withJournal(withStore(connection, oneEpoch), (journal) => ({
        append: async (subject, expected, bytes) => {
          const outcome = await journal.append(subject, expected, bytes)
          const last = outcome.kind === 'conflict' ? await lastOf(journal, subject) : undefined
          if (last === undefined || identity(decodeRecord(last.bytes)) !== identity(decodeRecord(bytes))) return outcome
          return { kind: 'stored', position: last.position }
        },
      })),
    by: 4,
  }),

  'a new owner does not raise the epoch': () => ({ wrap: (connection) => withStore(connection, oneEpoch), by: 4 }),

  // With its lease trusted a node that was away activates actors of an old epoch: the log is what stops it.
  'the epoch of the log is not looked at': () => ({
    wrap: (connection) => withRecords(connection, { shown: (record) => ({ ...record, epoch: 0 }) }, hashOfBytes),
    undo: alwaysValid(),
    faults: { events: OFTEN_FROZEN },
    by: 4,
  }),

  'an activation is not appended': () => ({
    wrap: (connection) =>
      withRecords(
        connection,
        {
          stored: ({ activated, ...record }) =>
            record.steps.some(({ input }) => input.kind === 'init')
              ? { ...record, ...(activated && { activated }) }
              : record,
        },
        hashOfBytes,
      ),
  }),

  'a stale read is taken for the newest record': () => {
    const before = new Map<string, JournalEntry>()
    const newest = new Map<string, JournalEntry>()
    return {
      wrap: (connection) =>
        withJournal(connection, (journal) => ({
          append: async (subject, expected, bytes) => {
            const last = await lastOf(journal, subject)
            return journal.append(subject, Math.max(expected, last?.position ?? 0), bytes)
          },
          last: async (subject) => {
            const entry = await journal.last(subject)
            const known = newest.get(subject)
            if (entry !== undefined && entry.position !== known?.position) {
              if (known !== undefined) before.set(subject, known)
              newest.set(subject, entry)
            }
            return before.get(subject) ?? entry
          },
        })),
    }
  },

  'a lease that has run out is still trusted': () => ({
    undo: alwaysValid(),
    faults: { events: OFTEN_ALONE },
    by: 13,
  }),
}

const OFTEN_ALONE = { ...NO_EVENTS, cuts: 4 }
const OFTEN_FROZEN = { ...NO_EVENTS, pauses: 4 }

function alwaysValid(): () => void {
  const real = Object.getOwnPropertyDescriptor(Membership.prototype, 'valid')
  Object.defineProperty(Membership.prototype, 'valid', { get: () => true, configurable: true })
  return () => {
    if (real !== undefined) Object.defineProperty(Membership.prototype, 'valid', real)
  }
}

/** No shard key ever says another epoch. */
function oneEpoch(store: Parameters<Parameters<typeof withStore>[1]>[0]): ReturnType<Parameters<typeof withStore>[1]> {
  const flat = (key: string, value: Uint8Array): Uint8Array => {
    if (!key.startsWith('shard.')) return value
    const parsed: unknown = JSON.parse(Buffer.from(value).toString())
    return Buffer.from(JSON.stringify({ ...Object(parsed), epoch: 0 }))
  }
  return {
    create: (key, value, options) => store.create(key, flat(key, value), options),
    update: (key, value, revision, options) => store.update(key, flat(key, value), revision, options),
  }
}

const identity = ({ epoch, steps }: JournalRecord): string => `${epoch}:${steps[0]?.seq}:${steps.length}`
