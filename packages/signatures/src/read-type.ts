/**
 * Reads the type of a field as a type: the twin of `parse-field-type.ts`, with the same looks in the same order.
 *
 * 1. Each reader takes a text without spaces at its left and gives `Read` or `Refused`; the rest of a `Read` has none either.
 * 2. Lists (members of a union, types in brackets, values of a Literal, limits) are loops that carry what they have so far:
 *    TypeScript follows a thousand steps of a loop, but only some fifty levels of nesting.
 */
import type {
  Again,
  Cut,
  IsLong,
  IsPlain,
  IsWhole,
  Next,
  Pass,
  Refused,
  Says,
  Trim,
  TrimLeft,
  TrimRight,
} from './cut-type.ts'
import type { LengthLimit, LimitName, NumberLimit } from './field-type.ts'
import type { Generic, MEANT } from './names.ts'
import type { MAX_DEPTH, MAX_ITEMS, says } from './refusal.ts'

/** What was read: its type, its kind as written, and the text after it. */
export interface Read<Type, Written, Rest extends string> {
  readonly type: Type
  readonly written: Written
  readonly rest: Rest
}

/** Names that are a type on their own, with their kinds. */
interface Alone {
  str: ['str', string]
  int: ['int', number]
  float: ['float', number]
  bool: ['bool', boolean]
  None: ['None', null]
  Any: ['Any', unknown]
  list: ['list', unknown[]]
  dict: ['dict', Keyed<unknown>['str']]
  tuple: ['tuple_of', unknown[]]
}

type Known<Types> = keyof Alone | Generic | keyof Types

// ── A type: one atom, or several with '|' between ────────────────────────────────────────────────────────────────────

export type ReadUnion<S extends string, Types, Depth extends 0[]> =
  ReadAtom<S, Types, Depth> extends Read<infer T, infer W, infer R>
    ? R extends `|${infer More}`
      ? ReadMembers<TrimLeft<More>, Types, Depth, T, W, [0]>
      : Read<T, W, R>
    : Again<ReadAtom<S, Types, Depth>>

type ReadMembers<
  S extends string,
  Types,
  Depth extends 0[],
  T,
  W,
  Count extends 0[],
> = Count['length'] extends typeof MAX_ITEMS
  ? Refused<typeof says.tooMany>
  : ReadAtom<S, Types, Depth> extends Read<infer U, infer V, infer R>
    ? R extends `|${infer More}`
      ? ReadMembers<TrimLeft<More>, Types, Depth, T | U, W | V, [...Count, 0]>
      : Read<T | U, OfUnion<W | V>, R>
    : Again<ReadAtom<S, Types, Depth>>

type OfUnion<Written> = [Written] extends ['None'] ? 'None' : 'union'

// ── An atom: a name, perhaps with types in brackets ──────────────────────────────────────────────────────────────────

type ReadAtom<S extends string, Types, Depth extends 0[]> = S extends `${infer Name}[${infer R}`
  ? Name extends Generic
    ? ReadGeneric<Name, TrimLeft<R>, Types, Depth>
    : ReadWord<S, Word<S>, Types, Depth>
  : ReadWord<S, Word<S>, Types, Depth>

/** Up to what ends the name of a type. */
type Word<S extends string> = Cut<Cut<Cut<Cut<S, ','>, '['>, ']'>, '|'>

type ReadWord<S extends string, W extends string, Types, Depth extends 0[]> = AtomNamed<
  TrimRight<W>,
  TrimLeft<Pass<S, W>>,
  S,
  Types,
  Depth
>

/** `S`: from the name on; `R`: after it. */
type AtomNamed<Name extends string, R extends string, S extends string, Types, Depth extends 0[]> =
  Name extends Known<Types>
    ? R extends `[${infer Inside}`
      ? Name extends Generic
        ? ReadGeneric<Name, TrimLeft<Inside>, Types, Depth>
        : Refused<Says<typeof says.takesNone<Name>>>
      : Name extends keyof Alone
        ? Read<Alone[Name][1], Alone[Name][0], R>
        : Name extends Generic
          ? Refused<Says<typeof says.needsArguments<Name>>>
          : Name extends keyof Types
            ? Read<Types[Name], 'custom', R>
            : never
    : Refused<NotAType<Name, S, Types>>

type NotAType<Name extends string, S extends string, Types> = Name extends ''
  ? Says<typeof says.noType<Next<S>>>
  : Name extends `'${string}` | `"${string}`
    ? typeof says.quoted
    : Name extends `...${string}`
      ? typeof says.ellipsis
      : NotATypeWord<FirstWord<Name>, Name, Types>

/** `Word`: the name up to what no name has. */
type NotATypeWord<Word extends string, Name extends string, Types> = Word extends ''
  ? Says<typeof says.noType<Next<Name>>>
  : Word extends Known<Types>
    ? TrimLeft<Pass<Name, Word>> extends infer R extends string
      ? R extends `=${string}`
        ? typeof says.default
        : Says<typeof says.afterType<Next<R>>>
      : never
    : Word extends `${string}.${string}`
      ? Says<typeof says.dotted<Word>>
      : Says<
          typeof says.unknown<
            Word,
            Word extends keyof typeof MEANT ? Says<typeof says.meant<(typeof MEANT)[Word]>> : typeof says.custom
          >
        >

type FirstWord<S extends string> = Cut<
  Cut<Cut<Cut<Cut<Cut<Cut<Cut<Cut<S, ' '>, '\n'>, '\t'>, '\r'>, '='>, '('>, ')'>, ':'>,
  '#'
>

// ── In brackets ──────────────────────────────────────────────────────────────────────────────────────────────────────

type ReadGeneric<
  Name extends Generic,
  S extends string,
  Types,
  Depth extends 0[],
> = Depth['length'] extends typeof MAX_DEPTH
  ? Refused<typeof says.tooDeep>
  : Name extends 'Literal'
    ? ReadLiteral<S, never, []>
    : Name extends 'Annotated'
      ? ReadAnnotated<ReadUnion<S, Types, [...Depth, 0]>>
      : ReadArguments<Name, S, Types, [...Depth, 0], [], []>

type ReadArguments<
  Name extends Generic,
  S extends string,
  Types,
  Depth extends 0[],
  Given extends unknown[],
  Written extends unknown[],
> = S extends `...${infer R}`
  ? OpenTuple<Name, Given, TrimLeft<R>>
  : Given['length'] extends typeof MAX_ITEMS
    ? Refused<typeof says.tooMany>
    : ReadUnion<S, Types, Depth> extends Read<infer T, infer W, infer R>
      ? R extends `]${infer After}`
        ? Built<Name, [...Given, T], [...Written, W], TrimLeft<After>>
        : R extends `,${infer More}`
          ? ReadArguments<Name, TrimLeft<More>, Types, Depth, [...Given, T], [...Written, W]>
          : Refused<Says<typeof says.afterArgument<Next<R>>>>
      : Again<ReadUnion<S, Types, Depth>>

type OpenTuple<Name extends Generic, Given extends unknown[], R extends string> = Name extends 'tuple' | 'Tuple'
  ? Given extends [infer T]
    ? R extends `]${infer After}`
      ? Read<T[], 'tuple_of', TrimLeft<After>>
      : Refused<typeof says.ellipsis>
    : Refused<typeof says.ellipsis>
  : Refused<typeof says.ellipsis>

type Built<Name extends Generic, Given extends unknown[], Written extends unknown[], R extends string> = Name extends
  | 'list'
  | 'List'
  ? Given extends [infer T]
    ? Read<T[], 'list', R>
    : Takes<Name, '1 type', Given>
  : Name extends 'dict' | 'Dict'
    ? Given extends [unknown, infer T]
      ? Written extends [infer W, unknown]
        ? W extends keyof Keyed<T>
          ? Read<Keyed<T>[W], 'dict', R>
          : Refused<typeof says.dictKey>
        : never
      : Takes<Name, '2 types', Given>
    : Name extends 'tuple' | 'Tuple'
      ? Read<Given, 'tuple', R>
      : Name extends 'Optional'
        ? Given extends [infer T]
          ? Read<T | null, OfUnion<Written[0]>, R>
          : Takes<Name, '1 type', Given>
        : Name extends 'Union'
          ? Given extends [unknown]
            ? Takes<Name, '2 types or more', Given>
            : Read<Given[number], OfUnion<Written[number]>, R>
          : Given extends [infer T]
            ? Written extends ['str' | 'int' | 'float' | 'bool' | 'literal']
              ? Read<T[], 'set', R>
              : Refused<typeof says.setOf>
            : Takes<Name, '1 type', Given>

interface Keyed<T> {
  str: { [key: string]: T }
  int: { [key: number]: T }
}

type Takes<Name extends string, Wanted extends string, Given extends unknown[]> = Refused<
  Says<typeof says.arity<Name, Wanted, Given['length']>>
>

// ── Values of a Literal ──────────────────────────────────────────────────────────────────────────────────────────────

type ReadLiteral<S extends string, Values, Count extends 0[]> = Count['length'] extends typeof MAX_ITEMS
  ? Refused<typeof says.tooMany>
  : S extends `'${infer V}', ${infer More}`
    ? V extends NoString | Values
      ? ReadValue<S, Values, Count>
      : ReadLiteral<More, Values | V, [...Count, 0]>
    : ReadValue<TrimLeft<S>, Values, Count>

/** What no string in a Literal has, or ends it. */
type NoString = `${string}${'\\' | '\n' | '\r' | '\0' | "'"}${string}`

type ReadValue<S extends string, Values, Count extends 0[]> = S extends
  | `'${infer V}'${infer R}`
  | `"${infer V}"${infer R}`
  ? V extends `${string}${'\\' | '\n' | '\r' | '\0'}${string}`
    ? Refused<typeof says.stringChar>
    : NextValue<V, TrimLeft<R>, Values, Count>
  : S extends `'${string}` | `"${string}`
    ? Refused<typeof says.openQuote>
    : Cut<Cut<S, ','>, ']'> extends infer Word extends string
      ? LiteralWord<TrimRight<Word>> extends infer V
        ? V extends Refused<string>
          ? V extends Refused<''>
            ? Refused<Says<typeof says.literalMissing<Next<S>>>>
            : V
          : NextValue<V, TrimLeft<Pass<S, Word>>, Values, Count>
        : never
      : never

type NextValue<V, R extends string, Values, Count extends 0[]> = V extends Values
  ? Refused<Says<typeof says.literalTwice<V extends string ? `'${V}'` : PythonWord<V>>>>
  : R extends `,${infer More}`
    ? ReadLiteral<More, Values | V, [...Count, 0]>
    : R extends `]${infer After}`
      ? Read<Values | V, 'literal', TrimLeft<After>>
      : Refused<Says<typeof says.afterArgument<Next<R>>>>

interface PythonValues {
  True: true
  False: false
  None: null
}

type PythonWord<V> = V extends number ? `${V}` : V extends true ? 'True' : V extends false ? 'False' : 'None'

/** The value, or why there is none; with an empty message when there is no word. */
type LiteralWord<Word extends string> = Word extends ''
  ? Refused<''>
  : Word extends `-${string}`
    ? Refused<typeof says.negative>
    : Word extends keyof PythonValues
      ? PythonValues[Word]
      : IsWhole<Word> extends false
        ? Refused<Says<typeof says.literalValue<Word>>>
        : IsLong<Word> extends true
          ? Refused<typeof says.longNumber>
          : Word extends `${infer N extends number}`
            ? N
            : never

// ── Annotated: a type, and limits ────────────────────────────────────────────────────────────────────────────────────

type ReadAnnotated<Of> =
  Of extends Read<infer T, infer W, infer R>
    ? R extends `,${infer Second}`
      ? TrimLeft<Second> extends `Field(${infer F}`
        ? F extends `${infer Pieces})${infer After}`
          ? LimitsFault<Pieces, W, never> extends infer Fault
            ? Fault extends string
              ? Refused<Fault>
              : TrimLeft<After> extends `]${infer Rest}`
                ? Read<T, 'annotated', TrimLeft<Rest>>
                : Refused<typeof says.annotated>
            : never
          : Refused<typeof says.openField>
        : Refused<typeof says.annotated>
      : Refused<typeof says.annotated>
    : Of

/** The message for the first that is wrong; undefined when none is. */
type LimitsFault<Pieces extends string, Written, Seen> = Pieces extends `${infer Piece},${infer More}`
  ? LimitFault<Trim<Piece>, Written, Seen> extends infer Fault extends string
    ? Fault
    : LimitsFault<More, Written, Seen | Trim<Cut<Piece, '='>>>
  : LimitFault<Trim<Pieces>, Written, Seen>

type LimitFault<Piece extends string, Written, Seen> = Piece extends `${infer Name}=${infer Value}`
  ? Value extends `${string}=${string}`
    ? Says<typeof says.limitShape<Piece>>
    : NamedLimitFault<TrimRight<Name>, TrimLeft<Value>, Written, Seen>
  : Says<typeof says.limitShape<Piece>>

type NamedLimitFault<Name extends string, Value extends string, Written, Seen> = Name extends LimitName
  ? Name extends Seen
    ? Says<typeof says.limitTwice<Name>>
    : Name extends LimitFor<Written>
      ? Value extends `-${string}`
        ? typeof says.negative
        : IsPlain<Value> extends false
          ? Says<typeof says.limitNumber<Value>>
          : IsLong<Value> extends true
            ? typeof says.longNumber
            : Value extends `${string}.${string}`
              ? Written extends 'float'
                ? undefined
                : Says<typeof says.limitWhole<Name>>
              : undefined
      : Says<typeof says.limitKind<Name>>
  : Says<typeof says.limitUnknown<Name>>

type LimitFor<Written> = Written extends 'int' | 'float'
  ? NumberLimit
  : Written extends 'str' | 'list' | 'set' | 'dict'
    ? LengthLimit
    : never
