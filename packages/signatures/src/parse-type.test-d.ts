/** Proofs about the signatures the compiler reads: compiled with the package, never run. */
import type { MALFORMED } from './malformed.ts'
import type { Checked, ParseFieldType, ParseSignature, Refused } from './parse-type.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function same<A, B>(proof: Equal<A, B>): void

interface Person {
  readonly name: string
}
type Types = { Person: Person }

/** The fields of a text, as `[in, out]`; a refusal as it is. */
type Of<Text extends string> =
  ParseSignature<Text, Types> extends { in: infer In; out: infer Out } ? [In, Out] : ParseSignature<Text, Types>
type TypeOf<Text extends string> =
  ParseFieldType<Text, Types> extends { type: infer T } ? T : ParseFieldType<Text, Types>

// ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────

same<
  ParseSignature<'question: str, context: list[str] -> answer: str, confidence: float'>,
  { in: { question: string; context: string[] }; out: { answer: string; confidence: number } }
>(true)
same<Of<'question, context -> answer'>, [{ question: string; context: string }, { answer: string }]>(true)
same<Of<'\n  q: str,\n\tn : int ,\n -> a: float,\r\n'>, [{ q: string; n: number }, { a: number }]>(true)
same<Of<'a:int,b:bool->c:Any'>, [{ a: number; b: boolean }, { c: unknown }]>(true)
same<
  Of<'q: tuple[list[int], dict[str, int]] , r -> a'>,
  [{ q: [number[], { [key: string]: number }]; r: string }, { a: string }]
>(true)
same<Of<'model_name -> Class, match, type'>, [{ model_name: string }, { Class: string; match: string; type: string }]>(
  true,
)
same<Of<'refused, message -> type, rest: str'>, [{ refused: string; message: string }, { type: string; rest: string }]>(
  true,
)
same<
  Of<"refused: Literal['x'] -> a: Literal['->']">,
  Refused<"more than one '->': DSPy counts them, also inside quotes">
>(true)
same<keyof ParseSignature<'c, b, a -> d'>, 'in' | 'out'>(true)

// ── Types of fields ──────────────────────────────────────────────────────────────────────────────────────────────────

same<TypeOf<'str'>, string>(true)
same<TypeOf<' int '>, number>(true)
same<TypeOf<'float'>, number>(true)
same<TypeOf<'bool'>, boolean>(true)
same<TypeOf<'Any'>, unknown>(true)
same<TypeOf<'list'>, unknown[]>(true)
same<TypeOf<'dict'>, { [key: string]: unknown }>(true)
same<TypeOf<'tuple'>, unknown[]>(true)
same<TypeOf<'list[str]'>, string[]>(true)
same<TypeOf<'List[int | None]'>, (number | null)[]>(true)
same<TypeOf<'Set[ str ]'>, string[]>(true)
same<TypeOf<"set[Literal['a', 1]]">, ('a' | 1)[]>(true)
same<TypeOf<'dict[str, list[int]]'>, { [key: string]: number[] }>(true)
same<TypeOf<'Dict[int, bool]'>, { [key: number]: boolean }>(true)
same<TypeOf<'tuple[int, str]'>, [number, string]>(true)
same<TypeOf<'tuple[int , ...]'>, number[]>(true)
same<TypeOf<'Optional[int]'>, number | null>(true)
same<TypeOf<'None | int | int'>, number | null>(true)
same<TypeOf<'Union[str, int | None, str]'>, string | number | null>(true)
same<TypeOf<`Literal["x, y", 'it"s', "it's", 3, 0, True, None]`>, 'x, y' | 'it"s' | "it's" | 3 | 0 | true | null>(true)
same<TypeOf<"Literal['a', ']', '']">, 'a' | ']' | ''>(true)
same<TypeOf<'Literal[999999999999999]'>, 999999999999999>(true)
same<TypeOf<'Literal[None]'>, null>(true)
same<TypeOf<'Annotated[float, Field( le = 1.50,ge=0 )]'>, number>(true)
same<TypeOf<'Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=5)] | None'>, string[] | null>(true)
same<TypeOf<'Person'>, Person>(true)
same<TypeOf<'list [ Person ]'>, Person[]>(true)
same<TypeOf<'Person | None'>, Person | null>(true)
same<ParseFieldType<'Person'>, Refused<"unknown type 'Person'; pass it in 'types'">>(true)
same<TypeOf<'int, str'>, Refused<"unexpected ',' after the type">>(true)
same<TypeOf<''>, Refused<'expected a type, found the end'>>(true)

// ── A call ───────────────────────────────────────────────────────────────────────────────────────────────────────────

declare function signature<const Text extends string>(text: Checked<Text>): ParseSignature<Text>
same<ReturnType<typeof signature<'q -> a: int'>>, { in: { q: string }; out: { a: number } }>(true)
const called = signature('q: str -> a: list[int]')
same<typeof called, { in: { q: string }; out: { a: number[] } }>(true)
same<Checked<'q: str -> a: string'>, "field 'a': unknown type 'string'; did you mean 'str'?">(true)
// @ts-expect-error: the message stands in place of the text
signature('q: str -> a: string')
declare const some: string
declare const begun: `q -> ${string}`
same<Checked<string>, 'not a literal text; use dynamicSignature(...)'>(true)
same<Checked<typeof begun>, 'not a literal text; use dynamicSignature(...)'>(true)
// @ts-expect-error: not a literal text
signature(some)

// ── Every malformed text, with its message word for word ─────────────────────────────────────────────────────────────

type Disagree<Row> = Row extends readonly [infer Text extends string, infer Message extends string]
  ? Equal<ParseSignature<Text, Types>, Refused<Message>> extends true
    ? never
    : [Text, 'should say', Message, 'says', ParseSignature<Text, Types>]
  : never
same<Disagree<(typeof MALFORMED)[number]>, never>(true)

// ── As large as the grammar allows ───────────────────────────────────────────────────────────────────────────────────

type Repeat<
  Piece extends string,
  Times extends number,
  So extends string = '',
  Count extends 0[] = [],
> = Count['length'] extends Times ? So : Repeat<Piece, Times, `${So}${Piece}`, [...Count, 0]>
/** `f0: str, f1: str` … */
type Many<
  Times extends number,
  Before extends string,
  After extends string,
  So extends string = '',
  Count extends 0[] = [],
> = Count['length'] extends Times
  ? So
  : Many<Times, Before, After, `${So}${Before}${Count['length'] & number}${After}`, [...Count, 0]>
type TooMany = 'more than 256 in one list'

same<
  Of<`${Many<200, ' f', ': str,'>} -> a`> extends [infer In, unknown] ? keyof In & ('f0' | 'f199' | 'f200') : 0,
  'f0' | 'f199'
>(true)
same<
  Of<`${Many<256, 'f', ','>} -> ${Many<256, 'g', ': list[int], '>}`> extends [infer In, infer Out]
    ? [In[keyof In], Out[keyof Out]]
    : 0,
  [string, number[]]
>(true)
same<
  Of<`${Many<256, '\n  field', ' : int | None,'>} -> a`> extends [infer In, unknown] ? In[keyof In] : 0,
  number | null
>(true)
same<Of<`${Many<257, 'f', ','>} -> a`>, Refused<TooMany>>(true)
same<Of<`q -> ${Many<257, 'f', ','>}`>, Refused<TooMany>>(true)
same<
  Of<`${Many<80, 'f', ': tuple[list[int], tuple[int, list[int]]],'>} -> a`> extends [infer In, unknown]
    ? In[keyof In]
    : 0,
  [number[], [number, number[]]]
>(true)
same<TypeOf<`${Repeat<'int | ', 255>}str`>, string | number>(true)
same<TypeOf<`${Repeat<'int|', 256>}str`>, Refused<TooMany>>(true)
same<TypeOf<`Union[${Repeat<'int, ', 255>}str]`>, string | number>(true)
same<TypeOf<`Union[${Repeat<'int, ', 256>}str]`>, Refused<TooMany>>(true)
same<TypeOf<`Literal[${Many<255, "'v", "', ">}'w']`> & ('v0' | 'v254' | 'v255' | 'w'), 'v0' | 'v254' | 'w'>(true)
same<TypeOf<`Literal[${Many<255, '', ', '>}255]`> & (0 | 255 | 256), 0 | 255>(true)
same<TypeOf<`Literal[${Many<255, '"v', '" , '>}"w"]`> & ('v0' | 'v254' | 'v255' | 'w'), 'v0' | 'v254' | 'w'>(true)
same<TypeOf<`Literal[${Many<256, '', ', '>}256]`>, Refused<TooMany>>(true)
same<TypeOf<`${Repeat<'int|', 255>}Literal[${Many<256, '', ','>}256]`>, Refused<TooMany>>(true)

same<TypeOf<'list[list[list[list[list[list[list[list[int]]]]]]]]'>, number[][][][][][][][]>(true)
type Deep =
  'str | list[None | dict[str, tuple[int, str | list[Optional[Union[int, str | tuple[str, int | Annotated[list, Field(max_length=1)]]]]]]]]'
type DeepType = (null | {
  [key: string]: [number, string | (number | string | [string, number | unknown[]] | null)[]]
})[]
same<TypeOf<Deep>, string | DeepType>(true)
same<Of<`q: ${Deep} -> a, b: ${Deep}`>, [{ q: string | DeepType }, { a: string; b: string | DeepType }]>(true)
const deep = signature(
  `q -> a: str | list[str | list[str | list[str | list[str | list[str | list[str | list[int | list[int] | str]]]]]]]`,
)
same<(typeof deep)['in'], { q: string }>(true)

same<Of<`${Repeat<'    ', 999>}q${Repeat<' \n', 40>}-> a`>, [{ q: string }, { a: string }]>(true)
same<Of<`q -> a${Repeat<'\n', 900>}: ${Repeat<' ', 900>}int${Repeat<'\t', 900>}`>, [{ q: string }, { a: number }]>(true)
same<Of<`q -> ${Repeat<'abcdefgh', 500>}`> extends [unknown, infer Out] ? Out[keyof Out] : 0, string>(true)
same<TypeOf<`Literal['${Repeat<'abcdefgh', 500>}']`> extends `abc${string}` ? 1 : 0, 1>(true)
