/**
 * Stores of the keys of encrypted trees: in the process, and in the store of the backend, which all nodes of a namespace share.
 *
 * 1. A key is made once, and a destroyed one never again: `destroyed` is kept in its place for ever.
 * 2. The backend's store keeps keys in the clear beside the logs they open. It is enough to erase an actor for every reader of the
 *    namespace; against whoever reads the server's disk or its backups, keys must live elsewhere: give the system a store of your own.
 */
import { type Address, splitAddress, token } from './address.ts'
import { LogDamaged } from './errors.ts'
import type { KeyStore, Store } from './ports.ts'

export function memoryKeys(): KeyStore {
  const keys = new Map<Address, Uint8Array | 'destroyed'>()
  return {
    find: async (address) => keys.get(address),
    create: async (address, key) => {
      if (keys.has(address)) return false
      keys.set(address, key)
      return true
    },
    destroy: async (address) => void keys.set(address, 'destroyed'),
  }
}

export function storedKeys(store: Store): KeyStore {
  return {
    find: async (address) => {
      const entry = await store.get(nameOf(address))
      return entry && keyIn(entry.value, address)
    },
    create: async (address, key) => {
      const entry = { v: 1, key: Buffer.from(key).toString('base64') }
      return (await store.create(nameOf(address), bytesOf(entry))) !== undefined
    },
    destroy: async (address) => {
      const gone = bytesOf({ v: 1, destroyed: true })
      for (;;) {
        const entry = await store.get(nameOf(address))
        const written =
          entry === undefined
            ? await store.create(nameOf(address), gone)
            : await store.update(nameOf(address), gone, entry.revision)
        if (written !== undefined) return
      }
    },
  }
}

function nameOf(address: Address): string {
  const { type, key } = splitAddress(address)
  return `key.${token(type)}.${token(key)}`
}

const bytesOf = (entry: object): Uint8Array => Buffer.from(JSON.stringify(entry))

function keyIn(bytes: Uint8Array, address: Address): Uint8Array | 'destroyed' {
  const entry: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
  if (typeof entry === 'object' && entry !== null) {
    if ('destroyed' in entry) return 'destroyed'
    if ('key' in entry && typeof entry.key === 'string') return Buffer.from(entry.key, 'base64')
  }
  throw new LogDamaged(`what the key store holds for '${address}' is no key`, { address })
}
