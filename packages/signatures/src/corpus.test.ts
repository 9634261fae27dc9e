/** What DSPy itself made of some 900 texts (`python/tests/signature_corpus.py`), against what is made here. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { textOf } from './field-type.ts'
import { schemaOf } from './json-schema.ts'
import { type ParsedField, parseFields } from './parse.ts'
import { SignatureRefused } from './refusal.ts'
import { signatureFromSpec } from './signature.ts'
import type { Spec } from './spec.ts'

const field = z.object({
  name: z.string(),
  io: z.enum(['input', 'output']),
  type: z.string().nullable(),
  optional: z.boolean(),
  schema: z.record(z.string(), z.unknown()).nullable(),
})
const corpus = z
  .object({
    defs: z.record(z.string(), z.unknown()),
    specs: z.array(z.object({ text: z.string(), spec: z.custom<Spec>() })),
    texts: z.array(
      z.object({
        text: z.string(),
        types: z.array(z.string()).optional(),
        dspy: z.union([z.object({ fields: z.array(field) }), z.object({ error: z.string() })]),
        trap: z.string().optional(),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL('../../../test/golden/signatures.json', import.meta.url), 'utf8')))

const ours = (text: string, types: readonly string[] = []): readonly ParsedField[] | SignatureRefused => {
  try {
    return parseFields(text, new Set(types))
  } catch (error) {
    if (error instanceof SignatureRefused) return error
    throw error
  }
}

/** What becomes another type is told by comparing the types. */
const isTrap = (trap: string | undefined) => trap?.split('; ').some((part) => !part.includes(', and becomes ')) === true

describe(`${corpus.texts.length} texts`, () => {
  const judged = corpus.texts.map(({ text, types, dspy, trap }) => ({ text, dspy, trap, fields: ours(text, types) }))
  const accepted = judged.flatMap(({ fields, ...rest }) =>
    fields instanceof SignatureRefused ? [] : [{ ...rest, fields }],
  )

  test('what is accepted has the same fields, types, optional values and JSON Schemas in DSPy', () => {
    expect(accepted.length).toBeGreaterThan(300)
    for (const { text, dspy, trap, fields } of accepted) {
      // An order that `typing` forgot while DSPy read the text is right again in the class that Python makes of our spec.
      if (trap?.includes('forgets the order')) continue
      const made = fields.map(({ name, io, type }) => {
        const optional = type.kind === 'union' && type.of.some(({ kind }) => kind === 'None')
        return { name, io, type: textOf(type), optional, schema: schemaOf(type) }
      })
      expect(dspy, text).toEqual({ fields: made })
    }
  })

  test('where DSPy is silently wrong, the text is refused', () => {
    const traps = judged.filter(({ trap }) => trap !== undefined)
    expect(traps.length).toBeGreaterThan(50)
    expect(accepted.flatMap(({ text, trap }) => (isTrap(trap) ? [{ text, trap }] : []))).toEqual([])
  })

  test('where DSPy fails, the text is refused', () => {
    expect(accepted.flatMap(({ text, dspy }) => ('error' in dspy ? [text] : []))).toEqual([])
  })
})

test('specs that Python wrote have the hashes that they say', () => {
  expect(corpus.specs.length).toBeGreaterThan(0)
  for (const { text, spec } of corpus.specs) expect(signatureFromSpec(spec).hash, text).toBe(spec.hash)
})
