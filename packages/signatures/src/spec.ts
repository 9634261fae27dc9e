/**
 * What a signature is, as data: the one form that TypeScript, Python and the bus share.
 *
 * 1. The hash covers everything that changes what a model is asked or what is accepted: all but the name.
 * 2. Both languages hash the same bytes: JSON with sorted keys and without spaces (`test/golden/signatures.json`).
 */
import { createHash } from 'node:crypto'
import type { FieldType } from './field-type.ts'
import { SignatureRefused, says } from './refusal.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
/** JSON Schema, draft 2020-12. */
export type JsonSchema = { readonly [keyword: string]: Json }

export interface SpecField {
  readonly name: string
  readonly io: 'input' | 'output'
  readonly type: FieldType
  /** Absent: DSPy's own, `${name}`. */
  readonly desc?: string
}

export interface Spec {
  readonly v: 1
  /** For people. */
  readonly name: string
  readonly instructions: string
  /** Inputs, then outputs, each in the order of the text. */
  readonly fields: readonly SpecField[]
  /** Of the custom types that the fields name, with everything they refer to. */
  readonly defs: { readonly [name: string]: JsonSchema }
  /** 32 hexadecimal digits: the first half of a SHA-256. */
  readonly hash: string
}

/** DSPy's own, when nobody says better. */
export function defaultInstructions(fields: readonly SpecField[]): string {
  const names = (io: SpecField['io']) =>
    fields
      .filter((field) => field.io === io)
      .map(({ name }) => `\`${name}\``)
      .join(', ')
  return `Given the fields ${names('input')}, produce the fields ${names('output')}.`
}

/** @throws SignatureRefused for a name that is too long, and for texts with half surrogate pairs */
export function specOf({ name, fields, defs, ...spec }: Omit<Spec, 'hash' | 'v'>): Spec {
  if (name.length > NAME_CHARS) throw new SignatureRefused(says.longName, name, NAME_CHARS)
  const instructions = asDocstring(spec.instructions)
  for (const text of [name, instructions, ...fields.map(({ desc = '' }) => desc)]) {
    if (!text.isWellFormed()) throw new SignatureRefused(says.illFormed, text)
  }
  return { v: 1, name, instructions, fields, defs, hash: hashOf({ v: 1, instructions, fields, defs }) }
}

/**
 * As DSPy gives back what it was told: it keeps instructions as a docstring, and cleans them each time it reads them. Pythons
 * differ in what is space to them, so only blanks are left for them to see: at the start of a line, and line feeds.
 */
function asDocstring(text: string): string {
  const plain = text.replace(/\r\n?/g, '\n').split('\n').map(withBlanks).join('\n')
  const cleaned = cleandoc(plain)
  return cleaned === text ? text : asDocstring(cleaned)
}

/** What is space to any Python: Unicode's, and four separators of ASCII. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
const LEADING_SPACE = /^[\s\u001c-\u001f\u0085]+/

function withBlanks(line: string): string {
  const tabless = withoutTabs(line)
  const [space = ''] = LEADING_SPACE.exec(tabless) ?? []
  return ' '.repeat(space.length) + tabless.slice(space.length)
}

/** Python's `inspect.cleandoc`, of lines that begin with blanks and have no tabs. */
function cleandoc(text: string): string {
  const [first = '', ...rest] = text.split('\n')
  const indents = rest.map((line) => line.search(/[^ ]/)).filter((indent) => indent >= 0)
  const margin = indents.length === 0 ? 0 : Math.min(...indents)
  const lines = [first.replace(/^ +/, ''), ...rest.map((line) => line.slice(margin))]
  const filled = lines.map((line) => line !== '')
  return lines.slice(Math.max(0, filled.indexOf(true)), filled.lastIndexOf(true) + 1).join('\n')
}

const NAME_CHARS = 200
const TAB = 8

/** To the next column that `TAB` divides. */
function withoutTabs(line: string): string {
  let [spaced, column] = ['', 0]
  for (const char of line) {
    const shown = char === '\t' ? ' '.repeat(TAB - (column % TAB)) : char
    spaced += shown
    column += char === '\t' ? shown.length : 1
  }
  return spaced
}

function hashOf(value: object): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 32)
}

/** Keys by code point; undefined members are left out, as by `JSON.stringify`. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  members.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`
}
