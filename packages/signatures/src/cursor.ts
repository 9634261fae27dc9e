/** A place in a text that moves to its right only. Space is blank, tab and the two line breaks, as inside Python's brackets. */
import { SignatureRefused } from './refusal.ts'

const SPACE = ' \n\t\r'

/** Carries a message to where the text is known. */
export class Refusal extends Error {}

export class Cursor {
  readonly #text: string
  readonly #end: number
  #at: number

  constructor(text: string, from = 0, end = text.length) {
    this.#text = text
    this.#at = from
    this.#end = end
  }

  /** Runs `read` on this cursor; what it refuses gets the text and the place. */
  reading<T>(read: (cursor: this) => T): T {
    try {
      return read(this)
    } catch (error) {
      if (error instanceof Refusal) throw new SignatureRefused(error.message, this.#text, this.#at)
      throw error
    }
  }

  /** The next character that is no space; empty at the end. */
  peek(): string {
    while (this.#at < this.#end && SPACE.includes(this.#text.charAt(this.#at))) this.#at++
    return this.#at < this.#end ? this.#text.charAt(this.#at) : ''
  }

  /** `what` without spaces inside, after spaces. */
  take(what: string): boolean {
    this.peek()
    if (!this.#text.startsWith(what, this.#at) || this.#at + what.length > this.#end) return false
    this.#at += what.length
    return true
  }

  /** Trimmed, up to one of the characters of `ends` or the end; not taken yet. */
  word(ends: string): string {
    this.peek()
    let to = this.#at
    while (to < this.#end && !ends.includes(this.#text.charAt(to))) to++
    while (to > this.#at && SPACE.includes(this.#text.charAt(to - 1))) to--
    return this.#text.slice(this.#at, to)
  }

  /** Moves behind what `word`, `upTo` or `peek` gave. */
  pass(read: string): void {
    this.#at += read.length
  }

  /** As it stands, before the next `mark`; undefined when there is none. */
  upTo(mark: string): string | undefined {
    const to = this.#text.indexOf(mark, this.#at)
    return to < 0 || to >= this.#end ? undefined : this.#text.slice(this.#at, to)
  }

  /** What stands next, for a message: a whole character, also one of two code units. */
  next(): string {
    if (this.peek() === '') return 'the end'
    return `'${String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0)}'`
  }
}

export function trimmed(text: string): string {
  return new Cursor(text).word('')
}
