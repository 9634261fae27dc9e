/**
 * Every message of the grammar. `parse-type.ts` says the same ones in the editor, word for word; `docs/signatures.md` shows each.
 *
 * A message says what was found and, where it is not plain, what to write instead.
 */
/** A text, or a definition, that is not a signature. */
export class SignatureRefused extends Error {
  override readonly name = 'SignatureRefused'
  readonly code = 'SignatureRefused'
  readonly retryable = false
  /** As written. */
  readonly text: string
  /** Where in `text`, in characters; the fields of a definition have no place. */
  readonly at: number | undefined

  constructor(message: string, text: string, at?: number, cause?: unknown) {
    super(`${message}\n${shown(text, at)}`, cause === undefined ? undefined : { cause })
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

/** Generic, so that `parse-type.ts` can spell each message as a type. */
export const says = {
  tooLong: `a signature has at most ${MAX_CHARS} characters`,
  illFormed: 'the text has half a surrogate pair',
  notLiteral: 'not a literal text; use dynamicSignature(...)',
  noArrow: "expected '->' between inputs and outputs",
  twoArrows: "more than one '->': DSPy counts them, also inside quotes",
  noFields: <S extends Side>(side: S) => `no ${side} fields` as const,
  noName: <S extends string>(next: S) => `expected a field name, found ${next}` as const,
  inField: <S extends string, M extends string>(name: S, message: M) => `field '${name}': ${message}` as const,

  default: 'DSPy drops defaults; leave it out',
  star: "DSPy loses fields at '*' and '/'",
  question: 'an optional field has the type Optional[...]',
  keyword: 'is a keyword of Python',
  taken: 'the name is taken by DSPy or pydantic',
  badName: "a name is a letter, then letters, digits and '_'",
  twice: <S extends Side>(side: S) => `twice among the ${side}s` as const,
  bothSides: 'is both an input and an output',

  noType: <S extends string>(next: S) => `expected a type, found ${next}` as const,
  afterType: <S extends string>(next: S) => `unexpected ${next} after the type` as const,
  quoted: 'DSPy cannot read a quoted type',
  dotted: <S extends string>(name: S) => `DSPy would import '${name}'; pass the type in 'types'` as const,
  unknown: <S extends string, H extends string>(name: S, hint: H) => `unknown type '${name}'${hint}` as const,
  custom: "; pass it in 'types'",
  meant: <S extends string>(name: S) => `; did you mean '${name}'?` as const,
  onlyNone: 'DSPy takes None for str; use Optional[...]',
  needsArguments: <S extends string>(name: S) => `'${name}' needs type arguments` as const,
  takesNone: <S extends string>(name: S) => `'${name}' takes no type arguments` as const,
  arity: <S extends string, W extends string, N extends number>(name: S, wanted: W, given: N) =>
    `'${name}' takes ${wanted}, not ${given}` as const,
  dictKey: 'the keys of a dict are str or int',
  setOf: 'a set holds str, int, float, bool or Literal',
  ellipsis: "'...' stands at the end of a tuple, after one type",
  afterArgument: <S extends string>(next: S) => `expected ',' or ']', found ${next}` as const,
  tooMany: `more than ${MAX_ITEMS} in one list`,
  tooDeep: `types are nested more than ${MAX_DEPTH} deep`,

  literalValue: <S extends string>(word: S) =>
    `'${word}' in Literal is no quoted string, whole number, True, False or None` as const,
  literalMissing: <S extends string>(next: S) => `expected a value in Literal, found ${next}` as const,
  negative: 'DSPy cannot read negative numbers',
  longNumber: `a number has at most ${MAX_DIGITS} digits`,
  openQuote: 'a string in Literal has no closing quote',
  stringChar: 'a string in Literal has no backslash, line break or NUL',
  literalTwice: <S extends string>(value: S) => `${value} twice in Literal` as const,

  annotated: 'Annotated takes a type and Field(...)',
  openField: "Field( has no closing ')'",
  limitShape: <S extends string>(piece: S) => `Field takes limits such as ge=0, not '${piece}'` as const,
  limitUnknown: <S extends string>(name: S) =>
    `no limit '${name}'; there are ge, gt, le, lt, min_length, max_length` as const,
  limitTwice: <S extends string>(name: S) => `limit '${name}' twice` as const,
  limitKind: <S extends string>(name: S) => `limit '${name}' is not for this type` as const,
  limitNumber: <S extends string>(value: S) => `'${value}' is no plain number such as 0 or 0.5` as const,
  limitWhole: <S extends string>(name: S) => `limit '${name}' takes a whole number here` as const,

  noSuchField: (name: string) => `no field '${name}'`,
  otherHash: (said: string, made: string) => `the spec says hash ${said} and has ${made}`,
  longName: 'a name has at most 200 characters',
  oneType: 'a field of a definition has one type, and no other field in it',
  noJsonSchema: (name: string) => `type '${name}' cannot say its JSON Schema; pass { schema, jsonSchema }`,
  typeName: <S extends string>(name: S) => `'${name}' in 'types' is no name, or a name the grammar has` as const,
} as const
