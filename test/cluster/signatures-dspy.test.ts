/**
 * What our grammar accepts, DSPy takes for the same fields and types, and a spec has one hash wherever it goes:
 * TypeScript → Python class → spec → TypeScript. For the corpus and for random texts, by DSPy itself.
 */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { dynamicSignature, SignatureRefused, type Spec, signatureFromSpec } from '@troupe/signatures'
import { CUSTOM, randomText, seededDice } from '@troupe/signatures/testing'
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

/** @param order whether DSPy's own reading keeps the order of values and members: it reads some texts without */
function agree(cases: readonly Made[], keepsOrder: (text: string) => boolean): void {
  for (const [n, said] of inPython(cases).entries()) {
    const ours = cases[n]
    if (ours === undefined) throw new Error('more answers than questions')
    const { text, spec, schemas } = ours
    const fields = keepsOrder(text) ? spec.fields : expect.anything()
    expect(said, text).toEqual({ text, spec: { ...spec, name: expect.any(String) }, schemas, fields })
    expect(signatureFromSpec(said.spec).hash, text).toBe(spec.hash)
  }
}

test('the whole corpus: what is accepted, and its hash at every station', () => {
  const file = join(repository, 'test/golden/signatures.json')
  const { texts }: { texts: { text: string; trap?: string }[] } = JSON.parse(readFileSync(file, 'utf8'))
  const forgets = new Set(texts.flatMap(({ text, trap }) => (trap?.includes('forgets the order') ? [text] : [])))
  const cases = texts.flatMap(({ text }) => made(text) ?? [])
  expect(cases.length).toBeGreaterThan(300)
  agree(cases, (text) => !forgets.has(text))
}, 300_000)

test(`${count} random texts that are accepted, and their hashes at every station (DSPY_SEED=${seed})`, () => {
  const dice = seededDice(seed)
  const cases: Made[] = []
  while (cases.length < count) {
    const one = made(randomText(dice))
    if (one !== undefined) cases.push(one)
  }
  agree(cases, () => true)
}, 300_000)
