/**
 * Reads the text of a signature as a type, in the editor and in `tsc`: the twin of `parse.ts`.
 *
 * 1. Verdict and message are those of `parse.ts`, word for word (`agree.test.ts`). Only the length and half surrogates are not looked at.
 * 2. A field is first tried alone: up to the first ',', then up to the ',' after the first ']'. The same types come again in
 *    other fields, and TypeScript keeps what it knows of a short text. What reads alone reads the same in the whole text, since
 *    every look is for the next delimiter and finds it in the part. The rest (lists in brackets in lists, mistakes) is read from
 *    the whole text.
 */
import type {
  Again,
  AllNameChars,
  Cut,
  Digit,
  InField,
  Next,
  Pass,
  Refused,
  Says,
  Space,
  Trim,
  TrimLeft,
  TrimRight,
} from './cut-type.ts'
import type { KEYWORDS, TAKEN, TAKEN_INPUT } from './names.ts'
import type { Read, ReadUnion } from './read-type.ts'
import type { MAX_ITEMS, Side, says } from './refusal.ts'

export type { Refused } from './cut-type.ts'

/** `{ in, out }`, or why the text is no signature. `Types`: custom types by their names. */
export type ParseSignature<Text extends string, Types = {}> = {} extends { [T in Text]: 0 }
  ? Refused<typeof says.notLiteral>
  : Text extends `${infer In}->${infer Out}`
    ? Out extends `${string}->${string}`
      ? Refused<typeof says.twoArrows>
      : Fields<TrimRight<In>, 'input', Types, {}, never, []> extends SideOf<infer I>
        ? Fields<TrimRight<Out>, 'output', Types, {}, keyof I, []> extends SideOf<infer O>
          ? { in: { [K in keyof I]: I[K] }; out: { [K in keyof O]: O[K] } }
          : Again<Fields<TrimRight<Out>, 'output', Types, {}, keyof I, []>>
        : Again<Fields<TrimRight<In>, 'input', Types, {}, never, []>>
    : Refused<typeof says.noArrow>

/** `{ type }`, or why the text is no type. */
export type ParseFieldType<Text extends string, Types = {}> =
  ReadFieldType<TrimLeft<Text>, Types> extends Read<infer T, unknown, infer R>
    ? R extends ''
      ? { type: T }
      : Refused<Says<typeof says.afterType<Next<R>>>>
    : Again<ReadFieldType<TrimLeft<Text>, Types>>

/** The text itself, or a message in its place, which the compiler then shows. */
export type Checked<Text extends string, Types = {}> =
  ParseSignature<Text, Types> extends Refused<infer Message> ? Message : Text

// ── The fields of a side ─────────────────────────────────────────────────────────────────────────────────────────────

/** All of a side. */
interface SideOf<Fields> {
  readonly fields: Fields
}

/** `So`: the fields so far; `Seen`: their names, and those of the other side. */
type Fields<
  S extends string,
  Io extends Side,
  Types,
  So,
  Seen,
  Count extends 0[],
> = Count['length'] extends typeof MAX_ITEMS
  ? TrimLeft<S> extends ''
    ? SideOf<So>
    : Refused<typeof says.tooMany>
  : S extends `${infer F},${infer R}`
    ? FieldAlone<F, Types> extends Field<infer Name, infer T, ''>
      ? Name extends Seen
        ? Refused<InField<Name, TwiceFault<Name, So, Io>>>
        : Fields<R, Io, Types, So & { [K in Name]: T }, Seen | Name, [...Count, 0]>
      : FieldsFrom<LongField<S, Types>, S, Io, Types, So, Seen, Count>
    : FieldsFrom<FieldAlone<S, Types>, S, Io, Types, So, Seen, Count>

/** `Tried`: the next field if it could be read alone. */
type FieldsFrom<Tried, S extends string, Io extends Side, Types, So, Seen, Count extends 0[]> =
  Tried extends Field<infer Name, infer T, infer R>
    ? Name extends Seen
      ? Refused<InField<Name, TwiceFault<Name, So, Io>>>
      : R extends ''
        ? SideOf<So & { [K in Name]: T }>
        : Fields<R, Io, Types, So & { [K in Name]: T }, Seen | Name, [...Count, 0]>
    : TrimLeft<S> extends ''
      ? [keyof So] extends [never]
        ? Refused<Says<typeof says.noFields<Io>>>
        : SideOf<So>
      : ReadField<TrimLeft<S>, Io, Types, So, Seen> extends Field<infer Name, infer T, infer R>
        ? Fields<R, Io, Types, So & { [K in Name]: T }, Seen | Name, [...Count, 0]>
        : Again<ReadField<TrimLeft<S>, Io, Types, So, Seen>>

/** Up to the ',' after the first ']', where most fields with types in brackets end. */
type LongField<S extends string, Types> = S extends `${infer Opened}]${infer C}`
  ? C extends `${infer Closed},${infer R}`
    ? FieldAlone<`${Opened}]${Closed}`, Types> extends Field<infer Name, infer T, ''>
      ? Field<Name, T, R>
      : undefined
    : FieldAlone<S, Types>
  : undefined

/** A field of which nothing else is known; undefined when it is not whole, or wrong. */
type FieldAlone<S extends string, Types> = S extends `${infer N}:${infer T}`
  ? T extends `${string}]${string}`
    ? GoodField<N, T, Types>
    : T extends `${string}[${string}`
      ? undefined
      : GoodField<N, T, Types>
  : GoodField<S, 'str', Types>

type GoodField<N extends string, T extends string, Types> =
  GoodName<N> extends infer Name extends string
    ? ParseFieldType<T, Types> extends { type: infer Type }
      ? Field<Name, Type, ''>
      : undefined
    : undefined

/** The name without the spaces around it; undefined when something is wrong with it. */
type GoodName<N extends string> = N extends ` ${infer Name}` ? GoodTrimmed<Name> : GoodTrimmed<N>

type GoodTrimmed<Name extends string> =
  AllNameChars<Name> extends true
    ? Name extends Keyword | Taken | typeof TAKEN_INPUT | `${Digit | '_'}${string}`
      ? undefined
      : Name
    : Name extends `${Space}${string}` | `${string}${Space}`
      ? GoodTrimmed<Trim<Name>>
      : undefined

// ── A field ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** With what follows its ',', when a name and a type are read. */
interface Field<Name extends string, Type, Rest extends string> {
  readonly name: Name
  readonly type: Type
  readonly rest: Rest
}

type ReadField<S extends string, Io extends Side, Types, So, Seen> =
  Cut<Cut<S, ','>, ':'> extends infer Word extends string
    ? FieldNamed<TrimRight<Word>, TrimLeft<Pass<S, Word>>, S, Io, Types, So, Seen>
    : never

type FieldNamed<
  Name extends string,
  R extends string,
  S extends string,
  Io extends Side,
  Types,
  So,
  Seen,
> = Name extends ''
  ? Refused<Says<typeof says.noName<Next<S>>>>
  : NameFault<Name, Io> extends infer Fault extends string
    ? Refused<InField<Name, Fault>>
    : Name extends Seen
      ? Refused<InField<Name, TwiceFault<Name, So, Io>>>
      : R extends `:${infer T}`
        ? FieldOf<Name, ReadFieldType<TrimLeft<T>, Types>>
        : Field<Name, string, R extends `,${infer More}` ? More : ''>

type FieldOf<Name extends string, Of> =
  Of extends Read<infer T, unknown, infer R>
    ? Field<Name, T, R extends `,${infer More}` ? More : ''>
    : Of extends Refused<infer Message>
      ? Refused<InField<Name, Message>>
      : never

type ReadFieldType<S extends string, Types> =
  ReadUnion<S, Types, []> extends Read<infer T, infer W, infer R>
    ? R extends '' | `,${string}`
      ? W extends 'None'
        ? Refused<typeof says.onlyNone>
        : Read<T, W, R>
      : Refused<R extends `=${string}` ? typeof says.default : Says<typeof says.afterType<Next<R>>>>
    : Again<ReadUnion<S, Types, []>>

// ── Its name ─────────────────────────────────────────────────────────────────────────────────────────────────────────

type Keyword = (typeof KEYWORDS)[number]
type Taken = (typeof TAKEN)[number]

/** What is wrong with a name; undefined when nothing is. */
type NameFault<Name extends string, Io extends Side> =
  AllNameChars<Name> extends true
    ? Name extends Keyword
      ? typeof says.keyword
      : Name extends Taken | (Io extends 'input' ? typeof TAKEN_INPUT : never)
        ? typeof says.taken
        : Name extends `${Digit | '_'}${string}`
          ? typeof says.badName
          : undefined
    : Name extends `${string}=${string}`
      ? typeof says.default
      : Name extends `*${string}` | `/${string}`
        ? typeof says.star
        : Name extends `${string}?`
          ? typeof says.question
          : typeof says.badName

type TwiceFault<Name, So, Io extends Side> = Name extends keyof So ? Says<typeof says.twice<Io>> : typeof says.bothSides
