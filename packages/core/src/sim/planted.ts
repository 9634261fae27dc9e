/**
 * Bugs that the simulation must find. Each is one that a runtime like ours could have, most of them seen somewhere
 * (`docs/guarantees.md`). The tests run each until a seed notices; one that no seed notices fails them.
 */
import { Asker } from '../asker.ts'
import { hashOfBytes } from '../codec.ts'
import { MailboxFull, toWire } from '../errors.ts'
import { LogicHost } from '../logic-host.ts'
import { Mailbox } from '../mailbox.ts'
import { Membership } from '../membership.ts'
import type { JournalEntry, MailEntry } from '../ports.ts'
import { Settlement } from '../settlement.ts'
import { ShardHost } from '../shard-host.ts'
import { askIdOf, decodeRecord, type JournalRecord } from '../step.ts'
import { unpackWire } from '../wire.ts'
import {
  lastOf,
  type Planted,
  replace,
  rewritten,
  withJournal,
  withMail,
  withPublish,
  withRecords,
  withStore,
} from './planting.ts'
import type { SimProcess } from './process.ts'

export const PLANTS: { readonly [name: string]: () => Planted } = {
  // ── The fence ─────────────────────────────────────────────────────────────────────────────────────────────────────

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
  }),

  'a new owner does not raise the epoch': () => ({ wrap: (connection) => withStore(connection, oneEpoch) }),

  // With its lease trusted a node that was away activates actors of an old epoch: the log is what stops it.
  'the epoch of the log is not looked at': () => ({
    wrap: (connection) => withRecords(connection, { shown: (record) => ({ ...record, epoch: 0 }) }, hashOfBytes),
    undo: alwaysValid(),
    faults: { events: OFTEN_ALONE },
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

  // ── What is told, and when ────────────────────────────────────────────────────────────────────────────────────────

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

  // ── Once ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  'answers are remembered for a while instead of until they are settled': () => {
    const seen = new WeakMap<Settlement, Map<string, number>>()
    const now = new WeakMap<Settlement, number>()
    const undoApply = replace(Settlement.prototype, 'apply', (real) => {
      return function (this: Settlement, step, id) {
        real.call(this, step, id)
        now.set(this, step.at)
        const asks = seen.get(this) ?? new Map<string, number>()
        seen.set(this, asks)
        if (step.command !== undefined) asks.set(askIdOf(step.command), step.at)
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
  }),

  // ── Timers, effects, state ────────────────────────────────────────────────────────────────────────────────────────

  'a timer fires twice': () => ({
    undo: replace(Mailbox.prototype, 'offerSystem', (real) => {
      return function (this: Mailbox<unknown, { readonly sizeBytes: number }>, input) {
        real.call(this, input)
        const inner = typeof input === 'object' && input !== null && 'input' in input ? input.input : undefined
        if (typeof inner === 'object' && inner !== null && 'timer' in inner) real.call(this, input)
      }
    }),
  }),

  'a timer fires early': () => {
    const undoDue = replace(LogicHost.prototype, 'due', (real) => {
      return function (this: LogicHost, now) {
        return real.call(this, now + 100)
      }
    })
    const undoNext = replace(LogicHost.prototype, 'nextDue', (real) => {
      return function (this: LogicHost, except) {
        const due = real.call(this, except)
        return due === undefined ? undefined : due - 100
      }
    })
    return {
      undo: () => {
        undoDue()
        undoNext()
      },
    }
  },

  'an open effect is forgotten after a crash': () => ({ undo: replace(LogicHost.prototype, 'resume', () => () => {}) }),

  'nobody looks for what a dead node left open': () => ({
    wrap: (connection) => withJournal(connection, () => ({ heads: () => nothing() })),
  }),

  'effects begin before their step is stored': () => ({
    undo: replace(LogicHost.prototype, 'step', (real) => {
      return function (this: LogicHost, input, now, origin, draws) {
        const outcome = real.call(this, input, now, origin, draws)
        if (draws !== undefined || outcome.status === 'error') return outcome
        this.release(outcome.intents.filter(({ kind }) => kind === 'start'))
        return { ...outcome, intents: outcome.intents.filter(({ kind }) => kind !== 'start') }
      }
    }),
  }),

  'emits leave before their step is stored': () => ({
    undo: replace(LogicHost.prototype, 'step', (real) => {
      return function (this: LogicHost, input, now, origin, draws) {
        const outcome = real.call(this, input, now, origin, draws)
        if (draws !== undefined || outcome.status === 'error') return outcome
        this.release(outcome.intents.filter(({ kind }) => kind === 'emit'))
        return { ...outcome, intents: outcome.intents.filter(({ kind }) => kind !== 'emit') }
      }
    }),
  }),

  'a state is put back to an older one': () => {
    const states = new WeakMap<LogicHost, ReturnType<LogicHost['state']>>()
    let calls = 0
    return {
      undo: replace(LogicHost.prototype, 'state', (real) => {
        return function (this: LogicHost) {
          const state = real.call(this)
          const older = states.get(this)
          states.set(this, state)
          return older !== undefined && ++calls % 40 === 0 ? older : state
        }
      }),
    }
  },

  'a step that failed is applied': () => ({
    undo: replace(LogicHost.prototype, 'step', (real) => {
      return function (this: LogicHost, input, now, origin, draws) {
        const { error: _, failed: _failed, ...outcome } = real.call(this, input, now, origin, draws)
        return outcome.status === 'error' ? { ...outcome, status: 'active' } : outcome
      }
    }),
  }),

  'a group commit puts its steps in another order': () => ({
    wrap: (connection) =>
      withRecords(connection, { stored: (record) => ({ ...record, steps: record.steps.toReversed() }) }, hashOfBytes),
  }),

  'a shard that is given away is still served': () => ({
    undo: replace(ShardHost.prototype, 'close', () => async () => {}),
  }),
}

const OFTEN_ALONE = { kills: 0, pauses: 3, cuts: 14, outages: 0 }
const OFTEN_DEAD = { kills: 12, pauses: 0, cuts: 0, outages: 0 }

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

function notBegun(record: JournalRecord): JournalRecord {
  const host = record.state?.host
  if (record.state === undefined || host === undefined) return record
  const effects = Object.entries(host.effects).map(([path, running]) => [path, { ...running, began: false }] as const)
  return { ...record, state: { ...record.state, host: { ...host, effects: Object.fromEntries(effects) } } }
}

async function* nothing(): AsyncIterable<never> {}
