/** What a user reads for a mistake is part of the API: one compilation of `test/api-mistakes.ts`, one sentence per mistake. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const FIXTURE = '../test/api-mistakes.ts'

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

/** Compiler output per mistake: the lines of an error and those that explain it. */
const read = new Map<string, string[]>()

beforeAll(() => {
  const source = readFileSync(at(FIXTURE), 'utf8').split('\n')
  const mistakeAt = (line: number) =>
    source
      .slice(0, line)
      .findLast((text) => text.startsWith('// @mistake '))
      ?.slice('// @mistake '.length) ?? 'none'
  let current = 'none'
  for (const line of compilerOutput().split('\n')) {
    const [, number, error] = /api-mistakes\.ts\((\d+),\d+\): (.*)/.exec(line) ?? []
    if (number !== undefined) current = mistakeAt(Number(number))
    const text = error ?? line.trim()
    if (text !== '') read.set(current, [...(read.get(current) ?? []), text])
  }
}, 60_000)

/** Fails to compile, so it throws; what it printed is on the error. */
function compilerOutput(): string {
  try {
    const tsc = at('../../../node_modules/typescript/bin/tsc')
    return execFileSync(process.execPath, [tsc, '-p', at('../test/tsconfig.json'), '--pretty', 'false'], {
      encoding: 'utf8',
    })
  } catch (error) {
    return typeof error === 'object' && error !== null && 'stdout' in error ? String(error.stdout) : String(error)
  }
}

describe('what a user reads', () => {
  test.each(SENTENCES)('%s', (mistake, ...sentences) => {
    const text = (read.get(mistake) ?? []).join('\n')
    for (const sentence of sentences) expect(text).toContain(sentence)
  })

  test('one error for one mistake, and none beside them', () => {
    const errors = [...read].map(([mistake, lines]) => [
      mistake,
      lines.filter((line) => line.startsWith('error TS')).length,
    ])
    expect(errors).toEqual(SENTENCES.map(([mistake]) => [mistake, 1]))
  })
})
