/**
 * What values fit what types: the words that compiled plans and `fit.ts` are written in.
 *
 * The rules are those of the wire, equal in Python: whole numbers are exact, no number is NaN or infinite, a boolean is
 * no number, text has no half surrogate pairs, and a length of text counts code points.
 */
export type Fits = (value: unknown) => boolean
/** The fields of one side by name. */
export type Values = { readonly [field: string]: unknown }

export function isStr(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed()
}

export function isInt(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

export function isFloat(value: unknown): value is number {
  return Number.isFinite(value)
}

export function isBool(value: unknown): value is boolean {
  return typeof value === 'boolean'
}

export function isList(value: unknown, fits: Fits, least = 0, most = Number.POSITIVE_INFINITY): boolean {
  if (!Array.isArray(value) || value.length < least || value.length > most) return false
  // By index: `every` passes over the holes of a sparse array.
  for (let n = 0; n < value.length; n++) if (!fits(value[n])) return false
  return true
}

/** Its elements are primitive. */
export function isSet(value: unknown, fits: Fits, least = 0, most = Number.POSITIVE_INFINITY): boolean {
  return isList(value, fits, least, most) && Array.isArray(value) && new Set(value).size === value.length
}

export function isTuple(value: unknown, fits: readonly Fits[]): boolean {
  return Array.isArray(value) && value.length === fits.length && fits.every((fits, n) => fits(value[n]))
}

const INT_KEY = /^(0|-?[1-9][0-9]*)$/

export function isDict(
  value: unknown,
  key: 'str' | 'int',
  fits: Fits,
  least = 0,
  most = Number.POSITIVE_INFINITY,
): boolean {
  if (!isRecord(value)) return false
  const entries = Object.entries(value)
  if (entries.length < least || entries.length > most) return false
  return entries.every(([name, member]) => (key === 'int' ? isIntKey(name) : name.isWellFormed()) && fits(member))
}

export function isIntKey(key: string): boolean {
  return INT_KEY.test(key) && Number.isSafeInteger(Number(key))
}

/** Made by a literal or by a parser, not by a class. */
export function isRecord(value: unknown): value is { readonly [key: string]: unknown } {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** As deep as any parser of ours goes. */
const MAX_JSON_DEPTH = 64

export function isJson(value: unknown, depth = 0): boolean {
  if (value === null || typeof value === 'boolean') return true
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value === 'number') return Number.isFinite(value)
  if (depth === MAX_JSON_DEPTH) return false
  if (Array.isArray(value)) return isList(value, (member) => isJson(member, depth + 1))
  return (
    isRecord(value) && Object.entries(value).every(([key, member]) => key.isWellFormed() && isJson(member, depth + 1))
  )
}

/** In code points, as Python counts. */
export function lengthOf(text: string): number {
  let length = 0
  for (const _ of text) length++
  return length
}

export function isBetween(length: number, least = 0, most = Number.POSITIVE_INFINITY): boolean {
  return length >= least && length <= most
}

/** Exactly so many fields; which ones, the checks of the fields say: a missing one fits no type. */
export function holds(count: number, values: unknown): values is Values {
  if (!isRecord(values)) return false
  let own = 0
  for (const _ in values) own++
  return own === count
}
