/** What our grammar accepts, DSPy takes for the same fields and types: random texts, by DSPy itself. */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { dynamicSignature, SignatureRefused, type Spec } from '@troupe/signatures'
import { CUSTOM, randomText, seededDice } from '@troupe/signatures/testing'
import { expect, test } from 'vitest'

const seed = Number(process.env['DSPY_SEED'] ?? randomInt(2 ** 31))
const count = Number(process.env['DSPY_TEXTS'] ?? 300)
const repository = join(import.meta.dirname, '../..')

/** Reads `{text, spec}` line by line; prints those that DSPy takes for something else. */
const SCRIPT = `
import json, sys, typing
import dspy
from pydantic import BaseModel
from troupe_worker.signatures import signature_of, spec_of, json_schema_of

CUSTOM = {name: type(name, (BaseModel,), {"__annotations__": {"name": str}}) for name in json.loads(sys.argv[1])}
counted = 0
for line in sys.stdin:
    case = json.loads(line)
    counted += 1
    try:
        # Otherwise a union may come back in the order of an equal one that was made before.
        for forget in getattr(typing, "_cleanups", ()):
            forget()
        made = dspy.make_signature(case["text"], custom_types=CUSTOM)
        fields, wanted = spec_of(made)["fields"], case["spec"]["fields"]
        if fields != wanted:
            print(json.dumps({"text": case["text"], "dspy": fields, "ours": wanted}))
        round_trip = spec_of(signature_of(case["spec"]))
        if round_trip["hash"] != case["spec"]["hash"]:
            print(json.dumps({"text": case["text"], "hash": round_trip["hash"]}))
        for io in ("input", "output"):
            schema = json_schema_of(signature_of(case["spec"]), io)
            if schema != case[io]:
                print(json.dumps({"text": case["text"], "dspy": schema, "ours": case[io]}))
    except Exception as error:
        print(json.dumps({"text": case["text"], "error": repr(error)}))
print(json.dumps(counted))
`

interface Case {
  readonly text: string
  readonly spec: Spec
  readonly input: unknown
  readonly output: unknown
}

function accepted(): Case[] {
  const dice = seededDice(seed)
  const types = Object.fromEntries(
    CUSTOM.map((name) => {
      const schema = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as const
      const jsonSchema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] }
      return [name, { schema, jsonSchema }]
    }),
  )
  const cases: Case[] = []
  while (cases.length < count) {
    const text = randomText(dice)
    try {
      const { spec, input, output } = dynamicSignature(text, { types })
      const described = (side: typeof input) => side['~standard'].jsonSchema.output()
      cases.push({ text, spec, input: described(input), output: described(output) })
    } catch (error) {
      if (!(error instanceof SignatureRefused)) throw error
    }
  }
  return cases
}

test(`DSPy and the spec agree on ${count} random texts that are accepted (DSPY_SEED=${seed})`, () => {
  const { stdout, stderr } = spawnSync(
    join(repository, '.venv/bin/python'),
    ['-W', 'ignore', '-c', SCRIPT, JSON.stringify(CUSTOM)],
    {
      input: accepted()
        .map((one) => `${JSON.stringify(one)}\n`)
        .join(''),
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    },
  )
  const said = stdout
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  expect(said.slice(0, 5), stderr).toEqual([count])
}, 300_000)
