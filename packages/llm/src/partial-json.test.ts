import { describe, expect, test } from 'vitest'
import { type LiveJson, PartialJson } from './partial-json.ts'

/** Numbers in [0, 1) that are the same for the same seed. */
function chanceOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

type Chance = ReturnType<typeof chanceOf>
const TEXTS = ['', 'a', 'é€👍🏽', '"quoted"', 'back\\slash', 'two\nlines\u0007', '{"a": [1]}', '\uD800 alone', '```']
const PLAIN: readonly LiveJson[] = [0, -1.5e-7, 12345678901234, true, false, null]

function randomText(chance: Chance): string {
  return Array.from({ length: chance(4) }, () => TEXTS[chance(TEXTS.length)]).join('')
}

function randomJson(chance: Chance, depth: number): LiveJson {
  const kind = chance(depth > 3 ? 2 : 4)
  if (kind === 0) return randomText(chance)
  if (kind === 1) return PLAIN[chance(PLAIN.length)] ?? null
  if (kind === 2) return Array.from({ length: chance(4) }, () => randomJson(chance, depth + 1))
  return randomObject(chance, depth)
}

function randomObject(chance: Chance, depth = 0): { [key: string]: LiveJson } {
  return Object.fromEntries(
    Array.from({ length: chance(5) }, (_, n) => [`${n}${randomText(chance)}`, randomJson(chance, depth + 1)]),
  )
}

/** As JSON, with any characters of strings as escapes. */
function spelled(value: LiveJson, chance: Chance): string {
  const json = JSON.stringify(value, null, chance(3))
  return chance(2) === 0
    ? json
    : json.replace(/[é€\uD800-\uDFFF]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function hasGrown(before: LiveJson | undefined, after: LiveJson | undefined): boolean {
  if (before === undefined) return true
  if (typeof before === 'string') return typeof after === 'string' && after.startsWith(before)
  if (Array.isArray(before)) return Array.isArray(after) && before.every((item, n) => hasGrown(item, after[n]))
  if (typeof before !== 'object' || before === null) return Object.is(before, after)
  if (typeof after !== 'object' || after === null || Array.isArray(after)) return false
  return Object.entries(before).every(([key, item]) => hasGrown(item, after[key]))
}

function readAll(pieces: Iterable<string>): PartialJson['value'] {
  const reader = new PartialJson()
  for (const piece of pieces) reader.push(piece)
  return reader.value
}

describe('of random objects', () => {
  test('partial-json/1: every prefix gives a value that only grows, to the whole', () => {
    const seed = Number(process.hrtime.bigint() % 1_000_000n)
    for (let n = 0; n < 300; n++) {
      const chance = chanceOf(seed + n)
      const value = randomObject(chance)
      const text = `Here it is:\n${spelled(value, chance)}\nDone.`
      const reader = new PartialJson()
      let before: LiveJson | undefined
      for (const unit of text.split('')) {
        const grown = reader.push(unit)
        const after = structuredClone(reader.value)
        const shown = `seed ${seed + n}: ${text}`
        expect(hasGrown(before, after), shown).toBe(true)
        if (!grown) expect(after, shown).toEqual(before)
        before = after
      }
      expect(before, `seed ${seed + n}: ${text}`).toEqual(JSON.parse(JSON.stringify(value)))
    }
  })

  test('where the pieces are cut changes nothing', () => {
    const seed = Number(process.hrtime.bigint() % 1_000_000n)
    for (let n = 0; n < 300; n++) {
      const chance = chanceOf(seed + n)
      const text = spelled(randomObject(chance), chance)
      const pieces: string[] = []
      for (let at = 0; at < text.length; ) {
        const end = at + 1 + chance(9)
        pieces.push(text.slice(at, end))
        at = end
      }
      expect(readAll(pieces), `seed ${seed + n}: ${text}`).toEqual(JSON.parse(text))
    }
  })

  test('partial-json/2: nothing that is broken makes it throw, or take back what was there', () => {
    const seed = Number(process.hrtime.bigint() % 1_000_000n)
    for (let n = 0; n < 300; n++) {
      const chance = chanceOf(seed + n)
      const text = spelled(randomObject(chance), chance)
      const at = chance(text.length)
      const broken = text.slice(0, at) + '{}[]",:\\u1e-'[chance(12)] + text.slice(at + chance(3))
      const reader = new PartialJson()
      reader.push(broken.slice(0, at))
      const before = structuredClone(reader.value)
      reader.push(broken.slice(at))
      expect(hasGrown(before, reader.value), `seed ${seed + n}: ${broken}`).toBe(true)
    }
  })
})

test.each([
  ['no object', undefined],
  ['[1, 2', undefined],
  ['```json\n{"a": "x', { a: 'x' }],
  ['{"a": 12', {}],
  ['{"a": 12,', { a: 12 }],
  ['{"a": tru', {}],
  ['{"a": "\\u00e', { a: '' }],
  ['{"a": "\\ud83d', { a: '' }],
  ['{"a": "\\ud83d\\udc4d', { a: '👍' }],
  ['{"a": "\\ud83d"', { a: '\ud83d' }],
  ['{"a": [1, {"b": "c', { a: [1, { b: 'c' }] }],
  ['{"a": 1} {"a": 2}', { a: 1 }],
  ['{"a": 1, "a": 2, "b": 3}', { a: 1 }],
  ['{"a": 1 "b": 2}', { a: 1 }],
  ['{"a": 01, "b": 2}', {}],
  ['{"a": 1, "__proto__": {"admin": true}, "b": 2}', { a: 1 }],
  ['{"a": 1, b: 2}', { a: 1 }],
])('the object in %s', (text, value) => {
  expect(readAll([text])).toEqual(value)
  expect(readAll(text)).toEqual(value)
})

test('partial-json/3: a million characters one by one cost what they cost, also deep ones', () => {
  const begun = performance.now()
  const long = readAll(`{"a": "${'x'.repeat(500_000)}", "b": [${'1,'.repeat(250_000)}`)
  expect(long?.['a']).toHaveLength(500_000)
  expect(long?.['b']).toHaveLength(250_000)
  readAll(`{"a": ${'['.repeat(1_000_000)}`)
  expect(performance.now() - begun).toBeLessThan(4_000)
})
