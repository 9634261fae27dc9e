/** What a user reads for a mistake with these actors: `test/api-mistakes.ts`, compiled once; all of it in `test/api-mistakes.txt`. */
import { beforeAll, describe, expect, test } from 'vitest'
import { type Mistakes, readMistakes, shown } from '../../../test/mistakes/read-mistakes.mjs'

const SENTENCES: readonly (readonly [mistake: string, sentence: string])[] = [
  ['E13 study over a schema that cannot be searched', '"not searchable: declare it with float(), int() or choice()"'],
  ['E13 study over a variable', '"not searchable: declare it with float(), int() or choice()"'],
  [
    'E14 variable with an initial value of the wrong type',
    `Argument of type '"React"' is not assignable to parameter of type '"ChainOfThought" | "Predict"'`,
  ],
  ['study in a direction that does not exist', `Type '"up"' is not assignable to type 'Direction'`],
]

let read: Mistakes
beforeAll(() => {
  read = readMistakes(new URL('../test/', import.meta.url))
}, 60_000)

describe('what a user reads', () => {
  test.each(SENTENCES)('%s', (mistake, sentence) => {
    expect((read.get(mistake) ?? []).join('\n')).toContain(sentence)
  })

  test('word by word, one error for one mistake and none beside them', async () => {
    for (const [mistake, lines] of read) {
      expect(lines.filter((line) => line.startsWith('error TS')).length, mistake).toBe(1)
    }
    expect([...read.keys()]).toEqual(SENTENCES.map(([mistake]) => mistake))
    await expect(shown(read)).toMatchFileSnapshot('../test/api-mistakes.txt')
  })
})
