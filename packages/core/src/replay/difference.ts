/** Where two recorded values differ, for people: the paths, not the values as a whole. */
import { isEqual, type Json } from '../codec.ts'

export interface Difference {
  readonly path: string
  /** Absent: not there. */
  readonly expected?: Json
  readonly actual?: Json
}

/** The first `limit` differing places, depth first in the order of sorted keys. */
export function differences(expected: Json | undefined, actual: Json | undefined, limit = 10): Difference[] {
  const found: Difference[] = []
  const walk = (path: string, a: Json | undefined, b: Json | undefined): void => {
    if (found.length >= limit || isEqual(a ?? null, b ?? null)) return
    const [left, right] = [fieldsOf(a), fieldsOf(b)]
    if (left === undefined || right === undefined || Array.isArray(a) !== Array.isArray(b)) {
      found.push({ path, ...(a !== undefined && { expected: a }), ...(b !== undefined && { actual: b }) })
      return
    }
    const keys = new Set([...left.keys(), ...right.keys()])
    const inside = Array.isArray(a) ? (key: string) => `${path}[${key}]` : (key: string) => `${path}.${key}`
    for (const key of Array.isArray(a) ? keys : [...keys].sort()) walk(inside(key), left.get(key), right.get(key))
  }
  walk('$', expected, actual)
  return found
}

function fieldsOf(value: Json | undefined): ReadonlyMap<string, Json> | undefined {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : undefined
}
