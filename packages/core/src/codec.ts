/**
 * Plain data across the border: what may stand in a context, an event or a reply, and its JSON form in the journal.
 *
 * 1. Plain data = null, undefined, boolean, finite number, bigint, string, bytes, error, array, record. Anything else is
 *    `NotSerializable` with its path; nothing is dropped or rounded silently.
 * 2. `decode(encode(x))` is what every turn sees, live and folded alike: never the live object.
 * 3. The canonical form sorts keys; it is made for hashes only. Stored values keep their key order (XState's parallel
 *    regions follow it).
 *
 * Tags in JSON: `$bytes` (base64), `$bigint`, `$undefined`, `$error`, `$ref` (an actor of the same tree); an own record
 * whose first key starts with `$` is wrapped as `$plain`.
 */
import { hash } from 'node:crypto'
import { fromWire, NotSerializable, TroupeError, toWire } from './errors.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Deeper values are refused: a stack is not a place for user data. */
export const MAX_DEPTH = 64

/** Reading and writing an integer takes more than linear time: longer ones are refused. */
const BIGINT = /^-?[0-9]{1,4096}$/

/** References inside one actor tree; the host of the tree knows how to name and find them. */
export interface RefCodec {
  readonly nameOf: (value: object) => { readonly path: string; readonly id: string } | undefined
  readonly find: (path: string, id: string) => unknown
}

const noRefs: RefCodec = { nameOf: () => undefined, find: (path) => ({ path }) }

export function encode(value: unknown, refs: RefCodec = noRefs, path = '$', depth = 0): Json {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw refused(path, 'a string with half a surrogate pair')
      return value
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value)) throw refused(path, String(value))
      return value === 0 ? 0 : value // JSON has no -0
    case 'bigint': {
      const digits = value.toString()
      if (!BIGINT.test(digits)) throw refused(path, `an integer of ${digits.length} digits`)
      return { $bigint: digits }
    }
    case 'undefined':
      return { $undefined: true }
    case 'object':
      break
    default:
      throw refused(path, `a ${typeof value}`)
  }
  if (value === null) return null
  if (depth === MAX_DEPTH) throw refused(path, `nested deeper than ${MAX_DEPTH} levels`)
  if (Array.isArray(value)) return encodeList(value, refs, path, depth)
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') }
  if (value instanceof Error) return encodeError(value, depth)
  const ref = refs.nameOf(value)
  if (ref !== undefined) return { $ref: ref.path, id: ref.id }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw refused(path, `an instance of ${className(value)}`)
  const record: { [key: string]: Json } = {}
  let tagged = false
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw refused(path, "a key named '__proto__'")
    const item: unknown = Reflect.get(value, key)
    if (item === undefined) continue
    if (key.charCodeAt(0) === DOLLAR) tagged = true
    // A path is text that only a refusal reads: none is made for what is plain already.
    record[key] = isPlain(item) ? item : encode(item, refs, `${path}.${key}`, depth + 1)
  }
  return tagged ? { $plain: record } : record
}

/** An index loop: `map` would keep the holes of a sparse array, which JSON makes null. */
function encodeList(list: readonly unknown[], refs: RefCodec, path: string, depth: number): Json {
  const out: Json[] = []
  for (let i = 0; i < list.length; i++) {
    const item = list[i]
    out.push(isPlain(item) ? item : encode(item, refs, `${path}[${i}]`, depth + 1))
  }
  return out
}

const DOLLAR = 0x24

/** What is its own encoding; -0 is not, JSON has none. */
function isPlain(value: unknown): value is null | boolean | number | string {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed()
    case 'number':
      return Number.isFinite(value) && (value !== 0 || 1 / value > 0)
    case 'boolean':
      return true
    default:
      return value === null
  }
}

export function decode(value: Json, refs: RefCodec = noRefs): unknown {
  if (value === null || typeof value !== 'object') return value
  if (isList(value)) return value.map((item) => decode(item, refs))
  if ('$plain' in value) return decodeRecord(value['$plain'] ?? null, refs)
  if ('$bigint' in value) return bigintIn(value['$bigint'])
  if ('$bytes' in value) return new Uint8Array(Buffer.from(String(value['$bytes']), 'base64'))
  if ('$undefined' in value) return undefined
  if ('$error' in value) return decodeError(value['$error'] ?? null)
  if ('$ref' in value) return refs.find(String(value['$ref']), String(value['id']))
  return decodeRecord(value, refs)
}

function bigintIn(digits: Json | undefined): bigint {
  if (typeof digits === 'string' && BIGINT.test(digits)) return BigInt(digits)
  throw new NotSerializable('$bigint needs 1 to 4,096 digits as text', { path: '$bigint' })
}

function decodeRecord(value: Json, refs: RefCodec): unknown {
  if (value === null || typeof value !== 'object' || isList(value)) return value
  const record: { [key: string]: unknown } = {}
  for (const [key, item] of Object.entries(value)) {
    if (key !== '__proto__') record[key] = decode(item, refs)
  }
  return record
}

/**
 * A troupe error keeps its code and fields; any other error its name and message. Stacks stay where they happened. A failure
 * must always be recordable: details that are no plain data are named instead of refused.
 */
function encodeError(error: Error, depth: number): Json {
  if (!(error instanceof TroupeError))
    return { $error: { name: wellFormed(error.name), message: wellFormed(error.message) } }
  const { details = {}, ...rest } = toWire(error)
  const wire = { ...rest, message: wellFormed(rest.message) }
  if (Object.keys(details).length === 0) return { $error: { wire } }
  try {
    return { $error: { wire: { ...wire, details: encode(details, noRefs, 'details', depth + 1) } } }
  } catch (refusal) {
    return { $error: { wire: { ...wire, details: { unreadable: wellFormed(refusal) } } } }
  }
}

const wellFormed = (text: unknown): string => String(text).toWellFormed()

function decodeError(value: Json): Error {
  if (value === null || typeof value !== 'object' || isList(value)) return new Error(String(value))
  const wire = value['wire']
  if (wire !== undefined && wire !== null && typeof wire === 'object' && !isList(wire)) {
    const details = decode(wire['details'] ?? {})
    return fromWire({
      code: String(wire['code']),
      message: String(wire['message']),
      retryable: wire['retryable'] === true,
      applied: wire['applied'] === 'no' ? 'no' : 'unknown',
      details: typeof details === 'object' && details !== null ? { ...details } : {},
    })
  }
  const error = new Error(String(value['message']))
  error.name = String(value['name'])
  return error
}

/**
 * True for values that need no encoding: `decode(encode(x))` would give an equal value. Flat records, the usual event,
 * are recognised without a walk.
 */
export function isFlat(value: unknown): value is Json {
  if (typeof value !== 'object' || value === null) return isPlain(value)
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  for (const key in value) {
    if (key.charCodeAt(0) === DOLLAR || key === '__proto__') return false
    if (!isPlain(Reflect.get(value, key))) return false
  }
  return true
}

/** Equal data: the order of keys does not matter, a field that is undefined is none. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, i) => isEqual(item, b[i]))
  }
  for (const key in a) if (!isEqual(ownOf(a, key), ownOf(b, key))) return false
  for (const key in b) if (!Object.hasOwn(a, key) && ownOf(b, key) !== undefined) return false
  return true
}

/** Not what `Object.prototype` would say under this name. */
function ownOf(record: object, key: string): unknown {
  return Object.hasOwn(record, key) ? Reflect.get(record, key) : undefined
}

/** About the length of its JSON, without making it. */
export function sizeOf(value: Json): number {
  if (typeof value === 'string') return value.length + 2
  if (typeof value !== 'object' || value === null) return 5
  let size = 2
  if (isList(value)) for (const item of value) size += sizeOf(item) + 1
  else for (const key in value) size += key.length + 4 + sizeOf(value[key] ?? null)
  return size
}

/** Text with sorted keys and without undefined fields: equal data, equal text. */
export function canonical(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  let text = ''
  for (const key of Object.keys(value).sort()) {
    const item: unknown = Reflect.get(value, key)
    if (item !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonical(item)}`
  }
  return `{${text}}`
}

/** SHA-256 of the canonical text, base64url. */
export function hashOf(value: unknown): string {
  return hash('sha256', canonical(value), 'base64url')
}

export function hashOfBytes(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'base64url')
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function className(value: object): string {
  return value.constructor?.name ?? 'an unnamed class'
}

function refused(path: string, what: string): NotSerializable {
  return new NotSerializable(`${path} is ${what}: only plain data can be recorded and sent`, { path })
}
