import { expect, test } from 'vitest'
import { seededEntropy } from '../entropy.ts'
import { isLiteral, isSubject, subjectMatch } from './subject-match.ts'

test.each([
  ['a.b', 'a.b', true],
  ['a.b', 'a.b.c', false],
  ['a.*', 'a.b', true],
  ['a.*', 'a', false],
  ['a.*', 'a.b.c', false],
  ['*.b', 'a.b', true],
  ['a.>', 'a.b.c', true],
  ['a.>', 'a', false],
  ['>', 'a', true],
  ['a.*.c.>', 'a.b.c.d', true],
  ['a.*.c.>', 'a.b.c', false],
  // Wildcards count only as whole tokens.
  ['a*.b', 'ax.b', false],
  ['a*.b', 'a*.b', true],
])('pattern %s and subject %s: %s', (pattern, subject, expected) => {
  expect(subjectMatch(pattern)(subject)).toBe(expected)
})

test('agrees with a definition by token on random patterns and subjects', () => {
  /** Token by token, as the NATS documentation defines it. */
  const matches = ([token, ...pattern]: string[], [part, ...subject]: string[]): boolean => {
    if (token === undefined) return part === undefined
    if (part === undefined) return false
    if (token === '>') return pattern.length === 0
    return (token === '*' || token === part) && matches(pattern, subject)
  }
  const { random } = seededEntropy('subjects')
  const some = <T>(from: readonly T[], count: number): T[] =>
    Array.from({ length: count }, () => from[Math.floor(random() * from.length)]).filter((item) => item !== undefined)
  let hits = 0
  for (let i = 0; i < 20_000; i++) {
    const subject = some(['a', 'b', 'c'], 1 + Math.floor(random() * 4))
    const pattern = some(['a', 'b', '*'], 1 + Math.floor(random() * 4))
    if (random() < 0.3) pattern.push('>')
    const expected = matches(pattern, subject)
    expect(subjectMatch(pattern.join('.'))(subject.join('.')), `${pattern.join('.')} ~ ${subject.join('.')}`).toBe(
      expected,
    )
    if (expected) hits += 1
  }
  expect(hits).toBeGreaterThan(1_000)
})

test('tells subjects from patterns and from nonsense', () => {
  expect(['a', 'a.b', 'a*', '$JS.API'].map(isLiteral)).toEqual([true, true, true, true])
  expect(['*', 'a.*', '>', 'a.>'].map(isLiteral)).toEqual([false, false, false, false])
  expect(['a', 'a.b=2D'].map(isSubject)).toEqual([true, true])
  expect(['', '.', 'a.', '.a', 'a..b', 'a b', 'a\r\n', 'a.>'].map(isSubject)).toEqual(Array(8).fill(false))
})
