/** Draws for random machines. */
import type { Dice } from './fate.ts'

export const EVENTS = ['E0', 'E1', 'E2', 'E3', 'E4'] as const

export interface Roll {
  readonly below: (n: number) => number
  readonly chance: (share: number) => boolean
  readonly pick: <T>(from: readonly [T, ...T[]]) => T
}

export function rollOf(random: Dice): Roll {
  const below = (n: number) => Math.floor(random() * n)
  return {
    below,
    chance: (share) => random() < share,
    pick: ([first, ...rest]) => [first, ...rest][below(rest.length + 1)] ?? first,
  }
}
