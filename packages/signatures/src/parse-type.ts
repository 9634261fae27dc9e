/**
 * Reads the text of a signature as a type, in the editor and in `tsc`: the twin of `parse.ts`.
 *
 * 1. Verdict and message are those of `parse.ts`, word for word (`agree.test.ts`). Only the length and half surrogates are not looked at.
 * 2. A field is first tried alone, up to the ',' or ']' where most fields end. Types are the same from field to field, and
 *    TypeScript keeps what it knows of a short text. Only a field that this does not read (a list in brackets inside another,
 *    a mistake) is read from the whole text. A field that is read alone reads the same in the whole text, since every look is for the
 *    next delimiter, and finds it in the part.
 */
import type { AllNameChars, Cut, Digit, InField, Next, Pass, Refused, Says, TrimLeft, TrimRight } from './cut-type.ts'
import type { KEYWORDS, TAKEN } from './names.ts'
import type { Read, ReadUnion } from './read-type.ts'
import type { MAX_ITEMS, Side, says } from './refusal.ts'

export type { Refused } from './cut-type.ts'

/** `{ in, out }`, or why the text is no signature. `Types`: custom types by their names. */
export type ParseSignature<Text extends string, Types = {}> = {} extends { [T in Text]: 0 }
  ? Refused<typeof says.notLiteral>
  : Text extends `${infer In}->${infer Out}`
    ? Out extends `${string}->${string}`
      ? Refused<typeof says.twoArrows>
      : Fields<In, 'input', Types, {}, never, never, []> extends SideOf<infer I>
        ? Fields<Out, 'output', Types, {}, never, keyof I, []> extends SideOf<infer O>
          ? { in: Flat<I>; out: Flat<O> }
          : Fields<Out, 'output', Types, {}, never, keyof I, []>
        : Fields<In, 'input', Types, {}, never, never, []>
    : Refused<typeof says.noArrow>

/** `{ type }`, or why the text is no type. */
export type ParseFieldType<Text extends string, Types = {}> =
  ReadFieldType<TrimLeft<Text>, Types> extends Read<infer T, unknown, infer R>
    ? R extends ''
      ? { type: T }
      : Refused<Says<typeof says.afterType<Next<R>>>>
    : ReadFieldType<TrimLeft<Text>, Types>

/** The text itself, or a message in its place, which the compiler then shows. */
export type Checked<Text extends string, Types = {}> =
  ParseSignature<Text, Types> extends Refused<infer Message> ? Message : Text

type Flat<T> = { [K in keyof T]: T[K] }

// ── The fields of a side ─────────────────────────────────────────────────────────────────────────────────────────────

/** All of a side. */
interface SideOf<Fields> {
  readonly fields: Fields
}

/** `So`: the fields so far, `Own`: their names, `Others`: the names of the other side. */
type Fields<
  S extends string,
  Io extends Side,
  Types,
  So,
  Own,
  Others,
  Count extends 0[],
> = Count['length'] extends typeof MAX_ITEMS
  ? TrimLeft<S> extends ''
    ? SideOf<So>
    : Refused<typeof says.tooMany>
  : S extends `${infer F},${infer R}`
    ? F extends `${string}[${string}`
      ? S extends `${infer Opened}]${infer Closed}`
        ? Closed extends `${infer C},${infer R}`
          ? AddField<`${Opened}]${C}`, R, S, Io, Types, So, Own, Others, Count>
          : AddField<`${Opened}]${Closed}`, '', S, Io, Types, So, Own, Others, Count>
        : AddField<S, '', S, Io, Types, So, Own, Others, Count>
      : AddField<F, R, S, Io, Types, So, Own, Others, Count>
    : AddField<S, '', S, Io, Types, So, Own, Others, Count>

/** `F`: the next field, if it can be read alone; then `R` comes after it. `S`: `F` and all after it. */
type AddField<
  F extends string,
  R extends string,
  S extends string,
  Io extends Side,
  Types,
  So,
  Own,
  Others,
  Count extends 0[],
> =
  ReadField<TrimLeft<F>, Types, never, never, Io> extends Field<infer Name, infer T, ''>
    ? Name extends Own | Others
      ? Refused<InField<Name, TwiceFault<Name, Own, Io>>>
      : Fields<R, Io, Types, So & { [K in Name]: T }, Own | Name, Others, [...Count, 0]>
    : TrimLeft<S> extends ''
      ? [Own] extends [never]
        ? Refused<Says<typeof says.noFields<Io>>>
        : SideOf<So>
      : ReadField<TrimLeft<S>, Types, Own, Others, Io> extends Field<infer Name, infer T, infer R>
        ? Fields<
            R extends `,${infer More}` ? More : '',
            Io,
            Types,
            So & { [K in Name]: T },
            Own | Name,
            Others,
            [...Count, 0]
          >
        : ReadField<TrimLeft<S>, Types, Own, Others, Io>

// ── A field ──────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Field<Name extends string, Type, Rest extends string> {
  readonly name: Name
  readonly type: Type
  readonly rest: Rest
}

type ReadField<S extends string, Types, Own, Others, Io extends Side> =
  Cut<Cut<S, ','>, ':'> extends infer Word extends string
    ? FieldNamed<TrimRight<Word>, TrimLeft<Pass<S, Word>>, S, Types, Own, Others, Io>
    : never

type FieldNamed<
  Name extends string,
  R extends string,
  S extends string,
  Types,
  Own,
  Others,
  Io extends Side,
> = Name extends ''
  ? Refused<Says<typeof says.noName<Next<S>>>>
  : NameFault<Name> extends infer Fault extends string
    ? Refused<InField<Name, Fault>>
    : Name extends Own | Others
      ? Refused<InField<Name, TwiceFault<Name, Own, Io>>>
      : R extends `:${infer T}`
        ? FieldOf<Name, ReadFieldType<TrimLeft<T>, Types>>
        : Field<Name, string, R>

type FieldOf<Name extends string, Of> =
  Of extends Read<infer T, unknown, infer R>
    ? Field<Name, T, R>
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
    : ReadUnion<S, Types, []>

// ── Its name ─────────────────────────────────────────────────────────────────────────────────────────────────────────

type Keyword = (typeof KEYWORDS)[number]
type Taken = (typeof TAKEN)[number]

/** What is wrong with a name; undefined when nothing is. */
type NameFault<Name extends string> =
  AllNameChars<Name> extends true
    ? Name extends Keyword
      ? typeof says.keyword
      : Name extends Taken
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

type TwiceFault<Name, Own, Io extends Side> = Name extends Own ? Says<typeof says.twice<Io>> : typeof says.bothSides
