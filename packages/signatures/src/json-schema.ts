/** JSON Schema (2020-12) of types and of a side, in pydantic's words: both languages describe the same field alike. */
import { assertNever } from './assert-never.ts'
import { customNames, type FieldType, type Limits, type LiteralValue } from './field-type.ts'
import type { Json, JsonSchema, SpecField } from './spec.ts'

/** Of an object with all of these fields and no other. */
export function objectSchema(
  fields: readonly Pick<SpecField, 'name' | 'type'>[],
  defs: { readonly [name: string]: JsonSchema },
): JsonSchema {
  const properties = Object.fromEntries(fields.map(({ name, type }) => [name, schemaOf(type)]))
  const required = fields.map(({ name }) => name)
  const own: JsonSchema = { type: 'object', properties, required, additionalProperties: false }
  const used = referredTo(
    fields.flatMap(({ type }) => customNames(type)),
    defs,
  )
  return Object.keys(used).length === 0 ? own : { ...own, $defs: used }
}

/** The definitions of `names`, and of all that they refer to. */
function referredTo(names: readonly string[], defs: Definitions): Definitions {
  const found = new Map<string, JsonSchema>()
  const waiting = [...names]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const schema = defs[name]
    if (schema === undefined || found.has(name)) continue
    found.set(name, schema)
    waiting.push(...Array.from(JSON.stringify(schema).matchAll(REFERENCE), ([, other = '']) => other))
  }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

const REFERENCE = /"\$ref":"#\/\$defs\/([A-Za-z0-9_]+)"/g
type Definitions = { readonly [name: string]: JsonSchema }

export function schemaOf(type: FieldType): JsonSchema {
  switch (type.kind) {
    case 'str':
      return { type: 'string', ...named(type.limits, { min_length: 'minLength', max_length: 'maxLength' }) }
    case 'int':
    case 'float': {
      const names = { ge: 'minimum', gt: 'exclusiveMinimum', le: 'maximum', lt: 'exclusiveMaximum' }
      return { type: type.kind === 'int' ? 'integer' : 'number', ...named(type.limits, names) }
    }
    case 'bool':
      return { type: 'boolean' }
    case 'None':
      return { type: 'null' }
    case 'Any':
      return {}
    case 'list':
      return { type: 'array', items: schemaOf(type.of), ...named(type.limits, ITEMS) }
    case 'set':
      return { type: 'array', items: schemaOf(type.of), uniqueItems: true, ...named(type.limits, ITEMS) }
    case 'tuple_of':
      return { type: 'array', items: schemaOf(type.of) }
    case 'tuple': {
      const { length } = type.of
      return { type: 'array', prefixItems: type.of.map(schemaOf), minItems: length, maxItems: length }
    }
    case 'dict': {
      const members = type.of.kind === 'Any' ? true : schemaOf(type.of)
      const names = { min_length: 'minProperties', max_length: 'maxProperties' }
      return { type: 'object', additionalProperties: members, ...named(type.limits, names) }
    }
    case 'union': {
      // Types that JSON has one word for, a list and an open tuple for example, are said once.
      const members = [...new Map(type.of.map(schemaOf).map((member) => [JSON.stringify(member), member])).values()]
      const [only] = members
      return members.length === 1 && only !== undefined ? only : { anyOf: members }
    }
    case 'literal':
      return literalSchema(type.values)
    case 'custom':
      return { $ref: `#/$defs/${type.name}` }
    default:
      return assertNever(type)
  }
}

const ITEMS = { min_length: 'minItems', max_length: 'maxItems' }

function named(limits: Limits | undefined, names: { readonly [limit: string]: string }): JsonSchema {
  const given = Object.entries(limits ?? {}).map(([limit, value]) => [names[limit] ?? limit, value])
  return Object.fromEntries(given)
}

/** `type` is said when all values have the same one. */
function literalSchema(values: readonly LiteralValue[]): JsonSchema {
  const [first, ...more] = values
  const choice: { [keyword: string]: Json } =
    more.length === 0 && first !== undefined ? { const: first } : { enum: values }
  const kinds = new Set(values.map(jsonKind))
  const [kind] = kinds
  return kinds.size === 1 && kind !== undefined ? { ...choice, type: kind } : choice
}

function jsonKind(value: LiteralValue): string {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return 'boolean'
  return typeof value === 'number' ? 'integer' : 'string'
}
