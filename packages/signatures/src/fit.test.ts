import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { fitSource, madeSource } from './build/expression.ts'
import { type FieldType, textOf } from './field-type.ts'
import { fits, type Issue, read } from './fit.ts'
import { parseFieldType } from './parse.ts'
import * as plan from './plan.ts'
import { seededDice } from './random-text.ts'
import { randomType, randomValue } from './random-type.ts'

const issuesOf = (type: FieldType, value: unknown): readonly Issue[] => {
  const issues: Issue[] = []
  read(type, value, [], issues, new Map())
  return issues
}
const said = (text: string, value: unknown) =>
  issuesOf(parseFieldType(text, new Set()), value).map(({ message, path }) => `${path.join('.')}: ${message}`)

/** The generated check, run as a plan runs it. */
const compiled = (type: FieldType): ((value: unknown) => boolean) => evaluated(`(v) => ${fitSource(type, 'v')}`)
const evaluated = (source: string) => new Function(...Object.keys(plan), `return ${source}`)(...Object.values(plan))

test.each([1, 2, 3, 4])(
  'fit/1: read, fits and the generated check agree on random types and values (seed %s)',
  (seed) => {
    const dice = seededDice(seed * 7919)
    const seen = { yes: 0, no: 0 }
    for (let n = 0; n < 500; n++) {
      const type = randomType(dice)
      const [quick, generated] = [fits(type), compiled(type)]
      for (let m = 0; m < 8; m++) {
        const value = randomValue(type, dice)
        const right = issuesOf(type, value).length === 0
        seen[right ? 'yes' : 'no']++
        const about = `${textOf(type)}: ${inspect(value, { depth: 5 })}`
        expect(quick(value), about).toBe(right)
        expect(generated(value), about).toBe(right)
      }
    }
    expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(500)
  },
)

test('the canonical text and the generated source of a random type make the same type again', () => {
  const dice = seededDice(11)
  for (let n = 0; n < 1_000; n++) {
    const type = randomType(dice)
    expect(parseFieldType(textOf(type), new Set())).toEqual(type)
    expect(evaluated(madeSource(type))).toEqual(type)
  }
})

test.each([
  ['int', 1.5, ': must be a whole number'],
  ['int', true, ': must be a whole number'],
  ['int', 2 ** 53, ': must be within ±(2^53 - 1)'],
  ['float', Number.NaN, ': must be finite'],
  ['float', '1', ': must be a number'],
  ['str', '\udc00', ': has half a surrogate pair'],
  ['list[dict[str, int]]', [{ a: 1 }, { b: 'x' }], '1.b: must be a whole number'],
  ['tuple[int, str]', [1], ': must have 2 elements, not 1'],
  ['set[int]', [1, 1], ': has an element twice'],
  ['dict[int, str]', { one: 'x' }, ': has the key "one"'],
  ["Literal['a', 1, None]", 'b', ': must be one of "a", 1, null'],
  ['int | list[str]', [1], ': must be int | list[str]'],
  ['Any', { a: [Number.NaN] }, ': must be JSON: finite numbers, and nothing that is not data'],
  ['Annotated[float, Field(ge=0, le=1)]', 1.5, ': must be ≥ 0 and ≤ 1'],
  ['Annotated[str, Field(max_length=2)]', 'abc', ': must have at most 2, not 3'],
])('%s refuses %j: %s', (text, value, expected) => {
  expect(said(text, value)).toEqual([expected])
})

test('the length of text counts code points, as in Python', () => {
  expect(said('Annotated[str, Field(max_length=2)]', '😀😀')).toEqual([])
})

test('values with hostile keys stay data', () => {
  const value: unknown = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": 2}}')
  const issues: Issue[] = []
  const made = read(parseFieldType('dict[str, Any]', new Set()), value, [], issues, new Map())
  expect(issues).toEqual([])
  expect(made).toEqual(value)
  expect(Object.hasOwn(Object(made), '__proto__')).toBe(true)
  expect('polluted' in {}).toBe(false)
})
