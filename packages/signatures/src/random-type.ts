/** Types and values by chance, for tests: the same for the same dice. */
import { assertNever } from './assert-never.ts'
import { type FieldType, type LiteralValue, unionOf } from './field-type.ts'
import type { Dice } from './random-text.ts'

const LITERALS: readonly LiteralValue[] = ['a', 'b c', "it's", 0, 1, 42, true, false, null]

export function randomType(dice: Dice, depth = 3): FieldType {
  const inner = () => randomType(dice, depth - 1)
  const lengths = () =>
    dice.throw(3) === 0 ? { limits: { min_length: dice.throw(2), max_length: 1 + dice.throw(3) } } : {}
  switch (dice.throw(depth > 0 ? 12 : 6)) {
    case 0:
      return { kind: 'str', ...lengths() }
    case 1:
      return { kind: 'int', ...(dice.throw(3) === 0 ? { limits: { ge: dice.throw(3), lt: 2 + dice.throw(5) } } : {}) }
    case 2:
      return { kind: 'float', ...(dice.throw(3) === 0 ? { limits: { gt: dice.throw(2), le: 1.5 } } : {}) }
    case 3:
      return { kind: 'bool' }
    case 4:
      return { kind: 'Any' }
    case 5:
      return { kind: 'literal', values: LITERALS.filter(() => dice.throw(3) === 0).concat('z') }
    case 6:
      return { kind: 'list', of: inner(), ...lengths() }
    case 7:
      return {
        kind: 'set',
        of: { kind: (['str', 'int', 'float', 'bool'] as const)[dice.throw(4)] ?? 'str' },
        ...lengths(),
      }
    case 8:
      return { kind: 'dict', key: dice.throw(2) === 0 ? 'str' : 'int', of: inner(), ...lengths() }
    case 9:
      return { kind: 'tuple', of: [inner(), ...(dice.throw(2) === 0 ? [inner()] : [])] }
    case 10:
      return { kind: 'tuple_of', of: inner() }
    default:
      return unionOf([inner(), dice.throw(2) === 0 ? { kind: 'None' } : inner()])
  }
}

const ODD: readonly unknown[] = [
  ...[
    '',
    '1',
    '😀',
    '\ud800',
    0,
    -0,
    1.5,
    -1,
    2 ** 53,
    NaN,
    Infinity,
    true,
    null,
    undefined,
    [],
    [[]],
    new Array(2),
    {},
    { a: NaN },
  ],
  ...[new Date(0), new Map(), () => 1, Symbol('s'), 1n, Object.create({ a: 1 }), JSON.parse('{"__proto__": 1}')],
]

/** Often of the type, sometimes nearly, sometimes not at all. */
export function randomValue(type: FieldType, dice: Dice): unknown {
  if (dice.throw(12) === 0) return ODD[dice.throw(ODD.length)]
  const some = <T>(make: () => T) => Array.from({ length: dice.throw(4) }, make)
  switch (type.kind) {
    case 'str':
      return 'aé😀'.repeat(dice.throw(2)) + 'x'.repeat(dice.throw(3))
    case 'int':
      return dice.throw(7)
    case 'float':
      return dice.throw(30) / 10
    case 'bool':
      return dice.throw(2) === 0
    case 'None':
      return null
    case 'Any':
      return { list: [1, 'x', null], by: { name: dice.throw(2) } }
    case 'literal':
      return type.values[dice.throw(type.values.length)]
    case 'list':
    case 'set':
    case 'tuple_of':
      return some(() => randomValue(type.of, dice))
    case 'tuple':
      return type.of.map((of) => randomValue(of, dice))
    case 'dict':
      return Object.fromEntries(
        some(() => [type.key === 'int' ? dice.throw(9) : `k${dice.throw(9)}`, randomValue(type.of, dice)]),
      )
    case 'union':
      return randomValue(type.of[dice.throw(type.of.length)] ?? type, dice)
    case 'custom':
      throw new Error('no custom types here')
    default:
      return assertNever(type)
  }
}
