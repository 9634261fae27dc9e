/** What the demo shows: plain lines, and on a terminal one line that is written over while something is going on. */
export class Screen {
  readonly #out: NodeJS.WriteStream
  readonly #terminal: boolean
  #live = ''

  /** With `json` everything readable goes to stderr: stdout belongs to the one object. */
  constructor(json: boolean) {
    this.#out = json ? process.stderr : process.stdout
    this.#terminal = this.#out.isTTY === true
  }

  line(text = ''): void {
    this.#clear()
    this.#out.write(`${text}\n`)
  }

  /** Replaces the live line on a terminal; elsewhere a line like any other. */
  live(text: string): void {
    if (!this.#terminal) return this.line(text)
    this.#clear()
    const width = this.#out.columns ?? 100
    this.#live = text.length < width ? text : `${text.slice(0, width - 2)}…`
    this.#out.write(this.#live)
  }

  #clear(): void {
    if (this.#live !== '') this.#out.write(`\r${' '.repeat(this.#live.length)}\r`)
    this.#live = ''
  }
}

/** `41 of 72 (56.9 %)`: counts first, and never rounded up to look better. */
export function share(correct: number, total: number): string {
  return `${correct} of ${total} (${(Math.floor((correct / total) * 1_000) / 10).toFixed(1)} %)`
}

export function assignmentText(params: { readonly [name: string]: unknown }): string {
  return Object.entries(params)
    .map(([name, value]) => `${name}=${typeof value === 'number' ? Number(value.toFixed(3)) : String(value)}`)
    .join(' ')
}
