/**
 * What our grammar accepts, DSPy takes for the same fields and types, and a spec has one hash wherever it goes:
 * TypeScript → Python class → spec → TypeScript. For the corpus and for random texts, by DSPy itself.
 */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { dynamicSignature, SignatureRefused, type Spec, signatureFromSpec, textOf } from '@troupe/signatures'
import { CUSTOM, randomText, randomType, randomValue, seededDice } from '@troupe/signatures/testing'
import { expect, test } from 'vitest'

const seed = Number(process.env['DSPY_SEED'] ?? randomInt(2 ** 31))
const count = Number(process.env['DSPY_TEXTS'] ?? 300)
const repository = join(import.meta.dirname, '../..')

/** Reads `{text, spec}` line by line, and says what DSPy makes of the text and what becomes of the spec. */
const SCRIPT = `
import json, sys, typing
import dspy
from pydantic import BaseModel
from troupe_worker.signatures import signature_of, spec_of, json_schema_of

CUSTOM = {name: type(name, (BaseModel,), {"__annotations__": {"name": str}}) for name in json.loads(sys.argv[1])}
for line in sys.stdin:
    case = json.loads(line)
    said = {"text": case["text"]}
    try:
        # Otherwise a union may come back in the order of an equal one that was made before.
        for forget in getattr(typing, "_cleanups", ()):
            forget()
        made = signature_of(case["spec"])
        said["spec"] = spec_of(made)
        said["schemas"] = [json_schema_of(made, io) for io in ("input", "output")]
        said["fields"] = spec_of(dspy.make_signature(case["text"], custom_types=CUSTOM))["fields"]
    except Exception as error:
        said["error"] = repr(error)
    print(json.dumps(said))
`

/** Of one text: ours, or what Python says. */
interface Made {
  readonly text: string
  readonly spec: Spec
  readonly schemas: readonly unknown[]
  /** What DSPy reads in the text. */
  readonly fields?: unknown
}

const NAMES = [...CUSTOM, 'Color']
const types = Object.fromEntries(
  NAMES.map((name) => {
    const schema = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as const
    const jsonSchema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] }
    return [name, { schema, jsonSchema }] as const
  }),
)

function made(text: string): Made | undefined {
  try {
    const { spec, input, output } = dynamicSignature(text, { types })
    return { text, spec, schemas: [input, output].map((side) => side['~standard'].jsonSchema.output()) }
  } catch (error) {
    if (error instanceof SignatureRefused) return undefined
    throw error
  }
}

function inPython(cases: readonly Made[]): Made[] {
  const { stdout, stderr } = spawnSync(
    join(repository, '.venv/bin/python'),
    ['-W', 'ignore', '-c', SCRIPT, JSON.stringify(NAMES)],
    { input: cases.map((one) => `${JSON.stringify(one)}\n`).join(''), encoding: 'utf8', maxBuffer: 2 ** 28 },
  )
  const said = stdout.split('\n').flatMap((line): Made[] => (line === '' ? [] : [JSON.parse(line)]))
  expect(said.length, stderr).toBe(cases.length)
  return said
}

/** A union that is read second may come back in the order of an equal one before it, in one and the same text too: `typing` forgets it. */
function withoutOrder(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(withoutOrder)
  if (typeof json !== 'object' || json === null) return json
  const members = Object.entries(json)
    .map(([key, value]) => [key, withoutOrder(value)] as const)
    .sort(byText)
  const sorted = members.map(([key, value]) => {
    return key === 'values' || (key === 'of' && Array.isArray(value))
      ? [key, [...Object(value)].sort(byText)]
      : [key, value]
  })
  return Object.fromEntries(sorted)
}

const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

function agree(cases: readonly Made[]): void {
  for (const [n, { fields, ...said }] of inPython(cases).entries()) {
    const ours = cases[n]
    if (ours === undefined) throw new Error('more answers than questions')
    const { text, spec, schemas } = ours
    expect(said, text).toEqual({ text, spec: { ...spec, name: expect.any(String) }, schemas })
    expect(withoutOrder(fields), text).toEqual(withoutOrder(spec.fields))
    expect(signatureFromSpec(said.spec).hash, text).toBe(spec.hash)
  }
}

test('the whole corpus: what is accepted, and its hash at every station', () => {
  const file = join(repository, 'test/golden/signatures.json')
  const { texts }: { texts: { text: string }[] } = JSON.parse(readFileSync(file, 'utf8'))
  const cases = texts.flatMap(({ text }) => made(text) ?? [])
  expect(cases.length).toBeGreaterThan(300)
  agree(cases)
}, 300_000)

test(`${count} random texts that are accepted, and their hashes at every station (DSPY_SEED=${seed})`, () => {
  const dice = seededDice(seed)
  const cases: Made[] = []
  while (cases.length < count) {
    const one = made(randomText(dice))
    if (one !== undefined) cases.push(one)
  }
  agree(cases)
}, 300_000)

const VALUES = `
import json, sys
from troupe_worker._errors import InvalidArguments
from troupe_worker.signatures import check_inputs, signature_of

# On the bus a number that no whole number of JavaScript reaches is a float, whatever its digits.
whole = lambda digits: int(digits) if abs(int(digits)) < 2**53 else float(digits)

for line in sys.stdin:
    case = json.loads(line, parse_int=whole)
    try:
        print(json.dumps({"value": check_inputs(signature_of(case["spec"]), case["value"])}))
    except InvalidArguments as error:
        print(json.dumps({"issues": str(error)}))
`

test(`${count} random types take the same values in both languages (DSPY_SEED=${seed})`, () => {
  const dice = seededDice(seed)
  const cases: { spec: Spec; value: unknown; fits: boolean }[] = []
  while (cases.length < 4 * count) {
    const type = randomType(dice)
    if (type.kind === 'None') continue
    const { spec, input } = dynamicSignature(`q: ${textOf(type)} -> a`)
    for (let n = 0; n < 4; n++) {
      // As it comes out of a message.
      const value: unknown = JSON.parse(JSON.stringify({ q: randomValue(type, dice) }, noBigInt))
      cases.push({ spec, value, fits: 'value' in input['~standard'].validate(value) })
    }
  }
  const input = cases.map(({ spec, value }) => `${JSON.stringify({ spec, value })}\n`).join('')
  const { stdout, stderr } = spawnSync(join(repository, '.venv/bin/python'), ['-W', 'ignore', '-c', VALUES], {
    ...{ input, encoding: 'utf8', maxBuffer: 2 ** 28 },
  })
  const said = stdout.trim().split('\n')
  expect(said.length, stderr).toBe(cases.length)
  const differ = cases.flatMap(({ spec, value, fits }, n) => {
    const python = said[n] ?? ''
    return python.startsWith('{"value"') === fits ? [] : [{ type: spec.fields[0]?.type, value, fits, python }]
  })
  expect(differ).toEqual([])
  const fitting = cases.filter(({ fits }) => fits).length
  expect(Math.min(fitting, cases.length - fitting)).toBeGreaterThan(cases.length / 10)
}, 300_000)

const noBigInt = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? null : value)
