import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineSignature, dynamicSignature, signature, signatureFromSpec, signatures } from './signature.ts'
import type { Spec } from './spec.ts'

const validate = (schema: { '~standard': { validate: (value: unknown) => unknown } }, value: unknown) =>
  schema['~standard'].validate(value)

test('a signature is its spec, and the hash of that covers all but the name', () => {
  const made = signature('q, n: Optional[int] -> a: float', { name: 'Ask', desc: { q: 'what is asked' } })
  expect(made.text).toBe('q: str, n: int | None -> a: float')
  expect(made.spec).toEqual({
    v: 1,
    name: 'Ask',
    instructions: 'Given the fields `q`, `n`, produce the fields `a`.',
    fields: [
      { name: 'q', io: 'input', type: { kind: 'str' }, desc: 'what is asked' },
      { name: 'n', io: 'input', type: { kind: 'union', of: [{ kind: 'int' }, { kind: 'None' }] } },
      { name: 'a', io: 'output', type: { kind: 'float' } },
    ],
    defs: {},
    hash: made.hash,
  })
  const same = signature('q: str, n: int | None -> a: float,', { name: 'Other', desc: { q: 'what is asked' } })
  expect(same.hash).toBe(made.hash)
  const other = [
    signature('q, n: Optional[int] -> a: float'),
    signature('q, n: Optional[int] -> a: float', { desc: { q: 'what is asked' }, instructions: 'Answer.' }),
    signature('q, n: Optional[int] -> a: int', { desc: { q: 'what is asked' } }),
    signature('n: Optional[int], q -> a: float', { desc: { q: 'what is asked' } }),
  ]
  expect(new Set([made, ...other].map(({ hash }) => hash)).size).toBe(5)
})

test('instructions are kept as DSPy gives them back: a docstring, cleaned each time it is read', () => {
  const told = (instructions: string) => signature('q -> a', { instructions }).spec.instructions
  expect(told('\n    Answer the question.\n\n    Briefly.\n  ')).toBe('Answer the question.\n\nBriefly.')
  expect(told('  One.\n\tTwo.')).toBe('One.\nTwo.')
  expect(told('\n  a\n    b')).toBe('a\nb')
})

test('values are checked with paths, and given back as they are', () => {
  const { input, output } = signature('q: str, by: dict[str, int] -> a: float')
  const value = { q: 'x', by: { a: 1 } }
  expect(validate(input, value)).toEqual({ value })
  expect(validate(input, { q: 'x', by: { a: 1.5 }, more: 1 })).toEqual({
    issues: [
      { message: 'is no field of the signature', path: ['more'] },
      { message: 'must be a whole number', path: ['by', 'a'] },
    ],
  })
  expect(validate(output, {})).toEqual({ issues: [{ message: 'is missing', path: ['a'] }] })
  expect(validate(output, [])).toEqual({ issues: [{ message: 'must be an object with the fields by name', path: [] }] })
  expect(validate(output, Object.create({ a: 1 }))).toMatchObject({ issues: [{}] })
  expect(output['~standard'].jsonSchema.output()).toEqual({
    type: 'object',
    properties: { a: { type: 'number' } },
    required: ['a'],
    additionalProperties: false,
  })
})

test('custom types are read by their own schemas, and described in the spec', () => {
  const Person = z.object({ name: z.string(), age: z.int().default(0) })
  const made = signature('p: Person -> ps: list[Person], first: Person | None', { types: { Person } })
  expect(validate(made.input, { p: { name: 'Ada' } })).toEqual({ value: { p: { name: 'Ada', age: 0 } } })
  expect(
    validate(made.output, {
      ps: [
        { name: 'Ada', age: 1 },
        { name: 2, age: 1 },
      ],
      first: null,
    }),
  ).toMatchObject({
    issues: [{ path: ['ps', 1, 'name'] }],
  })
  expect(Object.keys(made.spec.defs)).toEqual(['Person'])
  expect(made.output['~standard'].jsonSchema.output()).toMatchObject({
    properties: { ps: { type: 'array', items: { $ref: '#/$defs/Person' } } },
    $defs: { Person: { type: 'object', required: ['name', 'age'] } },
  })
})

test('types that no field uses are no part of the spec', () => {
  const types = { Person: z.object({ name: z.string() }) }
  expect(dynamicSignature('q -> a', { types }).hash).toBe(signature('q -> a').hash)
  expect(signature('q -> a', { instructions: ' ' }).spec.instructions).toContain('Given the fields')
})

test('a recursive custom type refers to itself inside the spec', () => {
  const Tree = z.object({
    label: z.string(),
    get children() {
      return z.array(Tree)
    },
  })
  const { spec } = signature('t: Tree -> size: int', { types: { Tree } })
  expect(JSON.stringify(spec.defs)).toContain('"$ref":"#/$defs/Tree')
  for (const [, target] of JSON.stringify(spec.defs).matchAll(/"#\/\$defs\/([^"]+)"/g)) {
    expect(Object.keys(spec.defs)).toContain(target)
  }
})

test('custom types need a name of their own and a JSON Schema', () => {
  const silent = { '~standard': { version: 1, vendor: 'x', validate: (value: unknown) => ({ value }) } } as const
  expect(() => dynamicSignature('p: Person -> a', { types: { Person: silent } })).toThrow('cannot say its JSON Schema')
  const told = dynamicSignature('p: Person -> a', {
    types: { Person: { schema: silent, jsonSchema: { type: 'string' } } },
  })
  expect(told.spec.defs).toEqual({ Person: { type: 'string' } })
  expect(() => dynamicSignature('p: int -> a', { types: { int: z.string() } })).toThrow("'int' in 'types' is no name")
  expect(() => dynamicSignature('p -> a', { desc: { q: 'x' } })).toThrow("no field 'q'")
})

test('a definition field by field is the signature of its text', () => {
  const long = defineSignature({
    inputs: { question: 'str', context: { type: 'list[str]', desc: 'what is known' } },
    outputs: { answer: "Literal['yes', 'no']" },
    instructions: 'Answer.',
  })
  const text = signature("question: str, context: list[str] -> answer: Literal['yes', 'no']", {
    instructions: 'Answer.',
    desc: { context: 'what is known' },
  })
  expect(long.spec).toEqual(text.spec)
  const smuggled: string = 'str, more: int'
  expect(() => defineSignature({ inputs: { q: smuggled }, outputs: { a: 'str' } } as never)).toThrow('one type')
})

test('instructions with any space and line end settle to what every Python leaves alone', () => {
  const told = (instructions: string) => dynamicSignature('q -> a', { instructions }).spec.instructions
  expect(told('\u3000答えなさい。\r\n\u2003\u00a0Two.\n\u2003\u00a0Three.\n')).toBe('答えなさい。\nTwo.\nThree.')
  for (const text of ['\u000bA', '\u001cA', '\ufeffA', '\tA', '\r\n  A\r\n']) expect(told(text)).toBe('A')
})

test('fields named as members of every object are fields like others', () => {
  for (const name of ['valueOf', 'constructor', 'toString', 'hasOwnProperty']) {
    const { spec } = dynamicSignature(`${name} -> a`)
    expect(spec.fields[0]).toEqual({ name, io: 'input', type: { kind: 'str' } })
    expect(signatureFromSpec(JSON.parse(JSON.stringify(spec))).hash).toBe(spec.hash)
  }
})

test('what no message could carry, or Python would refuse, is no spec', () => {
  expect(() => dynamicSignature('q -> a', { desc: { q: '\ud800' } })).toThrow('half a surrogate pair')
  expect(() => dynamicSignature('q -> a', { instructions: 'a\udc00' })).toThrow('half a surrogate pair')
  expect(() => dynamicSignature('q -> a', { name: 'x'.repeat(201) })).toThrow('at most 200 characters')
  expect(dynamicSignature('q -> a', { name: '' }).spec.name).toBe('Signature')
  expect(() => dynamicSignature('d: When -> a', { types: { When: z.date() } })).toThrow(
    expect.objectContaining({
      reason: "type 'When' cannot say its JSON Schema; pass { schema, jsonSchema }",
      cause: expect.any(Error),
    }),
  )
})

test.each<[(spec: Spec) => unknown, string]>([
  [() => null, 'the spec: no object'],
  [(spec) => ({ ...spec, v: 2 }), 'a spec of version 2'],
  [(spec) => ({ ...spec, fields: spec.fields.toReversed() }), 'inputs come first'],
  [(spec) => ({ ...spec, fields: spec.fields.slice(0, 1) }), 'inputs and outputs are needed'],
  [(spec) => ({ ...spec, fields: [{ ...spec.fields[0], name: 'class' }] }), "field 'class': is a keyword"],
  [(spec) => ({ ...spec, fields: [{ ...spec.fields[0], type: { kind: 'bytes' } }] }), 'field \'q\': no kind "bytes"'],
  [
    (spec) => ({ ...spec, fields: [{ ...spec.fields[0], type: { kind: 'str', limits: { ge: 1 } } }] }),
    "limit 'ge' is not",
  ],
  [(spec) => ({ ...spec, defs: { int: {} } }), "'int' in 'types' is no name"],
])('a spec from elsewhere is read strictly (%#)', (change, says) => {
  expect(() => signatureFromSpec(change(dynamicSignature('q -> a').spec))).toThrow(says)
})

test('custom types of a spec from elsewhere take JSON, or what their schema says when it is given', () => {
  const { spec } = dynamicSignature('p: Person -> a', { types: { Person: z.object({ name: z.string() }) } })
  const open = signatureFromSpec(JSON.parse(JSON.stringify(spec)))
  expect(validate(open.input, { p: { name: 1 } })).toEqual({ value: { p: { name: 1 } } })
  expect(validate(open.input, { p: Number.NaN })).toMatchObject({ issues: [{ path: ['p'] }] })
  const checked = signatureFromSpec(spec, { Person: z.object({ name: z.string() }) })
  expect(validate(checked.input, { p: { name: 1 } })).toMatchObject({ issues: [{ path: ['p', 'name'] }] })
})

test('a spec from elsewhere must have the hash that it says', () => {
  const { spec, hash } = signature('q: str -> a: int')
  expect(signatureFromSpec(JSON.parse(JSON.stringify(spec))).hash).toBe(hash)
  expect(() => signatureFromSpec({ ...spec, instructions: 'Other.' })).toThrow(`the spec says hash ${hash} and has`)
})

test('signature/2: a text without a plan is read once, counted, and refused when plans are required', () => {
  const made = signatures()
  made.signature('q -> a')
  made.signature('q -> b')
  expect(made.runtimeParsed()).toEqual(['q -> a', 'q -> b'])
  expect(() => made.requireCompiled()).toThrow(`without a plan: "q -> a", "q -> b"; run 'troupe signatures build'`)
  const strict = signatures()
  strict.requireCompiled()
  expect(() => strict.signature('q -> a')).toThrow(`without a plan: "q -> a"; run`)
})
