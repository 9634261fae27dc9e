/**
 * Bugs that lose something or do it twice: commands, sends, letters, writes.
 */
import { hashOfBytes } from '../codec.ts'
import type { MailEntry } from '../ports.ts'
import { Settlement } from '../settlement.ts'
import { askIdOf, type JournalRecord } from '../step.ts'
import { unpackWire } from '../wire.ts'
import { NO_EVENTS } from './faults.ts'
import { type Plants, replace, rewritten, withMail, withPublish, withRecords } from './planting.ts'
import type { SimProcess } from './process.ts'

export const ONCE_PLANTS: Plants = {
  'answers are remembered for a while instead of until they are settled': () => {
    const seen = new WeakMap<Settlement, Map<string, number>>()
    const now = new WeakMap<Settlement, number>()
    const undoApply = replace(Settlement.prototype, 'apply', (real) => {
      return function (this: Settlement, step, id) {
        const answers = real.call(this, step, id)
        now.set(this, step.at)
        const asks = seen.get(this) ?? new Map<string, number>()
        seen.set(this, asks)
        if (step.command !== undefined) asks.set(askIdOf(step.command), step.at)
        return answers
      }
    })
    const undoLook = replace(Settlement.prototype, 'look', (real) => {
      return function (this: Settlement, command, key, event) {
        const known = real.call(this, command, key, event)
        const at = seen.get(this)?.get(askIdOf(command)) ?? 0
        return known.kind === 'answered' && at < (now.get(this) ?? 0) - 200 ? { kind: 'new' } : known
      }
    })
    return {
      undo: () => {
        undoLook()
        undoApply()
      },
    }
  },

  'a command that is sent again gets another id': () => {
    const sent = new Set<string>()
    let fresh = 1_000_000
    return {
      wrap: (connection) =>
        withPublish(connection, (bus, subject, data, options) => {
          const changed = /\.c\./.test(subject)
            ? rewritten(data, ({ client, n, settled }) => {
                const id = `${client}:${n}`
                const again = sent.has(id)
                sent.add(id)
                return again ? { command: { client, n: ++fresh, settled }, key: undefined } : {}
              })
            : data
          bus.publish(subject, changed, options)
        }),
    }
  },

  'the settled mark covers commands that are still open': () => ({
    wrap: (connection) =>
      withPublish(connection, (bus, subject, data, options) => {
        const changed = /\.c\./.test(subject)
          ? rewritten(data, ({ client, n }) => ({ command: { client, n, settled: n } }))
          : data
        bus.publish(subject, changed, options)
      }),
  }),

  'a send is forgotten when its node dies': () => {
    const posts = new Map<string, SimProcess>()
    return {
      wrap: (connection, process) =>
        withMail(connection, (mail) => ({
          store: async (subject, bytes, options) => {
            const mine = sendsIn(bytes).filter((send) => (posts.get(send) ?? process) === process)
            for (const send of mine) posts.set(send, process)
            return mine.length > 0 ? mail.store(subject, bytes, options) : { kind: 'stored', position: 1 }
          },
        })),
      faults: { events: OFTEN_DEAD, torn: 0.1, dropped: 0.1 },
    }
  },

  'a letter is taken away when it is read instead of when it was applied': () => ({
    wrap: (connection) =>
      withMail(connection, (mail) => ({
        read: async function* (pattern, options) {
          for await (const entry of mail.read(pattern, options)) {
            await mail.purge(entry.subject, entry.position).catch(() => undefined)
            yield entry
          }
        },
      })),
    faults: { events: OFTEN_DEAD },
  }),

  'letters are read in another order': () => ({
    wrap: (connection) =>
      withMail(connection, (mail) => ({
        read: async function* (pattern, options) {
          const entries: MailEntry[] = []
          for await (const entry of mail.read(pattern, options)) entries.push(entry)
          yield* entries.toReversed()
        },
      })),
  }),

  'a write that had begun runs again after a crash': () => ({
    wrap: (connection) => withRecords(connection, { shown: notBegun }, hashOfBytes),
    faults: { events: OFTEN_DEAD },
  }),
}

const OFTEN_DEAD = { ...NO_EVENTS, kills: 12 }

/** Names of the sends in one message of the mail. */
function sendsIn(bytes: Uint8Array): readonly string[] {
  const body: unknown = unpackWire(bytes)
  const letters: unknown = Reflect.get(Object(body), 'letters')
  return Array.isArray(letters)
    ? letters.map((letter) => {
        const { client, n } = Object(Reflect.get(Object(letter), 'command'))
        return `${client}:${n}`
      })
    : []
}

function notBegun(record: JournalRecord): JournalRecord {
  const host = record.state?.host
  if (record.state === undefined || host === undefined) return record
  const effects = Object.entries(host.effects).map(([path, running]) => [path, { ...running, began: false }] as const)
  return { ...record, state: { ...record.state, host: { ...host, effects: Object.fromEntries(effects) } } }
}
