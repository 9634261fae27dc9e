/**
 * Reads the text of a signature at run time.
 *
 * 1. The grammar is a part of DSPy's: what is accepted here has the same fields and types there (`docs/signatures.md`).
 * 2. Verdict and message are those of `parse-type.ts`, which reads the same text in the editor: both look left to right
 *    for the same delimiters in the same order. Only the length and half surrogates are looked at here alone.
 * 3. Linear: every character is looked at a bounded number of times.
 */
import { Cursor, Refusal } from './cursor.ts'
import type { FieldType } from './field-type.ts'
import { nameFault } from './names.ts'
import { readFieldType } from './parse-field-type.ts'
import { MAX_CHARS, MAX_ITEMS, type Side, SignatureRefused, says } from './refusal.ts'

export interface ParsedField {
  readonly name: string
  readonly io: Side
  readonly type: FieldType
}

const ARROW = '->'

/** `types`: the names of custom types. @throws SignatureRefused */
export function parseFields(text: string, types: ReadonlySet<string>): readonly ParsedField[] {
  readable(text)
  const arrow = text.indexOf(ARROW)
  if (arrow < 0) throw new SignatureRefused(says.noArrow, text, text.length)
  const second = text.indexOf(ARROW, arrow + ARROW.length)
  if (second >= 0) throw new SignatureRefused(says.twoArrows, text, second)
  const side = (io: Side, from: number, to: number, others: ReadonlySet<string>) =>
    new Cursor(text, from, to).reading((cursor) => readFields(cursor, io, others, types))
  const inputs = side('input', 0, arrow, new Set())
  const outputs = side('output', arrow + ARROW.length, text.length, new Set(inputs.map(({ name }) => name)))
  return [...inputs, ...outputs]
}

/** One type on its own, as definitions field by field have it. @throws SignatureRefused */
export function parseFieldType(text: string, types: ReadonlySet<string>): FieldType {
  readable(text)
  return new Cursor(text).reading((cursor) => {
    const type = readFieldType(cursor, types)
    if (cursor.peek() !== '') throw new Refusal(says.afterType(cursor.next()))
    return type
  })
}

function readable(text: string): void {
  if (text.length > MAX_CHARS) throw new SignatureRefused(says.tooLong, text, MAX_CHARS)
  if (!text.isWellFormed()) throw new SignatureRefused(says.illFormed, text)
}

/** field { ',' field } [','] */
function readFields(cursor: Cursor, io: Side, others: ReadonlySet<string>, types: ReadonlySet<string>): ParsedField[] {
  const fields = new Map<string, ParsedField>()
  while (cursor.peek() !== '') {
    if (fields.size === MAX_ITEMS) throw new Refusal(says.tooMany)
    const name = cursor.word(',:')
    if (name === '') throw new Refusal(says.noName(cursor.next()))
    const fault = nameFault(name, io) ?? doubled(name, io, fields, others)
    if (fault !== undefined) throw new Refusal(says.inField(name, fault))
    cursor.pass(name)
    fields.set(name, { name, io, type: cursor.take(':') ? typeOf(name, cursor, types) : { kind: 'str' } })
    cursor.take(',')
  }
  if (fields.size === 0) throw new Refusal(says.noFields(io))
  return [...fields.values()]
}

function doubled(name: string, io: Side, fields: ReadonlyMap<string, unknown>, others: ReadonlySet<string>) {
  if (fields.has(name)) return says.twice(io)
  return others.has(name) ? says.bothSides : undefined
}

function typeOf(name: string, cursor: Cursor, types: ReadonlySet<string>): FieldType {
  try {
    return readFieldType(cursor, types)
  } catch (error) {
    throw error instanceof Refusal ? new Refusal(says.inField(name, error.message)) : error
  }
}
