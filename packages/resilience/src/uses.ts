/**
 * The record of a protected effect within the effect that runs it, once or many times.
 *
 * 1. The newest use that has ended is on top; those before it are under `earlier`, oldest first. Most are used once, and have no
 *    `earlier`.
 * 2. Bounded: the oldest go first, and `dropped` says how many have gone.
 */
import type { EffectContext } from '@troupe/core'

/** A record shares one journal entry with the whole step. */
const EARLIER = 20

interface Kept {
  /** Than the next one. */
  readonly earlier: object[]
  dropped: number
}

export class Uses {
  /** By what a run tells its record to, which all contexts made from that of the run have in common. */
  readonly #kept = new WeakMap<EffectContext['evidence'], Kept>()

  /** @returns the record with this use in it */
  add({ evidence }: EffectContext, use: object): object {
    const kept = this.#kept.get(evidence) ?? { earlier: [], dropped: 0 }
    this.#kept.set(evidence, kept)
    if (kept.earlier.length > EARLIER) {
      kept.earlier.shift()
      kept.dropped += 1
    }
    const { dropped } = kept
    const earlier = [...kept.earlier]
    kept.earlier.push(use)
    return { ...use, ...(earlier.length > 0 && { earlier }), ...(dropped > 0 && { dropped }) }
  }
}
