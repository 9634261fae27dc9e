/**
 * Reads the type of a field: a run-time twin of the types in `parse-type.ts`, with the same looks in the same order.
 *
 * Some rules are about a type as it was written: `dict[int | int, str]` has a union for its key although it comes to `int`.
 */
import { type Cursor, Refusal, trimmed } from './cursor.ts'
import {
  type FieldType,
  isLimit,
  type Limits,
  type LiteralValue,
  limited,
  limitsFor,
  pythonWord,
  unionOf,
} from './field-type.ts'
import { type Generic, isBare, isGeneric, isScalar, meantBy } from './names.ts'
import { MAX_DEPTH, MAX_DIGITS, MAX_ITEMS, says } from './refusal.ts'

type Written = FieldType['kind'] | 'annotated'

interface Read {
  readonly type: FieldType
  readonly written: Written
}

/** What ends the name of a type. */
const NAME_ENDS = ',[]|'
/** What else ends it when it is the name of none. */
const WORD_ENDS = `${NAME_ENDS} \n\t\r=():#`
const WHOLE = /^(0|[1-9][0-9]*)$/
const PLAIN = /^(0|[1-9][0-9]*)(\.[0-9]+)?$/
/** JavaScript writes smaller numbers with an exponent, which the grammar does not have. */
const TINY = '0.000000'
const ANY: FieldType = { kind: 'Any' }
const NONE: FieldType = { kind: 'None' }

/** Up to a ',' or the end. `types`: the names of custom types. */
export function readFieldType(cursor: Cursor, types: ReadonlySet<string>): FieldType {
  const { type } = new TypeReader(cursor, types).union()
  const next = cursor.peek()
  if (next === '=') throw new Refusal(says.default)
  if (next !== '' && next !== ',') throw new Refusal(says.afterType(cursor.next()))
  if (type.kind === 'None') throw new Refusal(says.onlyNone)
  return type
}

class TypeReader {
  readonly #cursor: Cursor
  readonly #types: ReadonlySet<string>
  #depth = 0

  constructor(cursor: Cursor, types: ReadonlySet<string>) {
    this.#cursor = cursor
    this.#types = types
  }

  /** atom { '|' atom } */
  union(): Read {
    const first = this.#atom()
    if (this.#cursor.peek() !== '|') return first
    const members = [first.type]
    while (this.#cursor.take('|')) {
      if (members.length === MAX_ITEMS) throw new Refusal(says.tooMany)
      members.push(this.#atom().type)
    }
    return ofUnion(members)
  }

  #atom(): Read {
    const name = this.#cursor.word(NAME_ENDS)
    if (!this.#isType(name)) throw new Refusal(this.#notAType(name))
    this.#cursor.pass(name)
    const bracket = this.#cursor.take('[')
    if (!isGeneric(name)) {
      if (bracket) throw new Refusal(says.takesNone(name))
      return plain(isScalar(name) ? { kind: name } : { kind: 'custom', name })
    }
    if (!bracket) return plain(bareOf(name))
    if (++this.#depth > MAX_DEPTH) throw new Refusal(says.tooDeep)
    const read = this.#generic(name)
    this.#depth--
    return read
  }

  #isType(name: string): boolean {
    return isScalar(name) || isGeneric(name) || this.#types.has(name)
  }

  /** Why `name`, which stands next, is no type. */
  #notAType(name: string): string {
    if (name === '') return says.noType(this.#cursor.next())
    if (name.startsWith("'") || name.startsWith('"')) return says.quoted
    if (name.startsWith('...')) return says.ellipsis
    const word = this.#cursor.word(WORD_ENDS)
    if (word === '') return says.noType(this.#cursor.next())
    if (this.#isType(word)) {
      this.#cursor.pass(word)
      return this.#cursor.peek() === '=' ? says.default : says.afterType(this.#cursor.next())
    }
    if (word.includes('.')) return says.dotted(word)
    const meant = meantBy(word)
    return says.unknown(word, meant === undefined ? says.custom : says.meant(meant))
  }

  /** After the '['. */
  #generic(name: Generic): Read {
    if (name === 'Literal') return plain(this.#literal())
    if (name === 'Annotated') return { type: this.#annotated(), written: 'annotated' }
    const given: Read[] = []
    for (;;) {
      if (this.#cursor.take('...')) return plain(this.#openTuple(name, given))
      if (given.length === MAX_ITEMS) throw new Refusal(says.tooMany)
      given.push(this.union())
      if (this.#cursor.take(']')) return built(name, given)
      if (!this.#cursor.take(',')) throw new Refusal(says.afterArgument(this.#cursor.next()))
    }
  }

  #openTuple(name: Generic, given: readonly Read[]): FieldType {
    const [of, ...others] = given
    const isTuple = name === 'tuple' || name === 'Tuple'
    if (!isTuple || of === undefined || others.length > 0 || !this.#cursor.take(']')) throw new Refusal(says.ellipsis)
    return { kind: 'tuple_of', of: of.type }
  }

  #literal(): FieldType {
    const values = new Set<LiteralValue>()
    for (;;) {
      if (values.size === MAX_ITEMS) throw new Refusal(says.tooMany)
      const value = this.#literalValue()
      if (values.has(value))
        throw new Refusal(says.literalTwice(typeof value === 'string' ? `'${value}'` : pythonWord(value)))
      values.add(value)
      if (this.#cursor.take(']')) return { kind: 'literal', values: [...values] }
      if (!this.#cursor.take(',')) throw new Refusal(says.afterArgument(this.#cursor.next()))
    }
  }

  #literalValue(): LiteralValue {
    if (this.#cursor.take("'")) return this.#string("'")
    if (this.#cursor.take('"')) return this.#string('"')
    const word = this.#cursor.word(',]')
    if (word === '') throw new Refusal(says.literalMissing(this.#cursor.next()))
    if (word.startsWith('-')) throw new Refusal(says.negative)
    const value = word === 'True' ? true : word === 'False' ? false : word === 'None' ? null : wholeNumber(word)
    if (value === undefined) throw new Refusal(says.literalValue(word))
    this.#cursor.pass(word)
    return value
  }

  /** After its opening quote. */
  #string(quote: string): string {
    const value = this.#cursor.upTo(quote)
    if (value === undefined) throw new Refusal(says.openQuote)
    if (['\\', '\n', '\r', '\0'].some((char) => value.includes(char))) throw new Refusal(says.stringChar)
    this.#cursor.pass(value + quote)
    return value
  }

  /** type ',' 'Field(' limit { ',' limit } ')' */
  #annotated(): FieldType {
    const { type, written } = this.union()
    if (!this.#cursor.take(',') || !this.#cursor.take('Field(')) throw new Refusal(says.annotated)
    const pieces = this.#cursor.upTo(')')
    if (pieces === undefined) throw new Refusal(says.openField)
    const limits = pieces.split(',').reduce((limits, piece) => withLimit(limits, trimmed(piece), written), {})
    this.#cursor.pass(`${pieces})`)
    if (!this.#cursor.take(']')) throw new Refusal(says.annotated)
    return limited(type, limits)
  }
}

function plain(type: FieldType): Read {
  return { type, written: type.kind }
}

function ofUnion(members: readonly FieldType[]): Read {
  const type = unionOf(members)
  return { type, written: type.kind === 'None' ? 'None' : 'union' }
}

function bareOf(name: Generic): FieldType {
  if (!isBare(name)) throw new Refusal(says.needsArguments(name))
  if (name === 'list') return { kind: 'list', of: ANY }
  if (name === 'dict') return { kind: 'dict', key: 'str', of: ANY }
  return { kind: 'tuple_of', of: ANY }
}

function built(name: Exclude<Generic, 'Literal' | 'Annotated'>, given: readonly Read[]): Read {
  const [first = plain(ANY), second = plain(ANY)] = given
  const takes = (count: number, wanted: string) => {
    if (given.length !== count) throw new Refusal(says.arity(name, wanted, given.length))
  }
  switch (name) {
    case 'list':
    case 'List':
      takes(1, '1 type')
      return plain({ kind: 'list', of: first.type })
    case 'set':
    case 'Set':
      takes(1, '1 type')
      if (!['str', 'int', 'float', 'bool', 'literal'].includes(first.written)) throw new Refusal(says.setOf)
      return plain({ kind: 'set', of: first.type })
    case 'dict':
    case 'Dict':
      takes(2, '2 types')
      if (first.written !== 'str' && first.written !== 'int') throw new Refusal(says.dictKey)
      return plain({ kind: 'dict', key: first.written, of: second.type })
    case 'tuple':
    case 'Tuple':
      return plain({ kind: 'tuple', of: given.map(({ type }) => type) })
    case 'Optional':
      takes(1, '1 type')
      return ofUnion([first.type, NONE])
    case 'Union':
      if (given.length < 2) throw new Refusal(says.arity(name, '2 types or more', given.length))
      return ofUnion(given.map(({ type }) => type))
  }
}

function withLimit(limits: Limits, piece: string, written: Written): Limits {
  const [name = '', value, ...more] = piece.split('=').map(trimmed)
  if (value === undefined || more.length > 0) throw new Refusal(says.limitShape(piece))
  if (!isLimit(name)) throw new Refusal(says.limitUnknown(name))
  if (limits[name] !== undefined) throw new Refusal(says.limitTwice(name))
  if (!limitsFor(written).includes(name)) throw new Refusal(says.limitKind(name))
  if (value.startsWith('-')) throw new Refusal(says.negative)
  if (!PLAIN.test(value) || value.startsWith(TINY)) throw new Refusal(says.limitNumber(value))
  if (value.length > MAX_DIGITS) throw new Refusal(says.longNumber)
  if (written !== 'float' && value.includes('.')) throw new Refusal(says.limitWhole(name))
  return { ...limits, [name]: Number(value) }
}

function wholeNumber(word: string): number | undefined {
  if (!WHOLE.test(word)) return undefined
  if (word.length > MAX_DIGITS) throw new Refusal(says.longNumber)
  return Number(word)
}
