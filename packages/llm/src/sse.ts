/**
 * Server-sent events out of bytes as they come. Pure: no I/O, no time.
 *
 * 1. Where the bytes are cut changes nothing: inside of a character, of a line end, of a field.
 * 2. Lines end with CRLF, LF or CR. Comments, `id` and `retry` are read over; an event without data is none.
 * 3. An event that the stream ends in is not given, as the standard has it: its end never came.
 * 4. No event holds more than `MAX_EVENT_CHARS`; the cost of reading is linear in the bytes, however they are cut.
 */

export interface SseEvent {
  /** `message` unless the stream says otherwise. */
  readonly event: string
  readonly data: string
}

export const MAX_EVENT_CHARS = 8 * 1024 * 1024

export class SseTooLarge extends Error {}

export class SseReader {
  /** Takes a byte order mark off, and puts U+FFFD for what is no UTF-8. */
  readonly #decoder = new TextDecoder()
  readonly #lineEnd = /[\r\n]/g
  /** Of a line that has not ended. Joined once, at its end: joining at each piece would be quadratic. */
  #pieces: string[] = []
  #chars = 0
  #afterCr = false
  #event = ''
  #data: string[] = []

  /** @throws SseTooLarge */
  read(bytes: Uint8Array): SseEvent[] {
    const events: SseEvent[] = []
    const text = this.#decoder.decode(bytes, { stream: true })
    let from = 0
    while (from < text.length) {
      if (this.#afterCr && text[from] === '\n') from++
      this.#afterCr = false
      this.#lineEnd.lastIndex = from
      const end = this.#lineEnd.exec(text)?.index ?? text.length
      this.#keep(text.slice(from, end))
      if (end === text.length) break
      this.#afterCr = text[end] === '\r'
      from = end + 1
      const line = this.#pieces.length === 1 ? (this.#pieces[0] ?? '') : this.#pieces.join('')
      this.#pieces = []
      const event = this.#take(line)
      if (event !== undefined) events.push(event)
    }
    return events
  }

  #keep(piece: string): void {
    this.#chars += piece.length
    if (this.#chars > MAX_EVENT_CHARS) throw new SseTooLarge(`an event has more than ${MAX_EVENT_CHARS} characters`)
    if (piece !== '') this.#pieces.push(piece)
  }

  #take(line: string): SseEvent | undefined {
    if (line === '') {
      const [event, data] = [this.#event, this.#data]
      this.#event = ''
      this.#data = []
      this.#chars = 0
      return data.length === 0 ? undefined : { event: event || 'message', data: data.join('\n') }
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') this.#data.push(value)
    else if (field === 'event') this.#event = value
    else this.#chars -= line.length
    return undefined
  }
}
