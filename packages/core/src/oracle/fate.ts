/** When the process of a hosted actor dies, and how it comes back. */

export type Mode =
  | { readonly kind: 'no restart' }
  /** Every step is lost once and made again. */
  | { readonly kind: 'killed before commit' }
  | { readonly kind: 'killed before release' }
  | { readonly kind: 'killed after release' }
  /** Killed after every other release; comes back from an older snapshot and the steps after it. */
  | { readonly kind: 'snapshot and tail' }
  | { readonly kind: 'random'; readonly seed: number }

export type Death = 'before commit' | 'before release' | 'after release'

/** A step of one queue entry, or of all that waits (a group commit). */
export interface Fate {
  readonly death: Death | undefined
  readonly wholeGroup: boolean
  /** How many of the last committed groups to fold again when the process comes back. */
  readonly tail: number
}

export type Dice = () => number

/** mulberry32: small, and the same everywhere. */
export function dice(seed: number): Dice {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function fates(mode: Mode): () => Fate {
  const always = (death: Death | undefined) => {
    const fate = { death, wholeGroup: false, tail: 0 }
    return () => fate
  }
  switch (mode.kind) {
    case 'no restart':
      return always(undefined)
    case 'killed before commit': {
      let turns = 0
      return () => ({ death: turns++ % 2 === 0 ? 'before commit' : undefined, wholeGroup: false, tail: 0 })
    }
    case 'killed before release':
      return always('before release')
    case 'killed after release':
      return always('after release')
    case 'snapshot and tail': {
      let turns = 0
      return () => ({
        death: turns++ % 2 === 0 ? 'after release' : undefined,
        wholeGroup: false,
        tail: 1 + (turns % 5),
      })
    }
    case 'random': {
      const roll = dice(mode.seed)
      const deaths = ['before commit', 'before release', 'after release'] as const
      return () => ({
        death: roll() < 0.5 ? deaths[Math.floor(roll() * 3)] : undefined,
        wholeGroup: roll() < 0.3,
        tail: Math.floor(roll() * 6),
      })
    }
  }
}
