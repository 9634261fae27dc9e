/**
 * Who waits, and whose turn it is: a line per priority, and a turn now and then for whoever has waited longest.
 *
 * 1. Within a priority the first to come is the first to be served; nobody smaller or faster overtakes.
 * 2. The next turn is that of the highest priority, but of any ten in a row one belongs to the oldest of all lines. So with `k`
 *    older ones waiting nobody sees more than `10 (k + 1)` others served, whatever arrives.
 * 3. Who leaves a line leaves nothing behind.
 */

const OLDEST_EVERY = 10

export interface Place<T> {
  readonly value: T
  readonly priority: number
  readonly number: number
  before: Place<T> | undefined
  after: Place<T> | undefined
  waits: boolean
}

interface Line<T> {
  readonly priority: number
  first: Place<T> | undefined
  last: Place<T> | undefined
}

export class Lines<T> {
  /** Highest priority first; none is empty. */
  readonly #lines: Line<T>[] = []
  #size = 0
  #number = 0
  /** Turns since the oldest had one. */
  #turns = 0

  get size(): number {
    return this.#size
  }

  add(value: T, priority: number): Place<T> {
    const line = this.#lineOf(priority)
    const place: Place<T> = {
      value,
      priority,
      number: ++this.#number,
      before: line.last,
      after: undefined,
      waits: true,
    }
    if (line.last !== undefined) line.last.after = place
    line.first ??= place
    line.last = place
    this.#size += 1
    return place
  }

  /** Whose turn it is. */
  next(): Place<T> | undefined {
    return this.#turns >= OLDEST_EVERY - 1 ? this.#oldest() : this.#lines[0]?.first
  }

  /** The turn of `place` is over: it leaves. */
  served(place: Place<T>): void {
    this.#turns = place === this.#oldest() ? 0 : this.#turns + 1
    this.leave(place)
  }

  leave(place: Place<T>): void {
    const at = this.#lines.findIndex(({ priority }) => priority === place.priority)
    const line = this.#lines[at]
    if (!place.waits || line === undefined) return
    place.waits = false
    this.#size -= 1
    if (place.before === undefined) line.first = place.after
    else place.before.after = place.after
    if (place.after === undefined) line.last = place.before
    else place.after.before = place.before
    if (line.first === undefined) this.#lines.splice(at, 1)
    if (this.#size === 0) this.#turns = 0
  }

  /** Everybody, in the order of priorities. */
  *places(): Generator<Place<T>> {
    for (const line of this.#lines) for (let place = line.first; place !== undefined; place = place.after) yield place
  }

  #oldest(): Place<T> | undefined {
    let oldest: Place<T> | undefined
    for (const { first } of this.#lines) {
      if (first !== undefined && (oldest === undefined || first.number < oldest.number)) oldest = first
    }
    return oldest
  }

  #lineOf(priority: number): Line<T> {
    const at = this.#lines.findIndex((line) => line.priority <= priority)
    const found = this.#lines[at]
    if (found !== undefined && found.priority === priority) return found
    const line: Line<T> = { priority, first: undefined, last: undefined }
    this.#lines.splice(at < 0 ? this.#lines.length : at, 0, line)
    return line
  }
}
