/** Bytes on the bus: msgpack as both languages read it, JSON for people and stock clients. */
import { Packr } from 'msgpackr'
import { InvalidEvent, MessageTooLarge } from './errors.ts'
import type { Headers } from './ports.ts'

/** Below the server's default 1 MB with room for headers. */
export const MAX_BODY_BYTES = 768 * 1024

/**
 * No records or shared structures: they are msgpackr's own dialect. `int64AsType: 'auto'` (a number when it is safe) is missing
 * from msgpackr's typings, hence `object`.
 */
const settings: object = {
  useRecords: false,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  int64AsType: 'auto',
  mapsAsObjects: true,
  largeBigIntToString: true,
}
const packr = new Packr(settings)
const utf8 = new TextDecoder('utf-8', { fatal: true })

export const JSON_TYPE = 'application/json'
export const jsonHeaders: Headers = { 'content-type': JSON_TYPE }

export function isJson(headers: Headers | undefined): boolean {
  const type = headers?.['content-type'] ?? headers?.['Content-Type']
  return type === JSON_TYPE || type?.startsWith(`${JSON_TYPE};`) === true
}

/** @throws MessageTooLarge above 768 KiB */
export function packWire(value: unknown, asJson = false): Uint8Array {
  // A copy: msgpackr hands out views on a shared pool.
  const bytes = asJson ? Buffer.from(JSON.stringify(value)) : new Uint8Array(packr.pack(value))
  checkSize(bytes)
  return bytes
}

/** @throws MessageTooLarge, or InvalidEvent for bytes that are no value */
export function unpackWire(bytes: Uint8Array, asJson = false): unknown {
  checkSize(bytes)
  try {
    return asJson ? JSON.parse(utf8.decode(bytes)) : packr.unpack(bytes)
  } catch (error) {
    // Also a stack overflow of the decoder: bytes can nest deeper than any stack.
    throw new InvalidEvent(`the bytes are no ${asJson ? 'JSON' : 'msgpack'}: ${String(error)}`, {}, error)
  }
}

function checkSize(bytes: Uint8Array): void {
  if (bytes.byteLength > MAX_BODY_BYTES) {
    throw new MessageTooLarge(`${bytes.byteLength} bytes; a message may have ${MAX_BODY_BYTES}`, {
      sizeBytes: bytes.byteLength,
    })
  }
}
