/** The words that generated plans are written in: checks, and fields with their types. */
import type { FieldType, Limits, LiteralValue } from './field-type.ts'
import type { ParsedField } from './parse.ts'

export * from './checks.ts'

export const input = (name: string, type: FieldType): ParsedField => ({ name, io: 'input', type })
export const output = (name: string, type: FieldType): ParsedField => ({ name, io: 'output', type })

export const str = (limits?: Limits): FieldType => ({ kind: 'str', ...(limits && { limits }) })
export const int = (limits?: Limits): FieldType => ({ kind: 'int', ...(limits && { limits }) })
export const float = (limits?: Limits): FieldType => ({ kind: 'float', ...(limits && { limits }) })
export const bool = (): FieldType => ({ kind: 'bool' })
export const none = (): FieldType => ({ kind: 'None' })
export const any = (): FieldType => ({ kind: 'Any' })
export const list = (of: FieldType, limits?: Limits): FieldType => ({ kind: 'list', of, ...(limits && { limits }) })
export const set = (of: FieldType, limits?: Limits): FieldType => ({ kind: 'set', of, ...(limits && { limits }) })
export const dict = (key: 'str' | 'int', of: FieldType, limits?: Limits): FieldType => {
  return { kind: 'dict', key, of, ...(limits && { limits }) }
}
export const tuple = (...of: readonly FieldType[]): FieldType => ({ kind: 'tuple', of })
export const tupleOf = (of: FieldType): FieldType => ({ kind: 'tuple_of', of })
export const union = (...of: readonly FieldType[]): FieldType => ({ kind: 'union', of })
export const literal = (...values: readonly LiteralValue[]): FieldType => ({ kind: 'literal', values })
export const custom = (name: string): FieldType => ({ kind: 'custom', name })
