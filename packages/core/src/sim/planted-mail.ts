/**
 * Bugs in what becomes of letters, of failures, of orders, and of states that no append carries.
 */
import { MailIntake } from '../mail-intake.ts'
import type { JournalEntry } from '../ports.ts'
import { Settlement } from '../settlement.ts'
import { decodeRecord } from '../step.ts'
import { StepMaker } from '../step-maker.ts'
import { unpackWire } from '../wire.ts'
import { NO_EVENTS } from './faults.ts'
import { type Plants, replace, rewritten, withJournal, withMail, withPublish } from './planting.ts'

export const MAIL_PLANTS: Plants = {
  'a dead letter is kept nowhere': () => ({
    wrap: (connection) =>
      withMail(connection, (mail) => ({
        store: async (subject, bytes, options) =>
          isDead(subject) ? { kind: 'stored', position: 1 } : mail.store(subject, bytes, options),
      })),
    by: 15,
  }),

  'a letter is buried before it is refused for good': () => ({
    wrap: (connection) =>
      withMail(connection, (mail) => ({
        store: async (subject, bytes, options) => {
          const dead = isDead(subject) ? undefined : deadCopyOf(subject, bytes)
          if (dead !== undefined) await mail.store(dead.subject, dead.bytes, { id: `early.${options.id}` })
          return mail.store(subject, bytes, options)
        },
      })),
    by: 15,
  }),

  'a delivery is told stored when nobody knows': () => ({
    wrap: (connection) =>
      withMail(connection, (mail) => ({
        store: async (subject, bytes, options) => {
          const outcome = await mail.store(subject, bytes, options)
          return outcome.kind === 'unknown' ? { kind: 'stored', position: 1 } : outcome
        },
      })),
    faults: { dropped: 0.2 },
    by: 15,
  }),

  'the reader of the mail begins one letter too late': () => ({
    undo: replace(MailIntake.prototype, 'begin', (real) => {
      return function (this: MailIntake, cursor) {
        real.call(this, cursor + 1)
      }
    }),
    by: 9,
  }),

  'a letter is applied however late it comes': () => ({
    undo: replace(StepMaker.prototype, 'message', (real) => {
      return function (this: StepMaker, event, cause, command, waited, remainingMs, letter) {
        return real.call(this, event, cause, command, waited, remainingMs, letter && {})
      }
    }),
    by: 15,
  }),

  'a dead letter is taken away and not delivered again': () => ({
    wrap: (connection) =>
      withMail(connection, (mail) => ({
        store: async (subject, bytes, options) =>
          isRedriven(options.id) ? { kind: 'stored', position: 1 } : mail.store(subject, bytes, options),
      })),
    by: 15,
  }),

  'a dead letter is delivered again twice, by two names': () => ({
    wrap: (connection) =>
      withMail(connection, (mail) => ({
        store: async (subject, bytes, options) => {
          const outcome = await mail.store(subject, bytes, options)
          if (!isRedriven(options.id)) return outcome
          const other = Buffer.from(bytes)
          other.write('again', other.indexOf('redrive-'))
          await mail.store(subject, other, { ...options, id: `again-${options.id}` })
          return outcome
        },
      })),
    by: 15,
  }),

  'what has ended is fed on': () => ({
    undo: replace(Settlement.prototype, 'endedWith', () => () => undefined),
    by: 16,
  }),

  'earlier failures are forgotten': () => ({ undo: noFailures(), by: 16 }),

  'a failure is recorded without an answer to it': () => ({
    undo: replace(StepMaker.prototype, 'message', (real) => {
      return function (this: StepMaker, ...given) {
        const made = real.apply(this, given)
        if (made.step.outcome !== 'error') return made
        const { supervision: _, ...step } = made.step
        return { ...made, step }
      }
    }),
    by: 16,
  }),

  'an order that is sent again is another order': () => {
    const sent = new Set<string>()
    let fresh = 1_000_000
    return {
      wrap: (connection) =>
        withPublish(connection, (bus, subject, data, options) => {
          const changed = /\.i\./.test(subject)
            ? rewritten(data, ({ client, n, settled }) => {
                const again = sent.has(`${client}:${n}`)
                sent.add(`${client}:${n}`)
                return again ? { command: { client, n: ++fresh, settled } } : {}
              })
            : data
          bus.publish(subject, changed, options)
        }),
      by: 2,
    }
  },

  'an order is told and not given': () => ({
    undo: replace(StepMaker.prototype, 'operator', (real) => {
      return function (this: StepMaker, order, cause, command) {
        return real.call(this, { kind: order.kind }, cause, command)
      }
    }),
    by: 1,
  }),

  'the newest record with a state is taken for the newest record': () => ({
    wrap: (connection) =>
      withJournal(connection, (journal) => ({
        last: async (subject) => {
          let found: JournalEntry | undefined
          for await (const entry of journal.read(subject)) {
            if (decodeRecord(entry.bytes).state !== undefined) found = entry
          }
          return found
        },
      })),
  }),

  'a reader that lags is believed': () => ({
    wrap: (connection) =>
      withJournal(connection, (journal) => ({
        last: async (subject) => {
          let found: JournalEntry | undefined
          for await (const entry of journal.read(subject)) found = entry
          return found
        },
        append: async (subject, expected, bytes) => {
          const newest = (await journal.last(subject))?.position ?? 0
          return journal.append(subject, Math.max(expected, newest), bytes)
        },
      })),
    faults: { stale: 0.5, events: OFTEN_DEAD },
  }),
}

const OFTEN_DEAD = { ...NO_EVENTS, kills: 6 }

function isDead(subject: string): boolean {
  return subject.split('.')[2] === 'd'
}

const isRedriven = (id: string): boolean => id.startsWith('redrive-')

/** The first letter of a message to a box, as it would be buried. */
function deadCopyOf(
  subject: string,
  bytes: Uint8Array,
): { readonly subject: string; readonly bytes: Uint8Array } | undefined {
  const [root, namespace, kind, , type, key] = subject.split('.')
  if (kind !== 'm' || type !== 'box') return undefined
  const letters: unknown = Reflect.get(Object(unpackWire(bytes)), 'letters')
  const command: unknown = Array.isArray(letters) ? Reflect.get(Object(letters[0]), 'command') : undefined
  const letter = { v: 1, to: `${type}/${key}`, reason: 'EventNotAccepted', command }
  return { subject: `${root}.${namespace}.d.${type}`, bytes: Buffer.from(JSON.stringify(letter)) }
}

function noFailures(): () => void {
  const real = Object.getOwnPropertyDescriptor(Settlement.prototype, 'failures')
  Object.defineProperty(Settlement.prototype, 'failures', { get: () => [], configurable: true })
  return () => {
    if (real !== undefined) Object.defineProperty(Settlement.prototype, 'failures', real)
  }
}
