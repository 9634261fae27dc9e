import { expect, test } from 'vitest'
import { textOf } from './field-type.ts'
import { MALFORMED } from './malformed.ts'
import { type ParsedField, parseFields, parseFieldType } from './parse.ts'
import { MAX_CHARS, MAX_ITEMS, SignatureRefused } from './refusal.ts'

const types = new Set(['Person'])
const canonical = (fields: readonly ParsedField[]): string => {
  const side = (io: string) =>
    fields
      .filter((field) => field.io === io)
      .map(({ name, type }) => `${name}: ${textOf(type)}`)
      .join(', ')
  return `${side('input')} -> ${side('output')}`
}

test.each([
  ['question, context -> answer', 'question: str, context: str -> answer: str'],
  ['\n  q: str,\n\tn : int ,\n -> a: float,\r\n', 'q: str, n: int -> a: float'],
  [
    'q: list, d: dict, t: tuple -> a: list[list]',
    'q: list[Any], d: dict[str, Any], t: tuple[Any, ...] -> a: list[list[Any]]',
  ],
  ['q: int | None -> a: Optional[int]', 'q: int | None -> a: int | None'],
  ['q: None | int | int -> a: Union[str, int | None, str]', 'q: int | None -> a: str | int | None'],
  ['q: Dict[int, List[str]] -> a: Set[ str ]', 'q: dict[int, list[str]] -> a: set[str]'],
  ['q: tuple[int , ...] -> a: Tuple[str, bool]', 'q: tuple[int, ...] -> a: tuple[str, bool]'],
  [
    `q -> a: Literal["x, y", 'it"s', "it's", 3, 0, True, None]`,
    `q: str -> a: Literal['x, y', 'it"s', "it's", 3, 0, True, None]`,
  ],
  ['q: Person -> a: list [ Person ]', 'q: Person -> a: list[Person]'],
  ['q -> a: Annotated[float, Field( le = 1.50,ge=0 )]', 'q: str -> a: Annotated[float, Field(ge=0, le=1.5)]'],
  [
    'q -> a: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=5)] | None',
    'q: str -> a: Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=5)] | None',
  ],
  ['model_name -> Class, match, type', 'model_name: str -> Class: str, match: str, type: str'],
])('%j is %s', (text, expected) => {
  const fields = parseFields(text, types)
  expect(canonical(fields)).toBe(expected)
  expect(parseFields(canonical(fields), types)).toEqual(fields)
})

const refusal = (text: string): SignatureRefused => {
  try {
    parseFields(text, types)
  } catch (error) {
    if (error instanceof SignatureRefused) return error
    throw error
  }
  throw new Error(`${JSON.stringify(text)} was accepted`)
}

test.each(MALFORMED)('%j: %s', (text, message) => {
  expect(refusal(text).reason).toBe(message)
})

test('a refusal shows the place', () => {
  expect(refusal('question: str,\n  context: list[string]\n-> answer').message).toBe(
    [
      "field 'context': unknown type 'string'; did you mean 'str'?",
      '    context: list[string]',
      '                  ^',
    ].join('\n'),
  )
})

test('what only the run-time parser looks at: the length, and half a surrogate pair', () => {
  expect(refusal(`q: ${' '.repeat(MAX_CHARS)} str -> a`).reason).toBe('a signature has at most 4096 characters')
  expect(refusal("q -> a: Literal['\ud800']").reason).toBe('the text has half a surrogate pair')
})

test('lists end at 256', () => {
  const names = (count: number) => Array.from({ length: count }, (_, n) => `f${n}`)
  expect(parseFields(`${names(MAX_ITEMS).join()} -> a`, types)).toHaveLength(MAX_ITEMS + 1)
  for (const text of [
    `${names(MAX_ITEMS + 1).join()} -> a`,
    `q -> a: ${'int|'.repeat(MAX_ITEMS)}int`,
    `q -> a: Union[${'int,'.repeat(MAX_ITEMS)}int]`,
    `q -> a: Literal[${names(MAX_ITEMS + 1).map((_, n) => n)}]`,
  ]) {
    expect(refusal(text).reason).toContain('more than 256 in one list')
  }
})

test('a type on its own ends at the end', () => {
  expect(parseFieldType(' list[int] ', types)).toEqual({ kind: 'list', of: { kind: 'int' } })
  expect(() => parseFieldType('int, str', types)).toThrow("unexpected ',' after the type")
})
