/**
 * Cuts of texts as types: the twin of `cursor.ts`. Nothing here walks through a text character by character: TypeScript finds a
 * delimiter at one step, and takes eight characters at a time where all of them must be looked at.
 */
import type { says } from './refusal.ts'

/** What reading gives in place of a type when the text is no signature. */
export interface Refused<Message extends string> {
  readonly refused: Message
}

/**
 * Passes a refusal on. Named again in a branch it would be read again, as more steps of the loop that is refused; as an argument it
 * is looked up.
 */
export type Again<R> = R extends Refused<string> ? R : never

export type Space = ' ' | '\n' | '\t' | '\r'

/** Most texts have no space at their ends, or one blank; longer ones go by eight. */
export type TrimLeft<S extends string> = S extends ` ${infer R}`
  ? R extends `${Space}${string}`
    ? SkipSpaces<R>
    : R
  : S extends `${Space}${string}`
    ? SkipSpaces<S>
    : S

type SkipSpaces<S extends string> =
  S extends `${infer A}${infer B}${infer C}${infer D}${infer E}${infer F}${infer G}${infer H}${infer R}`
    ? A | B | C | D | E | F | G | H extends Space
      ? SkipSpaces<R>
      : SkipEach<S>
    : SkipEach<S>

type SkipEach<S extends string> = S extends `${Space}${infer R}` ? SkipEach<R> : S

export type TrimRight<S extends string> = S extends `${infer L} `
  ? L extends `${string}${Space}`
    ? DropSpaces<L>
    : L
  : S extends `${string}${Space}`
    ? DropSpaces<S>
    : S

/** The one limit of its own: after a thousand tabs, or of mixed spaces, TypeScript gives up. */
type DropSpaces<S extends string> = S extends `${infer L}${'        ' | '\n\n\n\n\n\n\n\n' | '\r\n\r\n\r\n\r\n'}`
  ? DropSpaces<L>
  : S extends `${infer L}${Space}`
    ? DropSpaces<L>
    : S

export type Trim<S extends string> = TrimRight<TrimLeft<S>>

/** Up to `Mark`; all when there is none. */
export type Cut<S extends string, Mark extends string> = S extends `${infer L}${Mark}${string}` ? L : S

/** What follows `Read`, which `S` begins with. */
export type Pass<S extends string, Read extends string> = S extends `${Read}${infer R}` ? R : never

/** What stands next in a text without spaces at its left, for a message. */
export type Next<S extends string> = S extends `${infer C}${string}` ? `'${C}'` : 'the end'

type Lower = 'abcdefghijklmnopqrstuvwxyz'
type CharOf<S extends string> = S extends `${infer C}${infer R}` ? C | CharOf<R> : never
export type Digit = CharOf<'0123456789'>
export type Letter = CharOf<Lower> | Uppercase<CharOf<Lower>>
type NameChar = Letter | Digit | '_'

/** Whether all characters are of names; of at least one. */
export type AllNameChars<S extends string> = InEights<`${S}aaaaaaa`, NameChar, UpToSeven<'a'>>

/** Whether all characters are digits; of at least one. */
export type AllDigits<S extends string> = InEights<`${S}0000000`, Digit, UpToSeven<'0'>>

/** Seven good characters behind the text let it end inside the last eight; what may be left of them is `Padding`. */
type InEights<
  S extends string,
  Of extends string,
  Padding extends string,
> = S extends `${infer A}${infer B}${infer C}${infer D}${infer E}${infer F}${infer G}${infer H}${infer R}`
  ? A | B | C | D | E | F | G | H extends Of
    ? R extends Padding
      ? true
      : InEights<R, Of, Padding>
    : false
  : false

type UpToSeven<C extends string> =
  | ''
  | C
  | `${C}${C}`
  | `${C}${C}${C}`
  | `${C}${C}${C}${C}`
  | `${C}${C}${C}${C}${C}`
  | `${C}${C}${C}${C}${C}${C}`
  | `${C}${C}${C}${C}${C}${C}${C}`

type DropFive<S extends string> = S extends `${infer _1}${infer _2}${infer _3}${infer _4}${infer _5}${infer R}` ? R : ''

/** Whether `MAX_DIGITS` characters are not enough. */
export type IsLong<S extends string> = DropFive<DropFive<DropFive<S>>> extends '' ? false : true

/** `^(0|[1-9][0-9]*)$` */
export type IsWhole<S extends string> = S extends '0' ? true : S extends '' | `0${string}` ? false : AllDigits<S>

/** `^(0|[1-9][0-9]*)(\.[0-9]+)?$`, and not so small that JavaScript writes it with an exponent */
export type IsPlain<S extends string> = S extends `0.000000${string}`
  ? false
  : S extends `${infer Whole}.${infer Part}`
    ? IsWhole<Whole> extends true
      ? Part extends ''
        ? false
        : AllDigits<Part>
      : false
    : IsWhole<S>

/** A message of `says`. */
export type Says<Message extends (...given: never) => string> = ReturnType<Message>

export type InField<Name extends string, Message extends string> = Says<typeof says.inField<Name, Message>>
