/**
 * Bugs in who has which shard, and with which code: each takes one protection of placement away.
 */
import { hashOfBytes } from '../codec.ts'
import { logicHash } from '../logic-hash.ts'
import type { Store, StoreChange } from '../ports.ts'
import { ShardHost } from '../shard-host.ts'
import { stateHash } from '../state-hash.ts'
import type { JournalRecord } from '../step.ts'
import { NO_EVENTS } from './faults.ts'
import { type Planted, type Plants, replace, withRecords, withStore } from './planting.ts'
import { olderTally } from './upgrade-workload.ts'

export const PLACEMENT_PLANTS: Plants = {
  'a shard is claimed without compare-and-set': () => ({
    wrap: (connection) =>
      withStore(connection, (store) => ({
        create: async (key, value, options) =>
          isShard(key) ? written(store, key, value) : store.create(key, value, options),
        update: async (key, value, revision, options) =>
          isShard(key) ? written(store, key, value) : store.update(key, value, revision, options),
      })),
    faults: { events: MANY_WAVES },
    nodes: 3,
  }),

  'a claim that was lost is taken for won': () => ({
    wrap: (connection) =>
      withStore(connection, (store) => {
        const won = async (key: string, revision: number | undefined) =>
          revision ?? (isShard(key) ? (await store.get(key))?.revision : undefined)
        return {
          create: async (key, value, options) => won(key, await store.create(key, value, options)),
          update: async (key, value, revision, options) => won(key, await store.update(key, value, revision, options)),
        }
      }),
    faults: { events: MANY_WAVES },
    nodes: 3,
  }),

  'a shard is claimed from an owner who lives': () => ({
    wrap: (connection, { name }) =>
      withStore(connection, (store) => ({
        watch: (pattern, listener) =>
          store.watch(pattern, (change) => listener(pattern === 'shard.>' ? withoutOwner(change, name) : change)),
      })),
  }),

  'a lease that was lost is made again under its old name': () => ({
    wrap: (connection) =>
      withStore(connection, (store) => ({
        update: async (key, value, revision, options) => {
          const renewed = await store.update(key, value, revision, options)
          return renewed === undefined && isMember(key) ? store.create(key, value, options) : renewed
        },
      })),
    faults: { events: OFTEN_AWAY },
    nodes: 3,
  }),

  'a lease ends at the store before its holder stops': () => ({
    wrap: (connection) =>
      withStore(connection, (store) => ({
        create: (key, value, options) => store.create(key, value, isMember(key) ? { ttlMs: 1_000 } : options),
        update: (key, value, revision, options) =>
          store.update(key, value, revision, isMember(key) ? { ttlMs: 1_000 } : options),
      })),
    faults: { events: OFTEN_ALONE },
    nodes: 3,
  }),

  // Either alone is made good by the other.
  'shards stay open when the lease is lost, and when their keys name another': () => {
    const undo = [
      replace(ShardHost.prototype, 'dropAll', () => () => {}),
      replace(ShardHost.prototype, 'close', () => async () => {}),
    ]
    return {
      undo: () => {
        for (const one of undo) one()
      },
      faults: { events: OFTEN_AWAY },
      nodes: 3,
    }
  },

  'the end of a lease is seen by nobody': () => ({
    wrap: (connection) =>
      withStore(connection, (store) => ({
        watch: (pattern, listener) =>
          store.watch(pattern, (change) => {
            if (pattern !== 'member.>' || change.kind !== 'removed') listener(change)
          }),
      })),
  }),

  'a shard is taken from whoever the view has forgotten': () => ({
    wrap: (connection) =>
      withStore(connection, (store) => ({
        get: async (key) => (isMember(key) ? undefined : store.get(key)),
      })),
    faults: { events: OFTEN_CUT },
    nodes: 3,
  }),

  'an older node takes a newer state for its own': () => onOlderNodes({ shown: (record) => ofVersion(record, 1) }),

  'an older node writes the newer format': () => onOlderNodes({ stored: (record) => ofVersion(record, 2) }),
}

const MANY_WAVES = { ...NO_EVENTS, waves: 4 }
const OFTEN_AWAY = { ...NO_EVENTS, pauses: 3, partitions: 6 }
const OFTEN_CUT = { ...NO_EVENTS, cuts: 16 }
const OFTEN_ALONE = { ...NO_EVENTS, partitions: 16 }

const isShard = (key: string): boolean => key.startsWith('shard.')
const isMember = (key: string): boolean => key.startsWith('member.')

/** Over whatever is there. */
async function written(store: Store, key: string, value: Uint8Array): Promise<number | undefined> {
  const there = await store.get(key)
  return there === undefined ? store.create(key, value) : store.update(key, value, there.revision)
}

function withoutOwner(change: StoreChange, name: string): StoreChange {
  if (change.kind === 'removed') return change
  const key: unknown = JSON.parse(Buffer.from(change.entry.value).toString())
  const owner = String(Reflect.get(Object(key), 'owner'))
  if (owner.startsWith(`${name}-`)) return change
  return { ...change, entry: { ...change.entry, value: Buffer.from(JSON.stringify({ ...Object(key), owner: '' })) } }
}

/** A node announces its logics in its member key. */
function onOlderNodes(change: Pick<Parameters<typeof withRecords>[1], 'shown' | 'stored'>): Planted {
  const older = logicHash(olderTally)
  return {
    wrap: (connection) => {
      let isOlder = false
      const changed = (how?: (record: JournalRecord) => JournalRecord) => (record: JournalRecord) =>
        isOlder && record.actor.startsWith('tally/') ? (how?.(record) ?? record) : record
      const { shown, stored } = change
      return withStore(
        withRecords(connection, { shown: changed(shown), stored: changed(stored) }, hashOfBytes),
        (store) => ({
          create: (key, value, options) => {
            if (isMember(key)) isOlder = Buffer.from(value).toString().includes(older)
            return store.create(key, value, options)
          },
        }),
      )
    },
    faults: { events: { ...NO_EVENTS, upgrades: 10 } },
    nodes: 3,
  }
}

function ofVersion(record: JournalRecord, version: number): JournalRecord {
  const { activated, state } = record
  const changed = {
    ...record,
    ...(activated && { activated: { ...activated, version } }),
    ...(state && { state: { ...state, version } }),
  }
  return changed.state === undefined ? changed : { ...changed, hash: stateHash(changed.state, changed) }
}
