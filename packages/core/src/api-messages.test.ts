/**
 * What a user reads for a mistake is part of the API: one compilation of `test/api-mistakes.ts`, one message per mistake. All
 * of them stand in `test/api-mistakes.txt`; what each must say stands here.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { type Mistakes, readMistakes, shown } from '../../../test/mistakes/read-mistakes.mjs'

/** A message is read in a terminal or a tool tip. */
const MOST_CHARACTERS = 500

const SENTENCES: readonly (readonly [mistake: string, ...sentences: string[]])[] = [
  ['E1 unknown event', `Type '"sub"' is not assignable to type '"add"'`],
  ['E2 wrong payload type', "Type 'string' is not assignable to type 'number'"],
  ['E3 missing payload field', `Property 'by' is missing in type '{ type: "add"; }'`],
  ['E4 reply declared for an event that does not exist', `"no event 'ad' in events"`],
  [
    'E5 machine replies with the wrong type',
    "Argument of type 'string' is not assignable to parameter of type 'number |",
  ],
  ['E6 machine handles an event that is not in the protocol', "'addd' does not exist", "Did you mean to write 'add'?"],
  ['E7 logic does not take a protocol event', `is not assignable to type '"the logic does not take 'reset'"'`],
  ['E8 reply to an event with no reply', `Argument of type '"reset"' is not assignable to parameter of type '"add"'`],
  ['E9 matches an unknown state', `Argument of type '"nope"' is not assignable to parameter of type '"busy" | "idle"'`],
  ['E17 effect invoked with the wrong input', "'cent' does not exist in type", '{ cents: number; }'],
  ['E18 an option that does not exist', "'durable' does not exist in type 'ActorPolicy &"],
  [
    'E19 a definition that is not an actor',
    "missing the following properties from type 'AnyActorDef': protocol, logic",
  ],
  ['E20 a handler forgets its reply', "Type '{ n: number; }' is missing the following properties", 'state, reply'],
  ['E21 a handler is missing', "Property 'reset' is missing in type"],
]

let read: Mistakes
beforeAll(() => {
  read = readMistakes(new URL('../test/', import.meta.url))
}, 60_000)

describe('what a user reads', () => {
  test.each(SENTENCES)('%s', (mistake, ...sentences) => {
    const text = (read.get(mistake) ?? []).join('\n')
    for (const sentence of sentences) expect(text).toContain(sentence)
    expect(text.length).toBeLessThanOrEqual(MOST_CHARACTERS)
  })

  test('one error for one mistake, and none beside them', () => {
    const errors = [...read].map(([mistake, lines]) => [
      mistake,
      lines.filter((line) => line.startsWith('error TS')).length,
    ])
    expect(errors).toEqual(SENTENCES.map(([mistake]) => [mistake, 1]))
  })

  test('word by word', async () => {
    await expect(shown(read)).toMatchFileSnapshot('../test/api-mistakes.txt')
  })
})
