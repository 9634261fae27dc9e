/** Types and values by chance, for tests: the same for the same numbers. */
import { assertNever } from './assert-never.ts'
import { type FieldType, type LiteralValue, unionOf } from './field-type.ts'

/** Whole numbers from 0 up to, and without, `below`. */
export type Random = (below: number) => number

/** xorshift32: enough for tests, and the same everywhere. */
export function randomOf(seed: number): Random {
  let state = seed | 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const LITERALS: readonly LiteralValue[] = ['a', 'b c', "it's", 0, 1, 42, true, false, null]

export function randomType(random: Random, depth = 3): FieldType {
  const inner = () => randomType(random, depth - 1)
  const lengths = () => (random(3) === 0 ? { limits: { min_length: random(2), max_length: 1 + random(3) } } : {})
  switch (random(depth > 0 ? 12 : 6)) {
    case 0:
      return { kind: 'str', ...lengths() }
    case 1:
      return { kind: 'int', ...(random(3) === 0 ? { limits: { ge: random(3), lt: 2 + random(5) } } : {}) }
    case 2:
      return { kind: 'float', ...(random(3) === 0 ? { limits: { gt: random(2), le: 1.5 } } : {}) }
    case 3:
      return { kind: 'bool' }
    case 4:
      return { kind: 'Any' }
    case 5:
      return { kind: 'literal', values: LITERALS.filter(() => random(3) === 0).concat('z') }
    case 6:
      return { kind: 'list', of: inner(), ...lengths() }
    case 7:
      return { kind: 'set', of: { kind: (['str', 'int', 'float', 'bool'] as const)[random(4)] ?? 'str' }, ...lengths() }
    case 8:
      return { kind: 'dict', key: random(2) === 0 ? 'str' : 'int', of: inner(), ...lengths() }
    case 9:
      return { kind: 'tuple', of: [inner(), ...(random(2) === 0 ? [inner()] : [])] }
    case 10:
      return { kind: 'tuple_of', of: inner() }
    default:
      return unionOf([inner(), random(2) === 0 ? { kind: 'None' } : inner()])
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
export function randomValue(type: FieldType, random: Random): unknown {
  if (random(12) === 0) return ODD[random(ODD.length)]
  const some = <T>(make: () => T) => Array.from({ length: random(4) }, make)
  switch (type.kind) {
    case 'str':
      return 'aé😀'.repeat(random(2)) + 'x'.repeat(random(3))
    case 'int':
      return random(7)
    case 'float':
      return random(30) / 10
    case 'bool':
      return random(2) === 0
    case 'None':
      return null
    case 'Any':
      return { list: [1, 'x', null], by: { name: random(2) } }
    case 'literal':
      return type.values[random(type.values.length)]
    case 'list':
    case 'set':
    case 'tuple_of':
      return some(() => randomValue(type.of, random))
    case 'tuple':
      return type.of.map((of) => randomValue(of, random))
    case 'dict':
      return Object.fromEntries(
        some(() => [type.key === 'int' ? random(9) : `k${random(9)}`, randomValue(type.of, random)]),
      )
    case 'union':
      return randomValue(type.of[random(type.of.length)] ?? type, random)
    case 'custom':
      throw new Error('no custom types here')
    default:
      return assertNever(type)
  }
}
