/** TypeScript source of types: the type itself, the expression that is true for what fits it, and the one that makes it again (in words of `plan.ts`). */
import { assertNever } from '../assert-never.ts'
import { type FieldType, type Limits, type LiteralValue, NUMBER_LIMITS } from '../field-type.ts'

/** What is written for types that need a name or a form of their own. */
export interface TypeWords {
  dict(key: 'str' | 'int', of: string): string
  custom(name: string): string
}

const TYPESCRIPT: TypeWords = {
  dict: (key, of) => `{ [key: ${key === 'int' ? 'number' : 'string'}]: ${of} }`,
  custom: (name) => name,
}

export function typeSource(type: FieldType, words: TypeWords = TYPESCRIPT): string {
  const inner = (of: FieldType) => typeSource(of, words)
  switch (type.kind) {
    case 'str':
      return 'string'
    case 'int':
    case 'float':
      return 'number'
    case 'bool':
      return 'boolean'
    case 'None':
      return 'null'
    case 'Any':
      return 'unknown'
    case 'list':
    case 'set':
    case 'tuple_of':
      return `(${inner(type.of)})[]`
    case 'dict':
      return words.dict(type.key, inner(type.of))
    case 'tuple':
      return `[${type.of.map(inner).join(', ')}]`
    case 'union':
      return type.of.map(inner).join(' | ')
    case 'literal':
      return type.values.map(literalSource).join(' | ')
    case 'custom':
      return words.custom(type.name)
    default:
      return assertNever(type)
  }
}

/** `value`: an expression without side effects. `depth` names the variables of nested functions. */
export function fitSource(type: FieldType, value: string, depth = 0): string {
  const inner = `v${depth}`
  const each = (of: FieldType) => `(${inner}) => ${fitSource(of, inner, depth + 1)}`
  switch (type.kind) {
    case 'str':
      return type.limits === undefined
        ? `isStr(${value})`
        : `isStr(${value}) && isBetween(lengthOf(${value}), ${lengths(type.limits)})`
    case 'int':
    case 'float': {
      const check = `${type.kind === 'int' ? 'isInt' : 'isFloat'}(${value})`
      return [check, ...comparisons(type.limits, value)].join(' && ')
    }
    case 'bool':
      return `isBool(${value})`
    case 'None':
      return `${value} === null`
    case 'Any':
      return `isJson(${value})`
    case 'list':
    case 'set': {
      const check = type.kind === 'list' ? 'isList' : 'isSet'
      return `${check}(${[value, each(type.of), ...(type.limits ? [lengths(type.limits)] : [])].join(', ')})`
    }
    case 'tuple_of':
      return `isList(${value}, ${each(type.of)})`
    case 'dict': {
      const limits = type.limits ? [lengths(type.limits)] : []
      return `isDict(${[value, literalSource(type.key), each(type.of), ...limits].join(', ')})`
    }
    case 'tuple':
      return `isTuple(${value}, [${type.of.map(each).join(', ')}])`
    case 'union':
      return `(${type.of.map((of) => fitSource(of, value, depth)).join(' || ')})`
    case 'literal':
      return `(${type.values.map((literal) => `${value} === ${literalSource(literal)}`).join(' || ')})`
    case 'custom':
      throw new Error(`${type.name} is checked by its own schema`)
    default:
      return assertNever(type)
  }
}

function lengths({ min_length = 0, max_length }: Limits): string {
  return max_length === undefined ? String(min_length) : `${min_length}, ${max_length}`
}

const OPERATORS = { ge: '>=', gt: '>', le: '<=', lt: '<' } as const

function comparisons(limits: Limits = {}, value: string): string[] {
  return NUMBER_LIMITS.flatMap((name) =>
    limits[name] === undefined ? [] : [`${value} ${OPERATORS[name]} ${limits[name]}`],
  )
}

export function literalSource(value: LiteralValue): string {
  return JSON.stringify(value)
}

/** The expression whose value is `type`. */
export function madeSource(type: FieldType): string {
  const call = (name: string, ...given: readonly string[]) => {
    const limits = 'limits' in type && type.limits !== undefined ? [JSON.stringify(type.limits)] : []
    return `${name}(${[...given, ...limits].join(', ')})`
  }
  switch (type.kind) {
    case 'str':
    case 'int':
    case 'float':
    case 'bool':
      return call(type.kind)
    case 'None':
    case 'Any':
      return call(type.kind.toLowerCase())
    case 'list':
    case 'set':
      return call(type.kind, madeSource(type.of))
    case 'dict':
      return call('dict', literalSource(type.key), madeSource(type.of))
    case 'tuple':
    case 'union':
      return call(type.kind, ...type.of.map(madeSource))
    case 'tuple_of':
      return call('tupleOf', madeSource(type.of))
    case 'literal':
      return call('literal', ...type.values.map(literalSource))
    case 'custom':
      return call('custom', literalSource(type.name))
    default:
      return assertNever(type)
  }
}
