/**
 * Every message of the grammar. `parse-type.ts` says the same ones in the editor, word for word; `docs/signatures.md` shows each.
 *
 * A message says what was found and, where it is not plain, what to write instead.
 */
import { LIMITS } from './field-type.ts'

/** A text, or a definition, that is not a signature. */
export class SignatureRefused extends Error {
  override readonly name = 'SignatureRefused'
  readonly code = 'SignatureRefused'
  readonly retryable = false
  /** As written. */
  readonly text: string
  /** Where in `text`, in characters; the fields of a definition have no place. */
  readonly at: number | undefined

  constructor(message: string, text: string, at?: number) {
    super(`${message}\n${shown(text, at)}`)
    this.reason = message
    this.text = text
    this.at = at
  }

  /** The message without the text. */
  readonly reason: string
}

const SHOWN_CHARS = 60

/** The line of the place, and a mark under it. */
function shown(text: string, at = 0): string {
  const start = text.lastIndexOf('\n', at - 1) + 1
  const from = Math.max(start, at - SHOWN_CHARS / 2)
  const line = text.slice(from).split('\n', 1)[0] ?? ''
  return `  ${line.slice(0, SHOWN_CHARS).replaceAll('\t', ' ')}\n  ${' '.repeat(at - from)}^`
}

export const MAX_CHARS = 4_096
/** Deeper ones also pass what TypeScript can follow. */
export const MAX_DEPTH = 8
/** Of fields on a side, members of a union, values of a Literal, types in brackets: TypeScript can follow about twice as many. */
export const MAX_ITEMS = 256
/** All whole numbers so long are exact in JavaScript. */
export const MAX_DIGITS = 15

export type Side = 'input' | 'output'

export const says = {
  tooLong: `a signature has at most ${MAX_CHARS} characters`,
  illFormed: 'the text has half a surrogate pair',
  noArrow: "expected '->' between inputs and outputs",
  twoArrows: "more than one '->': DSPy counts them, also inside quotes",
  noFields: (side: Side) => `no ${side} fields`,
  noName: (next: string) => `expected a field name, found ${next}`,
  inField: (name: string, message: string) => `field '${name}': ${message}`,

  default: 'DSPy drops defaults; leave it out',
  star: "DSPy loses fields at '*' and '/'",
  question: 'an optional field has the type Optional[...]',
  keyword: 'is a keyword of Python',
  taken: 'the name is taken by DSPy or pydantic',
  badName: "a name is a letter, then letters, digits and '_'",
  twice: (side: Side) => `twice among the ${side}s`,
  bothSides: 'is both an input and an output',

  noType: (next: string) => `expected a type, found ${next}`,
  afterType: (next: string) => `unexpected ${next} after the type`,
  quoted: 'DSPy cannot read a quoted type',
  dotted: (name: string) => `DSPy would import '${name}'; pass the type in 'types'`,
  unknown: (name: string, hint: string) => `unknown type '${name}'${hint}`,
  custom: "; pass it in 'types'",
  meant: (name: string) => `; did you mean '${name}'?`,
  onlyNone: 'DSPy takes None for str; use Optional[...]',
  needsArguments: (name: string) => `'${name}' needs type arguments`,
  takesNone: (name: string) => `'${name}' takes no type arguments`,
  arity: (name: string, wanted: string, given: number) => `'${name}' takes ${wanted}, not ${given}`,
  dictKey: 'the keys of a dict are str or int',
  setOf: 'a set holds str, int, float, bool or Literal',
  ellipsis: "'...' stands at the end of a tuple, after one type",
  afterArgument: (next: string) => `expected ',' or ']', found ${next}`,
  tooMany: `more than ${MAX_ITEMS} in one list`,
  tooDeep: `types are nested more than ${MAX_DEPTH} deep`,

  literalValue: (word: string) => `'${word}' in Literal is no quoted string, whole number, True, False or None`,
  literalMissing: (next: string) => `expected a value in Literal, found ${next}`,
  negative: 'DSPy cannot read negative numbers',
  longNumber: `a number has at most ${MAX_DIGITS} digits`,
  openQuote: 'a string in Literal has no closing quote',
  stringChar: 'a string in Literal has no backslash, line break or NUL',
  literalTwice: (value: string) => `${value} twice in Literal`,

  annotated: 'Annotated takes a type and Field(...)',
  openField: "Field( has no closing ')'",
  limitShape: (piece: string) => `Field takes limits such as ge=0, not '${piece}'`,
  limitUnknown: (name: string) => `no limit '${name}'; there are ${LIMITS.join(', ')}`,
  limitTwice: (name: string) => `limit '${name}' twice`,
  limitKind: (name: string) => `limit '${name}' is not for this type`,
  limitNumber: (value: string) => `'${value}' is no plain number such as 0 or 0.5`,
  limitWhole: (name: string) => `limit '${name}' takes a whole number here`,

  typeName: (name: string) => `'${name}' in 'types' is no name, or a name the grammar has`,
} as const
