/** Random plain data from a seeded source, for property tests. A failing test names its seed. */
import type { Entropy } from '../ports.ts'

const ALPHABET = [
  'a',
  'b',
  'Z',
  '0',
  '-',
  '_',
  '.',
  '*',
  '>',
  ' ',
  '/',
  '=',
  '$',
  '"',
  '\\',
  '\n',
  '\0',
  'ä',
  '€',
  '日',
  '😀',
  '\u0301',
]
const KEYS = ['a', 'b', 'type', 'toString', 'constructor', 'id', '$', '$bytes', '$plain', '$ref', '$error', '10', '2']

export interface Random {
  int(below: number): number
  pick<T>(items: readonly T[]): T
  text(longest: number): string
}

export function randomOf({ random }: Entropy): Random {
  const int = (below: number) => Math.floor(random() * below)
  const pick = <T>(items: readonly T[]): T => {
    const item = items[int(items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }
  const text = (longest: number) => Array.from({ length: int(longest + 1) }, () => pick(ALPHABET)).join('')
  return { int, pick, text }
}

/** Everything `codec.ts` calls plain data, errors left out: they compare by name and message only. */
export function plainData(random: Random, depth = 4): unknown {
  const { int, pick, text } = random
  switch (int(depth > 0 ? 10 : 7)) {
    case 0:
      return pick([null, true, false])
    case 1:
      return int(1000) - 500
    case 2:
      return (int(2 ** 31) - 2 ** 30) / 2 ** int(40)
    case 3:
      return BigInt(int(2 ** 31) - 2 ** 30) ** BigInt(int(4))
    case 4:
      return Uint8Array.from({ length: int(8) }, () => int(256))
    case 5:
    case 6:
      return text(6)
    case 7:
      return Array.from({ length: int(4) }, () => plainData(random, depth - 1))
    default: {
      const entries = Array.from(
        { length: int(5) },
        () => [pick([...KEYS, text(4)]), plainData(random, depth - 1)] as const,
      )
      return Object.fromEntries(entries.filter(([key]) => key !== '__proto__'))
    }
  }
}
