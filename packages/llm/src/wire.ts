/** Bodies on the bus: msgpack maps, or JSON for senders that say so. Stands in for core's `wire.ts` until core exports it. */
import type { Headers } from '@troupe/core'
import { Packr } from 'msgpackr'

const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true, int64AsType: 'number' })

export const jsonHeaders: Headers = { 'content-type': 'application/json' }

export function isJson(headers: Headers | undefined): boolean {
  return headers?.['content-type'] === 'application/json'
}

export function packWire(value: unknown, asJson = false): Uint8Array {
  // A copy: msgpackr hands out views on a shared pool.
  return asJson ? Buffer.from(JSON.stringify(value)) : Uint8Array.from(packr.pack(value))
}

/** Throws on broken bytes. */
export function unpackWire(bytes: Uint8Array, asJson = false): unknown {
  const value: unknown = asJson ? JSON.parse(Buffer.from(bytes).toString('utf8')) : packr.unpack(bytes)
  return value
}
