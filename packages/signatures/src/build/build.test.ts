import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { dynamicSignature } from '../signature.ts'
import { type BuildOptions, buildSignatures } from './build.ts'
import { importedSource } from './emit-imported.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'troupe-signatures-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const write = (path: string, content: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const build = (options: Partial<BuildOptions> = {}) =>
  buildSignatures({ root, sources: ['src'], out: 'src/signatures.gen.ts', ...options })

const APP = `
import * as all from '@troupe/signatures'
import { signature as sig, defineSignature, type Signature } from '@troupe/signatures'
import { signature } from './signatures.gen.ts'
import { signature as other } from 'elsewhere'
export const triage: Signature<unknown, unknown> = sig("docstring: str -> module: Literal['email', 'socket']", { instructions: 'Name ' + 'it.', desc: { docstring: 'text' } })
export const score = signature(\`q -> confidence: Annotated[float, Field(ge=0, le=1)]\`)
export const long = defineSignature({ inputs: { a: 'str', b: { type: 'list[int]', desc: 'numbers' } }, outputs: { c: 'bool' } })
other('no signature of ours'); const f = (signature: (text: string) => void) => signature
`

test('build/1: what is found is written as TypeScript, Python and a manifest, and stays the same', async () => {
  write('src/app.ts', APP)
  const all = { python: 'py/signatures_gen.py', manifest: 'signatures.json' }
  const first = await build(all)
  expect(first).toEqual({
    signatures: 3,
    problems: [],
    notInPython: [],
    unbound: ['src/app.ts'],
    changed: ['src/signatures.gen.ts', 'py/signatures_gen.py', 'signatures.json'],
  })
  expect(read('src/signatures.gen.ts')).toMatchSnapshot()
  expect(read('py/signatures_gen.py')).toMatchSnapshot()
  const names = JSON.parse(read('signatures.json')).map(({ name, instructions }: { [key: string]: unknown }) => [
    name,
    instructions,
  ])
  expect(names).toEqual([
    ['Triage', 'Name it.'],
    ['Score', 'Given the fields `q`, produce the fields `confidence`.'],
    ['Long', 'Given the fields `a`, `b`, produce the fields `c`.'],
  ])
  expect((await build(all)).changed).toEqual([])
})

test('the generated file makes signatures without reading a text', async () => {
  write('src/app.ts', APP)
  await build()
  symlinkSync(join(import.meta.dirname, '../../../../node_modules'), join(root, 'node_modules'))
  const generated = await import(join(root, 'src/signatures.gen.ts'))
  generated.requireCompiled()
  const triage = generated.signature("docstring: str -> module: Literal['email', 'socket']")
  const validate = triage.output['~standard'].validate
  expect(validate({ module: 'email' })).toEqual({ value: { module: 'email' } })
  expect(validate({ module: 'mail' })).toEqual({
    issues: [{ message: 'must be one of "email", "socket"', path: ['module'] }],
  })
  const long = generated.defineSignature({ inputs: { a: 'str', b: 'list[int]' }, outputs: { c: 'bool' } })
  expect(long.text).toBe('a: str, b: list[int] -> c: bool')
  expect(generated.runtimeParsed()).toEqual([])
  expect(() => generated.signature('new -> text')).toThrow("run 'troupe signatures build'")
})

test('build/2: problems name their places, and nothing is written', async () => {
  write('src/good.ts', APP)
  write(
    'src/bad.ts',
    `import { signature, defineSignature } from '@troupe/signatures'
const text = 'q -> a'
signature(text)
signature('q -> a: string')
signature('p: Person -> a', { types: { Person: {} } })
signature('p: Person -> a', options)
defineSignature({ inputs: fields, outputs: { a: 'str' } })
`,
  )
  write('src/broken.ts', 'const = 1')
  const { problems, changed } = await build()
  expect(problems.map(({ place, message }) => `${place} ${message.split('\n')[0]}`)).toEqual([
    'src/bad.ts:3 the text of a signature must be written out',
    "src/bad.ts:4 field 'a': unknown type 'string'; did you mean 'str'?",
    "src/bad.ts:6 the names in 'types' must be written out",
    'src/bad.ts:7 the inputs and outputs of a signature must be written out',
    expect.stringContaining('src/broken.ts:1'),
  ])
  expect(changed).toEqual([])
  expect(() => read('src/signatures.gen.ts')).toThrow('ENOENT')
})

test('check says what is stale and writes nothing', async () => {
  write('src/app.ts', APP)
  await build()
  const before = read('src/signatures.gen.ts')
  write('src/app.ts', APP.replace('confidence', 'certainty'))
  expect((await build({ check: true })).changed).toEqual(['src/signatures.gen.ts'])
  expect(read('src/signatures.gen.ts')).toBe(before)
})

test('Python needs what a model is told written out, and one name for one signature', async () => {
  write(
    'src/a.ts',
    `import { signature } from '@troupe/signatures'\nexport const s = signature('q -> a', { instructions: help })`,
  )
  expect((await build()).problems).toEqual([])
  expect((await build({ python: 'p.py' })).problems).toEqual([
    { place: 'src/a.ts:2', message: 'what a model is told must be written out, so that Python has it too' },
  ])
  write('src/a.ts', `import { signature } from '@troupe/signatures'\nexport const s = signature('q -> a')`)
  write('src/b.ts', `import { signature } from '@troupe/signatures'\nexport const s = signature('q -> b')`)
  expect((await build({ python: 'p.py' })).problems).toEqual([
    { place: 'src/b.ts:2', message: "there is another signature named S; give one of them a 'name'" },
  ])
})

test('any text makes a file that loads', async () => {
  const texts = [
    `q -> a: Literal["it's"]`,
    "q -> a: Literal['`', '$' , '{x}']",
    'q ->\n a: Literal["/*", "//"]',
    "q -> a: Literal['str()']",
  ]
  write(
    'src/app.ts',
    `import * as all from '@troupe/signatures'\n${texts.map((text) => `all.signature(${JSON.stringify(text)})\n`).join('')}`,
  )
  expect(await build({ out: 'src/other.gen.ts' })).toMatchObject({ signatures: 4, problems: [] })
  symlinkSync(join(import.meta.dirname, '../../../../node_modules'), join(root, 'node_modules'))
  const generated = await import(join(root, 'src/other.gen.ts'))
  for (const text of texts) expect(generated.signature(text).spec.fields).toHaveLength(2)
  expect(generated.runtimeParsed()).toEqual([])
})

test('classes of Python have names that Python takes', async () => {
  const source = (variable: string, options = '') =>
    `import { signature } from '@troupe/signatures'\nexport const ${variable} = signature('q -> a'${options})`
  for (const [variable, name] of [
    ['none', 'NoneSignature'],
    ['$s', 'sSignature'],
    ['literal', 'LiteralSignature'],
    ['dspy', 'Dspy'],
  ] as const) {
    write('src/a.ts', source(variable))
    expect((await build({ python: 'p.py' })).problems).toEqual([])
    expect(read('p.py')).toContain(`class ${name}(dspy.Signature):`)
  }
  for (const name of ['my triage', 'None', 'Mapping', 'class']) {
    write('src/a.ts', source('x', `, { name: '${name}' }`))
    expect((await build({ python: 'p.py' })).problems).toEqual([
      { place: 'src/a.ts:2', message: `'${name}' is no name for a class in Python` },
    ])
  }
})

test('what is no list of specs, or has no names for TypeScript, is not imported', () => {
  const { spec } = dynamicSignature('q -> a', { name: 'Ask' })
  expect(importedSource([spec])).toContain('export const ask = signatureFromSpec<{ q: string }, { a: string }>(')
  for (const [given, says] of [
    [{ a: 1 }, 'no list of specs'],
    [[], 'no list of specs'],
    [[{ ...spec, v: 2 }], 'a spec of version 2'],
    [[{ ...spec, name: 'Delete' }], "'delete' is no name for a signature"],
    [[{ ...spec, name: 'x = 1; evil()' }], 'is no name for a signature'],
    [[spec, spec], "two signatures are named 'ask'"],
  ] as const) {
    expect(() => importedSource(given)).toThrow(says)
  }
})
