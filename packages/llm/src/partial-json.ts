/**
 * The JSON object in a text that is still coming. Pure.
 *
 * 1. Its value only grows: strings get longer, lists and objects get more, nothing that was there changes. Numbers, `true`, `false`
 *    and `null` appear when they are whole.
 * 2. It never throws. What stands before the first brace and after the object is read over; at the first fault, below `MAX_DEPTH`, at a
 *    key that comes twice and at one that would be a prototype it stops growing.
 * 3. All pieces together cost what their characters cost. Therefore `value` is one living object: whoever keeps it copies it.
 */

export type LiveJson = string | number | boolean | null | LiveJson[] | { [key: string]: LiveJson }

const MAX_DEPTH = 100

/** What may come next in an open object or list. */
type Next = 'key or end' | 'key' | 'colon' | 'value' | 'value or end' | 'comma or end'

type Open = { next: Next } & (
  | { readonly kind: 'list'; readonly items: LiveJson[] }
  | { readonly kind: 'object'; readonly fields: { [key: string]: LiveJson }; key: string }
)

/** Where in a text the reader is. */
type Within = 'prose' | 'structure' | 'key' | 'string' | 'word' | 'end'

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' },
}
const SPACE = ' \t\n\r'

export class PartialJson {
  readonly #stringStop = /["\\]/g
  readonly #wordStop = /[,\]}\s]/g
  #within: Within = 'prose'
  readonly #open: Open[] = []
  #root: { readonly [key: string]: LiveJson } | undefined
  /** Of a key, a word, or an escape that is not whole. */
  #rest = ''
  #escape = ''
  /** First half of a character that came as two escapes. */
  #half = ''

  get value(): { readonly [key: string]: LiveJson } | undefined {
    return this.#root
  }

  /** True when the value has grown. */
  push(text: string): boolean {
    let grown = false
    for (let at = 0; at < text.length && this.#within !== 'end'; ) {
      switch (this.#within) {
        case 'prose': {
          const brace = text.indexOf('{', at)
          if (brace < 0) return grown
          this.#root = {}
          this.#open.push({ kind: 'object', fields: this.#root, key: '', next: 'key or end' })
          this.#within = 'structure'
          at = brace + 1
          grown = true
          break
        }
        case 'structure':
          grown = this.#structure(text[at] ?? '') || grown
          at++
          break
        case 'word': {
          const end = stopOf(this.#wordStop, text, at)
          this.#rest += text.slice(at, end)
          at = end
          if (end < text.length) grown = this.#word() || grown
          break
        }
        default: {
          if (this.#escape !== '') {
            grown = this.#unescape(text[at] ?? '') || grown
            at++
            break
          }
          const end = stopOf(this.#stringStop, text, at)
          grown = this.#say(text.slice(at, end)) || grown
          at = end + 1
          if (text[end] === '"') this.#close()
          else if (text[end] === '\\') this.#escape = '\\'
        }
      }
    }
    return grown
  }

  #structure(char: string): boolean {
    const open = this.#open.at(-1)
    if (open === undefined || SPACE.includes(char)) return false
    const { next } = open
    const mayEnd = next === 'key or end' || next === 'value or end' || next === 'comma or end'
    if (mayEnd && char === (open.kind === 'list' ? ']' : '}')) {
      this.#open.pop()
      if (this.#open.length === 0) this.#within = 'end'
      return false
    }
    if (next === 'comma or end' && char === ',') open.next = open.kind === 'list' ? 'value' : 'key'
    else if (next === 'colon' && char === ':') open.next = 'value'
    else if ((next === 'key' || next === 'key or end') && char === '"') this.#within = 'key'
    else if (next === 'value' || next === 'value or end') return this.#begin(char, open)
    else this.#within = 'end'
    return false
  }

  #begin(char: string, open: Open): boolean {
    if (char === '"') {
      this.#within = 'string'
      return this.#put(open, '')
    }
    if (char === '[' && this.#open.length < MAX_DEPTH) {
      const items: LiveJson[] = []
      this.#open.push({ kind: 'list', items, next: 'value or end' })
      return this.#put(open, items)
    }
    if (char === '{' && this.#open.length < MAX_DEPTH) {
      const fields: { [key: string]: LiveJson } = {}
      this.#open.push({ kind: 'object', fields, key: '', next: 'key or end' })
      return this.#put(open, fields)
    }
    this.#within = /[-\dtfn]/.test(char) ? 'word' : 'end'
    this.#rest = char
    return false
  }

  #word(): boolean {
    const open = this.#open.at(-1)
    const value = wordOf(this.#rest)
    this.#rest = ''
    this.#within = value === undefined ? 'end' : 'structure'
    return open !== undefined && value !== undefined && this.#put(open, value)
  }

  #put(open: Open, value: LiveJson): true {
    if (open.kind === 'list') open.items.push(value)
    else open.fields[open.key] = value
    open.next = 'comma or end'
    return true
  }

  #unescape(char: string): boolean {
    const sequence = this.#escape + char
    this.#escape = ''
    if (sequence.length === 2 && char !== 'u') {
      const plain = ESCAPES[char]
      if (plain === undefined) this.#within = 'end'
      return plain !== undefined && this.#say(plain)
    }
    if (sequence.length > 2 && !/[\da-f]/i.test(char)) {
      this.#within = 'end'
      return false
    }
    if (sequence.length < 6) {
      this.#escape = sequence
      return false
    }
    const unit = String.fromCharCode(Number.parseInt(sequence.slice(2), 16))
    const isFirstHalf = unit >= '\uD800' && unit <= '\uDBFF'
    if (!isFirstHalf) return this.#say(unit)
    const said = this.#say('')
    this.#half = unit
    return said
  }

  /** Half of a character waits for the other one. */
  #say(piece: string): boolean {
    const text = this.#half + piece
    if (text === '') return false
    this.#half = ''
    const open = this.#open.at(-1)
    if (this.#within === 'key') this.#rest += text
    else if (open?.kind === 'list') open.items.push(`${String(open.items.pop())}${text}`)
    else if (open !== undefined) open.fields[open.key] += text
    return this.#within === 'string'
  }

  #close(): void {
    this.#say('')
    const open = this.#open.at(-1)
    const isKey = this.#within === 'key'
    this.#within = 'structure'
    if (!isKey || open?.kind !== 'object') return
    open.key = this.#rest
    open.next = 'colon'
    this.#rest = ''
    if (open.key === '__proto__' || Object.hasOwn(open.fields, open.key)) this.#within = 'end'
  }
}

function stopOf(stop: RegExp, text: string, from: number): number {
  stop.lastIndex = from
  return stop.exec(text)?.index ?? text.length
}

function wordOf(word: string): number | boolean | null | undefined {
  try {
    const value: unknown = JSON.parse(word)
    return typeof value === 'number' || typeof value === 'boolean' || value === null ? value : undefined
  } catch {
    return undefined
  }
}
