/** Texts nobody thought of, for `agree.test.ts`: signatures by the grammar, and the same with a few mistakes. */

export interface Dice {
  /** A whole number from 0, less than `sides`. */
  throw(sides: number): number
}

/** mulberry32: small, and the same everywhere. */
export function seededDice(seed: number): Dice {
  let state = seed >>> 0
  return {
    throw(sides) {
      state = (state + 0x6d2b79f5) | 0
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
      return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * sides)
    },
  }
}

/** Custom types that the texts may name. */
export const CUSTOM = ['Person', 'Tag_2', 'x'] as const

const NAMES = 'question context answer a b2 Class x_y refused rest type name q0 long_name_of_a_field in_ T'.split(' ')
const ODD_NAMES = 'class None copy dict demos prediction self _q 1a a-b q? *q / a=1 ü 😀 str'.split(' ')
const ODD_TYPES = [
  ...'string number Array object dspy.Image ... Persn None set List Optional Literal'.split(' '),
  ...`'str' "str" str[int] list[] tuple[...] Person[int]`.split(' '),
]
const NASTY = [...' \n\t\r,,::||[[]]()==*/?\'\'""\\-.#0159aZ_é😀\0\u00a0\v<>{}@'] as const
const WORDS = "->,str,int,None,list[,dict[,Literal[,Optional[,Annotated[,Field(,...,= 5,'x',ge=0".split(',')

export function randomText(dice: Dice): string {
  const writer = new Writer(dice)
  let text = writer.signature()
  for (let mistakes = dice.throw(5) < 2 ? 1 + dice.throw(3) : 0; mistakes > 0; mistakes--) text = mistaken(text, dice)
  return text
}

export function randomFieldType(dice: Dice): string {
  const text = new Writer(dice).type(4)
  return dice.throw(2) === 0 ? text : mistaken(text, dice)
}

class Writer {
  readonly #dice: Dice
  /** Of a hundred places where a mistake can be made. */
  readonly #odd: number

  constructor(dice: Dice) {
    this.#dice = dice
    this.#odd = dice.throw(4) === 0 ? 1 + dice.throw(6) : 0
  }

  signature(): string {
    const inputs = this.#fields(0)
    return `${inputs}${this.#space()}->${this.#space()}${this.#fields(this.#isOdd() ? 0 : 300)}`
  }

  #fields(from: number): string {
    const count = this.#rare(60) ? 254 + this.#dice.throw(5) : 1 + this.#dice.throw(this.#rare(20) ? 30 : 4)
    const fields = Array.from({ length: count }, (_, n) => this.#field(from + n, count > 20))
    return `${fields.join(`${this.#space()},${this.#space()}`)}${this.#one(['', '', ',', ' , '])}`
  }

  #field(n: number, many: boolean): string {
    const name = many
      ? `f${n}`
      : this.#isOdd()
        ? this.#one([...ODD_NAMES, ...NAMES])
        : (NAMES[(n < 300 ? n : n - 292) % NAMES.length] ?? '')
    if (this.#dice.throw(many ? 2 : 4) === 0) return name
    return `${name}${this.#space('')}:${this.#space()}${this.type(many ? 0 : 1 + this.#dice.throw(4))}`
  }

  type(depth: number): string {
    const count = this.#rare(150) ? 254 + this.#dice.throw(4) : this.#rare(6) ? 2 + this.#dice.throw(2) : 1
    return this.#list(count, () => this.#atom(count > 9 ? 0 : depth), '|')
  }

  #atom(depth: number): string {
    if (this.#isOdd()) return this.#one(ODD_TYPES)
    const inside = () => this.type(depth - 1)
    const scalar = () =>
      this.#one(['str', 'int', 'float', 'bool', 'str', 'int', 'Any', ...CUSTOM, 'list', 'dict', 'tuple'])
    if (depth <= 0) return this.#rare(6) ? this.#literal() : scalar()
    const deeper = this.#rare(40) ? () => this.type(depth + 1) : inside
    switch (this.#dice.throw(10)) {
      case 0:
      case 1:
        return scalar()
      case 2:
        return this.#generic(this.#one(['list', 'List']), deeper())
      case 3:
        return this.#generic(
          this.#one(['Optional', 'Optional', 'Union']),
          ...(this.#isOdd() ? [] : [deeper()]),
          ...(this.#rare(20) ? ['None'] : []),
        )
      case 4:
        return this.#generic(
          this.#one(['dict', 'Dict']),
          this.#isOdd() ? inside() : this.#one(['str', 'int']),
          deeper(),
        )
      case 5:
        return this.#generic(
          this.#one(['set', 'Set']),
          this.#isOdd() ? inside() : this.#one(['str', 'int', 'bool', this.#literal()]),
        )
      case 6: {
        const count = this.#rare(100) ? 254 + this.#dice.throw(4) : 2 + this.#dice.throw(2)
        const many = Array.from({ length: count }, count > 9 ? scalar : inside)
        return this.#generic(this.#one(['tuple', 'Tuple', 'Union']), ...many)
      }
      case 7:
        return this.#generic(this.#one(['tuple', 'Tuple', this.#isOdd() ? 'list' : 'tuple']), deeper(), '...')
      case 8:
        return this.#annotated(depth)
      default:
        return this.#literal()
    }
  }

  #generic(name: string, ...given: string[]): string {
    return `${name}${this.#space('')}[${this.#space('')}${this.#list(given.length, (n) => given[n] ?? '', ',')}${this.#space('')}]`
  }

  #annotated(depth: number): string {
    const number = ['int', 'float', 'float']
    const sized = ['str', 'list', `list[${this.type(depth - 1)}]`, 'dict', 'Set[int]', 'dict[str, Any]']
    const isNumber = this.#dice.throw(2) === 0
    const type = this.#isOdd() ? this.type(depth) : this.#one(isNumber ? number : sized)
    const names = (isNumber !== this.#isOdd() ? ['ge', 'gt', 'le', 'lt'] : ['min_length', 'max_length']).slice(
      this.#dice.throw(2),
    )
    const limits = this.#list(
      this.#isOdd() ? 3 : 1 + this.#dice.throw(names.length),
      (n) => `${names[n] ?? 'lt'}${this.#space('')}=${this.#space('')}${this.#number(type === 'float')}`,
      ',',
    )
    return this.#generic('Annotated', type, `Field(${this.#space('')}${limits}${this.#space('')})`)
  }

  #number(isFloat: boolean): string {
    if (this.#isOdd())
      return this.#one([
        '-1',
        '007',
        '1e3',
        '0.5',
        '.5',
        '1.',
        '0x1',
        '1_0',
        '1234567890123456',
        '12345678901.2345',
        "'x'",
        '',
      ])
    const whole = this.#rare(12) ? '123456789012345' : String(this.#dice.throw(300))
    return isFloat && this.#dice.throw(2) === 0 ? `${whole.slice(0, 9)}.${this.#dice.throw(300)}0` : whole
  }

  #literal(): string {
    const count = this.#rare(100) ? 254 + this.#dice.throw(4) : 1 + this.#dice.throw(4)
    const value = (n: number) => {
      if (this.#isOdd())
        return this.#one(['yes', '-1', '1.5', "'x\\n'", "'x\ty'", "'x\ny'", "'", '', "'v0'", this.#number(false)])
      return this.#one([
        `'v${n}'`,
        `"v${n}"`,
        `'${this.#one([...', []|:->"é😀()#= '])}${n}'`,
        `"it's ${n}"`,
        `${n}`,
        `${n}`,
        `${1000 + n}`,
        n === 0 ? 'True' : `${n}`,
        n === 1 ? 'None' : `'${n}'`,
      ])
    }
    return `Literal[${this.#space('')}${this.#list(count, value, ',')}${this.#space('')}]`
  }

  #list(count: number, item: (n: number) => string, mark: string): string {
    return Array.from({ length: count }, (_, n) => item(n)).join(`${this.#space('')}${mark}${this.#space()}`)
  }

  #space(usual = ' '): string {
    return this.#rare(12) ? this.#one(['', ' ', '  ', '\n', '\t', '\r\n  ', ' '.repeat(9)]) : usual
  }

  #isOdd(): boolean {
    return this.#dice.throw(100) < this.#odd
  }

  #rare(sides: number): boolean {
    return this.#dice.throw(sides) === 0
  }

  #one<T>(of: readonly [T, ...T[]] | readonly T[]): T {
    const chosen = of[this.#dice.throw(of.length)]
    if (chosen === undefined) throw new Error('nothing to choose from')
    return chosen
  }
}

/** With one token or character gone, new, doubled or moved. */
function mistaken(text: string, dice: Dice): string {
  const tokens = dice.throw(2) === 0 ? [...text] : (text.match(/\w+|\s+|->|[^\w\s]/gu) ?? [])
  const at = dice.throw(tokens.length)
  const other = dice.throw(tokens.length)
  const token = tokens[at] ?? ''
  switch (dice.throw(5)) {
    case 0:
      tokens.splice(at, 1)
      break
    case 1:
      tokens.splice(at, 0, NASTY[dice.throw(NASTY.length)] ?? '')
      break
    case 2:
      tokens.splice(at, 0, token)
      break
    case 3:
      tokens[at] = tokens[other] ?? ''
      tokens[other] = token
      break
    default:
      tokens.splice(at, dice.throw(2), WORDS[dice.throw(WORDS.length)] ?? '')
  }
  return tokens.join('')
}
