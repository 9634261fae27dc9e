/**
 * Chance: the machine's, or a seeded one that gives the same values for the same seed on every platform.
 *
 * 1. `seededEntropy` is a test tool: its values are predictable and must never name a writer, client or stream in production.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Entropy } from './ports.ts'

export function cryptoEntropy(): Entropy {
  return {
    // 48 bits: the widest unsigned integer `Buffer` reads, and below the 53 a double holds exactly.
    random: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
    uuid: () => randomUUID(),
    hex: (bits) =>
      randomBytes(Math.ceil(bits / 8))
        .toString('hex')
        .slice(0, bits / 4),
  }
}

export function seededEntropy(seed: number | string): Entropy {
  const next = sfc32(hash(String(seed)))
  const hex = (bits: number): string => {
    let text = ''
    while (text.length < bits / 4) text += next().toString(16).padStart(8, '0')
    return text.slice(0, bits / 4)
  }
  return {
    random: () => next() / 2 ** 32,
    uuid: () => {
      const h = hex(128)
      const variant = ((Number.parseInt(h.slice(16, 17), 16) & 0x3) | 0x8).toString(16)
      return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-${variant}${h.slice(17, 20)}-${h.slice(20)}`
    },
    hex,
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (const byte of Buffer.from(text, 'utf8')) h = Math.imul(h ^ byte, 0x01000193) >>> 0
  return h
}

/** Chris Doty-Humphrey's small fast counting generator: 128 bits of state, passes PractRand. */
function sfc32(seed: number): () => number {
  let [a, b, c, counter] = [0, seed, seed ^ 0x9e3779b9, 1]
  const next = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  // The author's advice: the first outputs still look like the seed.
  for (let i = 0; i < 16; i++) next()
  return next
}
