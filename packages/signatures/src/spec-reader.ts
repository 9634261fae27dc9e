/**
 * Reads specs that come from elsewhere: from Python, from a file. The twin of Python's `parse_spec`.
 *
 * 1. What is read has the shape and the hash that a spec of ours would have, or is refused with the reason.
 */
import { type FieldType, isLimit, type Limits, type LiteralValue, limitsFor } from './field-type.ts'
import { nameFault, typeNameFault } from './names.ts'
import { SignatureRefused, says } from './refusal.ts'
import { type JsonSchema, type Spec, type SpecField, specOf } from './spec.ts'

/** @throws SignatureRefused */
export function readSpec(value: unknown): Spec {
  const { v, name, instructions, fields, defs, hash } = members(value, 'the spec')
  if (v !== 1) throw refused(`a spec of version ${JSON.stringify(v)}; this reads version 1`)
  if (!Array.isArray(fields)) throw refused('fields: no list')
  const read = {
    name: text(name, 'name'),
    instructions: text(instructions, 'instructions'),
    fields: fields.map(fieldOf),
    defs: definitionsOf(defs),
  }
  const sides = read.fields.map(({ io }) => io)
  if (sides.join() !== sides.toSorted().join()) throw refused('fields: inputs come first')
  if (!sides.includes('input') || !sides.includes('output')) throw refused('fields: inputs and outputs are needed')
  const made = specOf(read)
  if (made.hash !== hash) throw refused(says.otherHash(String(hash), made.hash))
  return made
}

function fieldOf(value: unknown): SpecField {
  const { name: given, io, type, desc } = members(value, 'a field')
  const name = text(given, "a field's name")
  if (io !== 'input' && io !== 'output') throw refused(says.inField(name, 'io is input or output'))
  const fault = nameFault(name, io)
  if (fault !== undefined) throw refused(says.inField(name, fault))
  const field: SpecField = { name, io, type: typeOf(type, name) }
  return desc === undefined ? field : { ...field, desc: text(desc, `desc of '${name}'`) }
}

function typeOf(value: unknown, field: string): FieldType {
  const { kind, of, key, values, name, limits } = members(value, `the type of '${field}'`)
  const inner = () => typeOf(of, field)
  const several = () => (Array.isArray(of) ? of.map((member: unknown) => typeOf(member, field)) : [])
  const limited = (kind: string) => (limits === undefined ? {} : { limits: limitsOf(limits, kind, field) })
  switch (kind) {
    case 'str':
    case 'int':
    case 'float':
      return { kind, ...limited(kind) }
    case 'list':
    case 'set':
      return { kind, of: inner(), ...limited(kind) }
    case 'dict':
      if (key !== 'str' && key !== 'int') throw refused(says.inField(field, says.dictKey))
      return { kind, key, of: inner(), ...limited(kind) }
    case 'tuple':
    case 'union':
      return { kind, of: several() }
    case 'tuple_of':
      return { kind, of: inner() }
    case 'literal':
      return { kind, values: Array.isArray(values) ? values.map((value) => literalOf(value, field)) : [] }
    case 'custom':
      return { kind, name: text(name, `a custom type of '${field}'`) }
    default:
      if (kind === 'bool' || kind === 'None' || kind === 'Any') return { kind }
      throw refused(says.inField(field, `no kind ${JSON.stringify(kind)}`))
  }
}

function limitsOf(value: unknown, kind: string, field: string): Limits {
  return Object.fromEntries(
    Object.entries(members(value, `the limits of '${field}'`)).map(([name, bound]) => {
      if (!isLimit(name) || !limitsFor(kind).includes(name) || typeof bound !== 'number') {
        throw refused(says.inField(field, says.limitKind(name)))
      }
      return [name, bound]
    }),
  )
}

function literalOf(value: unknown, field: string): LiteralValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return value
  throw refused(says.inField(field, says.literalValue(String(value))))
}

function definitionsOf(value: unknown): { readonly [name: string]: JsonSchema } {
  const defs = members(value, 'defs')
  for (const [name, schema] of Object.entries(defs)) {
    const fault = typeNameFault(name)
    if (fault !== undefined) throw refused(fault)
    members(schema, `defs.${name}`)
  }
  return JSON.parse(JSON.stringify(defs))
}

function members(value: unknown, what: string): { readonly [name: string]: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(`${what}: no object`)
  return { ...value }
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw refused(`${what}: no text`)
  return value
}

function refused(message: string): SignatureRefused {
  return new SignatureRefused(message, '')
}
