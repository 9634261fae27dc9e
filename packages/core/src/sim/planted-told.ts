/**
 * Bugs in what callers are told, and when.
 */
import { Asker } from '../asker.ts'
import { hashOfBytes } from '../codec.ts'
import { MailboxFull, toWire } from '../errors.ts'
import { Settlement } from '../settlement.ts'
import { askIdOf } from '../step.ts'
import { type Plants, replace, withJournal, withRecords } from './planting.ts'

export const TOLD_PLANTS: Plants = {
  'answers leave before the append is stored': () => ({
    wrap: (connection) => {
      /** What the node was told, to what is true. */
      const positions = new Map<string, Promise<number>>()
      return withJournal(connection, (journal) => ({
        append: async (subject, expected, bytes) => {
          const at = (await positions.get(`${subject} ${expected}`)) ?? expected
          const told = expected + 1
          const stored = journal.append(subject, at, bytes)
          positions.set(
            `${subject} ${told}`,
            stored.then((outcome) => (outcome.kind === 'stored' ? outcome.position : told)),
          )
          return { kind: 'stored', position: told }
        },
      }))
    },
  }),

  'an unknown outcome is taken for stored': () => ({
    wrap: (connection) =>
      withJournal(connection, (journal) => ({
        append: async (subject, expected, bytes) => {
          const outcome = await journal.append(subject, expected, bytes)
          return outcome.kind === 'unknown' ? { kind: 'stored', position: expected + 1 } : outcome
        },
      })),
  }),

  'a timeout says that nothing happened': () => ({
    undo: replace(Asker.prototype, 'ask', (real) => {
      return async function (this: Asker, question) {
        try {
          return await real.call(this, question)
        } catch (error) {
          if (toWire(error).code !== 'Timeout') throw error
          throw new MailboxFull('nothing came back, so nothing happened')
        }
      }
    }),
  }),

  'a refusal is told and not recorded': () => ({
    wrap: (connection) =>
      withRecords(
        connection,
        { skipped: ({ steps }) => steps.length > 0 && steps.every(({ outcome }) => outcome === 'rejected') },
        hashOfBytes,
      ),
  }),

  'a recorded answer is not told again': () => ({
    undo: replace(Settlement.prototype, 'look', (real) => {
      return function (this: Settlement, command, key, event) {
        const known = real.call(this, command, key, event)
        return known.kind === 'answered' ? { kind: 'open', ask: `${askIdOf(command)}!` } : known
      }
    }),
  }),

  'deadlines are not kept': () => ({
    undo: replace(Asker.prototype, 'ask', (real) => {
      return function (this: Asker, question) {
        return real.call(this, { ...question, timeoutMs: question.timeoutMs + 3_000 })
      }
    }),
  }),
}
