/**
 * Reads values by a type: quickly, whether they fit; and slowly, what is wrong with them, or what custom types make of them.
 *
 * 1. `fits` is true exactly when `read` finds nothing.
 * 2. A value without custom types is never copied by who only asks whether it fits.
 */
import { assertNever } from './assert-never.ts'
import {
  type Fits,
  isBool,
  isDict,
  isFloat,
  isInt,
  isIntKey,
  isJson,
  isList,
  isRecord,
  isSet,
  isStr,
  isTuple,
  lengthOf,
} from './checks.ts'
import { type FieldType, LIMITS, type Limits, textOf } from './field-type.ts'

const NOT_JSON = 'must be JSON: finite numbers, and nothing that is not data'

export interface Issue {
  readonly message: string
  readonly path: readonly (string | number)[]
}

/** Of custom types, by name; one that is not there takes any JSON. What the user's schema makes of a value, or its issues. */
export type Customs = ReadonlyMap<
  string,
  (value: unknown) => { readonly value: unknown } | { readonly issues: readonly Issue[] }
>

/** Of a type without custom types. */
export function fits(type: FieldType): Fits {
  switch (type.kind) {
    case 'str': {
      const { limits } = type
      return limits === undefined ? isStr : (value) => isStr(value) && isWithin(lengthOf(value), limits)
    }
    case 'int':
    case 'float': {
      const { limits } = type
      const isNumber = type.kind === 'int' ? isInt : isFloat
      return limits === undefined ? isNumber : (value) => isNumber(value) && isWithin(value, limits)
    }
    case 'bool':
      return isBool
    case 'None':
      return (value) => value === null
    case 'Any':
      return (value) => isJson(value)
    case 'list':
    case 'set': {
      const [of, { min_length, max_length } = {}] = [fits(type.of), type.limits]
      const check = type.kind === 'list' ? isList : isSet
      return (value) => check(value, of, min_length, max_length)
    }
    case 'dict': {
      const [of, { min_length, max_length } = {}] = [fits(type.of), type.limits]
      return (value) => isDict(value, type.key, of, min_length, max_length)
    }
    case 'tuple': {
      const of = type.of.map(fits)
      return (value) => isTuple(value, of)
    }
    case 'tuple_of': {
      const of = fits(type.of)
      return (value) => isList(value, of)
    }
    case 'union': {
      const of = type.of.map(fits)
      return (value) => of.some((fits) => fits(value))
    }
    case 'literal': {
      const values: ReadonlySet<unknown> = new Set(type.values)
      return (value) => values.has(value)
    }
    case 'custom':
      throw new Error(`${type.name} is checked by its own schema`)
    default:
      return assertNever(type)
  }
}

/** Of a number itself, or of a length. */
function isWithin(number: number, limits: Limits = {}): boolean {
  const { ge = -Infinity, gt = -Infinity, le = Infinity, lt = Infinity, min_length = 0, max_length = Infinity } = limits
  if (number < ge || number > le || (number <= gt && gt > -Infinity) || (number >= lt && lt < Infinity)) return false
  return !('min_length' in limits || 'max_length' in limits) || (number >= min_length && number <= max_length)
}

/** What `value` is as `type`; when it does not fit, what is wrong is added to `issues` and the value is of no use. */
export function read(
  type: FieldType,
  value: unknown,
  path: readonly (string | number)[],
  issues: Issue[],
  customs: Customs,
): unknown {
  const wrong = (message: string): unknown => {
    issues.push({ message, path })
    return undefined
  }
  const inside = (of: FieldType, member: unknown, key: string | number) =>
    read(of, member, [...path, key], issues, customs)
  const sized = (length: number, limits: Limits = {}) => {
    if (!isWithin(length, limits)) wrong(`must have ${limitText(limits)}, not ${length}`)
  }
  switch (type.kind) {
    case 'str':
      if (typeof value !== 'string') return wrong('must be text')
      if (!isStr(value)) return wrong('has half a surrogate pair')
      sized(lengthOf(value), type.limits)
      return value
    case 'int':
    case 'float':
      if (typeof value !== 'number') return wrong(type.kind === 'int' ? 'must be a whole number' : 'must be a number')
      if (!Number.isFinite(value)) return wrong('must be finite')
      if (type.kind === 'int' && !Number.isInteger(value)) return wrong('must be a whole number')
      if (type.kind === 'int' && !isInt(value)) return wrong('must be within ±(2^53 - 1)')
      if (!isWithin(value, type.limits)) return wrong(`must be ${limitText(type.limits ?? {})}`)
      return value
    case 'bool':
      return isBool(value) ? value : wrong('must be true or false')
    case 'None':
      return value === null ? null : wrong('must be null')
    case 'Any':
      return isJson(value) ? value : wrong(NOT_JSON)
    case 'list':
    case 'set':
    case 'tuple_of': {
      if (!Array.isArray(value)) return wrong('must be a list')
      if (type.kind !== 'tuple_of') sized(value.length, type.limits)
      if (type.kind === 'set' && new Set(value).size < value.length) wrong('has an element twice')
      return Array.from(value, (member, n) => inside(type.of, member, n))
    }
    case 'tuple':
      if (!Array.isArray(value)) return wrong('must be a list')
      if (value.length !== type.of.length) return wrong(`must have ${type.of.length} elements, not ${value.length}`)
      return type.of.map((of, n) => inside(of, value[n], n))
    case 'dict': {
      if (!isRecord(value)) return wrong('must be an object')
      const entries = Object.entries(value)
      sized(entries.length, type.limits)
      for (const [key] of entries) {
        if (type.key === 'int' ? !isIntKey(key) : !isStr(key)) wrong(`has the key ${JSON.stringify(key)}`)
      }
      return Object.fromEntries(entries.map(([key, member]) => [key, inside(type.of, member, key)]))
    }
    case 'union':
      for (const of of type.of) {
        const found: Issue[] = []
        const member = read(of, value, path, found, customs)
        if (found.length === 0) return member
      }
      return wrong(`must be ${textOf(type)}`)
    case 'literal':
      return fits(type)(value)
        ? value
        : wrong(`must be one of ${type.values.map((value) => JSON.stringify(value)).join(', ')}`)
    case 'custom': {
      const result = customs.get(type.name)?.(value) ?? { value }
      if ('value' in result && !isJson(result.value)) return wrong(NOT_JSON)
      if ('value' in result) return result.value
      for (const issue of result.issues) issues.push({ message: issue.message, path: [...path, ...issue.path] })
      return undefined
    }
    default:
      return assertNever(type)
  }
}

const LIMIT_TEXT = { ge: '≥', gt: '>', le: '≤', lt: '<', min_length: 'at least', max_length: 'at most' } as const

function limitText(limits: Limits): string {
  return LIMITS.flatMap((name) => (limits[name] === undefined ? [] : [`${LIMIT_TEXT[name]} ${limits[name]}`])).join(
    ' and ',
  )
}
