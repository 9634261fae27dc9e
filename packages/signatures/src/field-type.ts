/**
 * The type of a field as data, and its canonical text.
 *
 * 1. A type has one normal form: unions are flat, without doubles, `None` last; a bare `list` is `list[Any]`.
 * 2. The canonical text of a normal form reads back as the same form, unless it is longer than a text may be.
 */
import { assertNever } from './assert-never.ts'

/** Bounds of a number, or of a length: names and meaning of pydantic's `Field`. */
export type Limits = { readonly [K in LimitName]?: number }
export type LimitName = NumberLimit | LengthLimit
export type NumberLimit = 'ge' | 'gt' | 'le' | 'lt'
export type LengthLimit = 'min_length' | 'max_length'

export const NUMBER_LIMITS = ['ge', 'gt', 'le', 'lt'] as const satisfies readonly NumberLimit[]
export const LENGTH_LIMITS = ['min_length', 'max_length'] as const satisfies readonly LengthLimit[]
export const LIMITS = [...NUMBER_LIMITS, ...LENGTH_LIMITS] as const

const limitNames: ReadonlySet<string> = new Set(LIMITS)
export const isLimit = (name: string): name is LimitName => limitNames.has(name)

export type LiteralValue = string | number | boolean | null

export type FieldType =
  | { readonly kind: 'str' | 'int' | 'float'; readonly limits?: Limits }
  | { readonly kind: 'bool' | 'None' | 'Any' }
  | { readonly kind: 'list' | 'set'; readonly of: FieldType; readonly limits?: Limits }
  | { readonly kind: 'dict'; readonly key: 'str' | 'int'; readonly of: FieldType; readonly limits?: Limits }
  /** Of exactly these. */
  | { readonly kind: 'tuple'; readonly of: readonly FieldType[] }
  /** `tuple[T, ...]` */
  | { readonly kind: 'tuple_of'; readonly of: FieldType }
  | { readonly kind: 'union'; readonly of: readonly FieldType[] }
  | { readonly kind: 'literal'; readonly values: readonly LiteralValue[] }
  /** A name of `types`, described in the `defs` of the signature. */
  | { readonly kind: 'custom'; readonly name: string }

export type Kind = FieldType['kind']

/** `list[str]`, `int | None`, `Annotated[float, Field(ge=0, le=1)]` */
export function textOf(type: FieldType): string {
  const plain = plainText(type)
  if (!('limits' in type) || type.limits === undefined) return plain
  const { limits } = type
  const given = LIMITS.flatMap((name) => (limits[name] === undefined ? [] : [`${name}=${limits[name]}`]))
  return given.length === 0 ? plain : `Annotated[${plain}, Field(${given.join(', ')})]`
}

function plainText(type: FieldType): string {
  switch (type.kind) {
    case 'str':
    case 'int':
    case 'float':
    case 'bool':
    case 'None':
    case 'Any':
      return type.kind
    case 'list':
    case 'set':
      return `${type.kind}[${textOf(type.of)}]`
    case 'dict':
      return `dict[${type.key}, ${textOf(type.of)}]`
    case 'tuple':
      return `tuple[${type.of.map(textOf).join(', ')}]`
    case 'tuple_of':
      return `tuple[${textOf(type.of)}, ...]`
    case 'union':
      return type.of.map(textOf).join(' | ')
    case 'literal':
      return `Literal[${type.values.map(literalText).join(', ')}]`
    case 'custom':
      return type.name
    default:
      return assertNever(type)
  }
}

function literalText(value: LiteralValue): string {
  if (typeof value !== 'string') return pythonWord(value)
  return value.includes("'") ? `"${value}"` : `'${value}'`
}

export function pythonWord(value: number | boolean | null): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return String(value)
}

/** Python takes two types for one that differ only in the order of values or members; what is left of them has the order of the first. */
function withoutOrder(type: FieldType): FieldType {
  switch (type.kind) {
    case 'literal':
      return { ...type, values: type.values.toSorted((a, b) => (literalText(a) < literalText(b) ? -1 : 1)) }
    case 'union':
      return { ...type, of: type.of.map(withoutOrder).toSorted((a, b) => (textOf(a) < textOf(b) ? -1 : 1)) }
    case 'tuple':
      return { ...type, of: type.of.map(withoutOrder) }
    case 'list':
    case 'set':
    case 'dict':
    case 'tuple_of':
      return { ...type, of: withoutOrder(type.of) }
    default:
      return type
  }
}

/** The normal form of a union of types that are normal themselves. */
export function unionOf(members: readonly FieldType[]): FieldType {
  const flat = members.flatMap((member) => (member.kind === 'union' ? member.of : [member]))
  const single = new Map<string, FieldType>()
  for (const member of flat) {
    const key = textOf(withoutOrder(member))
    if (!single.has(key)) single.set(key, member)
  }
  const kept = [...single.values()]
  const of = [...kept.filter(({ kind }) => kind !== 'None'), ...kept.filter(({ kind }) => kind === 'None')]
  const [first] = of
  return of.length === 1 && first !== undefined ? first : { kind: 'union', of }
}

/** `type` must be of a kind that has limits. */
export function limited(type: FieldType, limits: Limits): FieldType {
  switch (type.kind) {
    case 'str':
    case 'int':
    case 'float':
    case 'list':
    case 'set':
    case 'dict':
      return { ...type, limits }
    default:
      throw new Error(`no limits for ${type.kind}`)
  }
}

/** Which limits a kind takes: bounds of the number, or of the length. */
export function limitsFor(kind: string): readonly LimitName[] {
  if (kind === 'int' || kind === 'float') return NUMBER_LIMITS
  return ['str', 'list', 'set', 'dict'].includes(kind) ? LENGTH_LIMITS : []
}

/** The names of the custom types in a type. */
export function customNames(type: FieldType): readonly string[] {
  if (type.kind === 'custom') return [type.name]
  if (!('of' in type)) return []
  return 'kind' in type.of ? customNames(type.of) : type.of.flatMap(customNames)
}

export function hasCustom(type: FieldType): boolean {
  return customNames(type).length > 0
}
