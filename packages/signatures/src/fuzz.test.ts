import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { parseFields } from './parse.ts'
import { CUSTOM, randomText, seededDice } from './random-text.ts'
import { MAX_CHARS, SignatureRefused } from './refusal.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31))
const TEXTS = 100_000
const types = new Set<string>(CUSTOM)

const verdict = (text: string): 'accepted' | 'refused' => {
  try {
    parseFields(text, types)
    return 'accepted'
  } catch (error) {
    if (error instanceof SignatureRefused) return 'refused'
    throw new Error(`${JSON.stringify(text)} broke the parser`, { cause: error })
  }
}

test(`${TEXTS} random texts are accepted or refused, and leave nothing behind (FUZZ_SEED=${seed})`, () => {
  const before = Object.getOwnPropertyNames(Object.prototype)
  const dice = seededDice(seed)
  const seen = { accepted: 0, refused: 0 }
  for (let n = 0; n < TEXTS; n++) seen[verdict(randomText(dice))]++
  expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(TEXTS / 10)
  expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before)
})

test('names that mean something to JavaScript are names like others, or none', () => {
  for (const name of ['constructor', 'toString', 'hasOwnProperty', 'valueOf', 'prototype']) {
    expect(parseFields(`${name} -> a: list[str]`, types)[0]?.name).toBe(name)
    expect(verdict(`q -> a: ${name}`)).toBe('refused')
  }
  expect(verdict('__proto__ -> a')).toBe('refused')
})

/** As long as is allowed, and made to be looked at again and again. */
const filled = (start: string, part: string, end = '', length = MAX_CHARS) =>
  start + part.repeat(Math.floor((length - start.length - end.length) / part.length)) + end
const HOSTILE: readonly (readonly [start: string, part: string, end?: string])[] = [
  ['q -> a: ', 'list['],
  ['q -> a: ', '['],
  ['q -> a: ', 'int|', 'int'],
  ['q -> a: Literal[', "'", ']'],
  ['q -> a: Literal[', "'a' "],
  ['q -> a: Literal[', '-'],
  ['q -> a: Annotated[int, Field(', 'ge=0,', ')]'],
  ['q -> a: Annotated[int, Field(', '='],
  ['', ' ', '-> a'],
  ['', 'a ', '-> a'],
  ['', '-', '> a'],
  ['', 'a,', '-> b'],
  ['q -> ', ','],
  ['q -> a: tuple[', '..., ', ']'],
  ['q -> a: ', '\n'],
  ['q -> a: ', 'a.'],
  ['q -> a: ', '😀'],
]

test('no text of the allowed length takes long: eight times the text, at most some twenty times the time', () => {
  const time = (text: string): number => {
    const rounds = Array.from({ length: 7 }, () => {
      const begun = performance.now()
      for (let n = 0; n < 20; n++) verdict(text)
      return performance.now() - begun
    })
    return Math.min(...rounds)
  }
  for (const [start, part, end] of HOSTILE) {
    const [short, long] = [filled(start, part, end, MAX_CHARS / 8), filled(start, part, end)]
    time(short)
    const [shortMs, longMs] = [time(short), time(long)]
    // What takes below a twentieth of a millisecond is not measured well enough for a ratio.
    expect(longMs, `${start}${part}… ${shortMs} ms, eight times as long: ${longMs} ms`).toBeLessThan(
      20 * Math.max(shortMs, 1),
    )
  }
})
