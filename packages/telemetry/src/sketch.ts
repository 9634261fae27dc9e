/**
 * A distribution of positive numbers in bounded memory: counts by logarithmic bins (DDSketch, Masson et al. 2019).
 *
 * 1. A quantile is within `ACCURACY` of a value that was really there, at both ends as in the middle.
 * 2. Merging loses nothing: the sketch of all is the sketch of the parts, in any order and however they were split.
 * 3. At most `MAX_BINS` bins. When there are more, the smallest values share one and 1 and 2 hold for the others: the tail is kept.
 */

/** Relative. */
export const ACCURACY = 0.01
/** Nine decades at this accuracy have about 1,040 bins. */
export const MAX_BINS = 2_048
const GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
const LOG_GAMMA = Math.log(GAMMA)
/** Smaller values count as nothing. */
const SMALLEST = 1e-9

export interface SketchData {
  readonly count: number
  readonly sum: number
  /** Sum of squared distances from the mean. */
  readonly spread: number
  readonly min: number
  readonly max: number
  /** Values that count as nothing. */
  readonly zeros: number
  /** Counts by bin, ascending. */
  readonly bins: readonly (readonly [bin: number, count: number])[]
}

export class Sketch {
  #count = 0
  #sum = 0
  #spread = 0
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  #zeros = 0
  readonly #bins = new Map<number, number>()

  static of(data: SketchData): Sketch {
    const sketch = new Sketch()
    sketch.merge(data)
    return sketch
  }

  /** Values below zero, and those that are no number, are not of a distribution that this can hold: they are left out. */
  add(value: number): void {
    if (!(value >= 0) || value === Number.POSITIVE_INFINITY) return
    const before = this.#count === 0 ? 0 : this.#sum / this.#count
    this.#count++
    this.#sum += value
    this.#spread += (value - before) * (value - this.#sum / this.#count)
    this.#min = Math.min(this.#min, value)
    this.#max = Math.max(this.#max, value)
    if (value < SMALLEST) this.#zeros++
    else this.#raise(Math.ceil(Math.log(value) / LOG_GAMMA), 1)
  }

  merge(other: SketchData | Sketch): void {
    const { count, sum, spread, min, max, zeros, bins } = other instanceof Sketch ? other.toJSON() : other
    if (count === 0) return
    const apart = this.#count === 0 ? 0 : sum / count - this.#sum / this.#count
    this.#spread += spread + (apart ** 2 * this.#count * count) / (this.#count + count)
    this.#count += count
    this.#sum += sum
    this.#min = Math.min(this.#min, min)
    this.#max = Math.max(this.#max, max)
    this.#zeros += zeros
    for (const [bin, of] of bins) this.#raise(bin, of)
  }

  get count(): number {
    return this.#count
  }

  get sum(): number {
    return this.#sum
  }

  get min(): number | undefined {
    return this.#count === 0 ? undefined : this.#min
  }

  get max(): number | undefined {
    return this.#count === 0 ? undefined : this.#max
  }

  /** Of the values themselves, not an estimate from a sample. */
  get deviation(): number | undefined {
    return this.#count === 0 ? undefined : Math.sqrt(Math.max(0, this.#spread) / this.#count)
  }

  /** The smallest value that at least `q` of all do not exceed (nearest rank): 0.5 is the median, 0.99 of ten values the largest. */
  quantile(q: number): number | undefined {
    if (this.#count === 0) return undefined
    if (q <= 0) return this.#min
    if (q >= 1) return this.#max
    const rank = Math.ceil(q * this.#count)
    let seen = this.#zeros
    if (seen >= rank) return Math.max(0, this.#min)
    for (const [bin, count] of this.#ascending()) {
      seen += count
      if (seen >= rank) return Math.min(this.#max, Math.max(this.#min, (2 * GAMMA ** bin) / (1 + GAMMA)))
    }
    return this.#max
  }

  /** How many values are at most `bound`, to within one bin. */
  countUpTo(bound: number): number {
    if (bound < 0) return 0
    const last = bound < SMALLEST ? Number.NEGATIVE_INFINITY : Math.floor(Math.log(bound) / LOG_GAMMA)
    let seen = this.#zeros
    for (const [bin, count] of this.#bins) if (bin <= last) seen += count
    return bound >= this.#max ? this.#count : seen
  }

  toJSON(): SketchData {
    return {
      ...{ count: this.#count, sum: this.#sum, spread: this.#spread, zeros: this.#zeros },
      ...(this.#count === 0 ? { min: 0, max: 0 } : { min: this.#min, max: this.#max }),
      bins: this.#ascending(),
    }
  }

  #raise(bin: number, count: number): void {
    this.#bins.set(bin, (this.#bins.get(bin) ?? 0) + count)
    if (this.#bins.size <= MAX_BINS) return
    const [lowest, next] = this.#ascending()
    if (lowest === undefined || next === undefined) return
    this.#bins.delete(lowest[0])
    this.#bins.set(next[0], next[1] + lowest[1])
  }

  #ascending(): [number, number][] {
    return [...this.#bins].sort(([a], [b]) => a - b)
  }
}
