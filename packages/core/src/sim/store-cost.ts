/**
 * Counts what passes between members and their store. Renewals of leases, which never end, are kept apart from what follows
 * when somebody comes or goes.
 */
import type { Store, StoreChange } from '../ports.ts'

export interface Cost {
  /** Each has one answer. */
  readonly requests: number
  /** Of them, writes that came too late. */
  readonly lost: number
  /** Messages to watchers. */
  readonly told: number
  /** Of the values in either. */
  readonly bytes: number
}

type Count = { -readonly [K in keyof Cost]: number }

const nothing = (): Count => ({ requests: 0, lost: 0, told: 0, bytes: 0 })

export class StoreCost {
  renewals = nothing()
  changes = nothing()

  reset(): void {
    this.renewals = nothing()
    this.changes = nothing()
  }
}

/** @param cost of many stores */
export function counted(store: Store, cost: StoreCost): Store {
  const requested = (count: Count, bytes = 0): void => {
    count.requests += 1
    count.bytes += bytes
  }
  const won = <T>(count: Count, result: T): T => {
    if (result === undefined || result === false) count.lost += 1
    return result
  }
  return {
    get: (key) => {
      requested(cost.changes)
      return store.get(key)
    },
    create: async (key, value, options) => {
      requested(cost.changes, value.length)
      return won(cost.changes, await store.create(key, value, options))
    },
    update: async (key, value, revision, options) => {
      const count = isLease(key) ? cost.renewals : cost.changes
      requested(count, value.length)
      return won(count, await store.update(key, value, revision, options))
    },
    delete: async (key, revision) => {
      requested(cost.changes)
      return won(cost.changes, await store.delete(key, revision))
    },
    watch: (pattern, listener) => {
      requested(cost.changes)
      const known = new Set<string>()
      return store.watch(pattern, (change) => {
        const count = isRenewal(change, known) ? cost.renewals : cost.changes
        count.told += 1
        if (change.kind === 'put') count.bytes += change.entry.value.length
        listener(change)
      })
    },
  }
}

const isLease = (key: string): boolean => key.startsWith('member.')

/** The first word of a lease is its member's coming. */
function isRenewal(change: StoreChange, known: Set<string>): boolean {
  if (change.kind === 'removed' || !isLease(change.entry.key)) return false
  const renewed = known.has(change.entry.key)
  known.add(change.entry.key)
  return renewed
}
