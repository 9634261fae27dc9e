/** Signatures between the languages, by the commands that a user runs: real CLI, real Python, real `tsc`. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const repository = join(import.meta.dirname, '../..')
const main = join(repository, 'apps/node-runner/src/main.ts')

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'troupe-signatures-'))
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'))
  write('package.json', '{ "type": "module" }')
  write(
    'tsconfig.json',
    JSON.stringify({
      extends: join(repository, 'tsconfig.base.json'),
      compilerOptions: { composite: false, noEmit: true, declaration: false, declarationMap: false },
      include: ['src'],
    }),
  )
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const write = (path: string, content: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const run = (command: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  return { status, stdout, stderr }
}
const troupe = (...args: string[]) => run(process.execPath, '--conditions=troupe-source', main, 'signatures', ...args)
const python = (...args: string[]) => run(join(repository, '.venv/bin/python'), ...args)
const tsc = () => run(process.execPath, join(repository, 'node_modules/typescript/bin/tsc'), '-p', root)

test('what TypeScript has is a class in Python, with the same hash when it is dumped', () => {
  write(
    'package.json',
    '{ "type": "module", "troupe": { "signatures": { "python": "models/gen.py", "manifest": "all.json" } } }',
  )
  write(
    'src/app.ts',
    `import { defineSignature, signature } from './signatures.gen.ts'
export const triage = signature("docstring: str -> module: Literal['socket', 'email'], score: Annotated[float, Field(ge=0, le=1)]", {
  instructions: 'Say "where from",\\n\\nbriefly.', desc: { docstring: 'the text', module: '\${module}' },
})
export const long = defineSignature({
  inputs: { a: 'dict[int, list[str]]', b: { type: 'tuple[int, ...] | None', desc: 'numbers' } },
  outputs: { c: 'set[int]', d: 'Optional[Any]' },
})
export const module: 'socket' | 'email' = triage.output['~standard'].types!.output.module
`,
  )
  expect(troupe('build')).toMatchObject({ status: 0, stdout: expect.stringContaining('2 signatures;') })
  expect(tsc()).toMatchObject({ status: 0, stdout: '' })
  const dumped = python('-m', 'troupe_worker.signatures', 'dump', 'models.gen:Triage', 'models.gen:Long')
  expect(dumped.stderr).toBe('')
  expect(JSON.parse(dumped.stdout)).toEqual(JSON.parse(read('all.json')))

  write('src/app.ts', read('src/app.ts').replace("'email']", "'email', 'zipfile']"))
  const stale = troupe('build', '--check')
  expect(stale).toMatchObject({ status: 1, stderr: expect.stringContaining('not up to date: src/signatures.gen.ts') })
  write('src/app.ts', read('src/app.ts').replace('dict[int', 'dict[float'))
  expect(troupe('build')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("src/app.ts:5: field 'a': the keys of a dict are str or int"),
  })
})

test('what Python has is imported into TypeScript, with its models as types', () => {
  write(
    'mine.py',
    `from enum import Enum
from typing import Literal, Optional
import dspy
from pydantic import BaseModel

class Color(Enum):
    RED = "red"
    BLUE = "blue"

class Person(BaseModel):
    name: str
    age: Optional[int] = None
    likes: list[Color]

class Introduce(dspy.Signature):
    """Introduce somebody."""
    person: Person = dspy.InputField(desc="who")
    others: dict[str, Person] = dspy.InputField()
    greeting: str = dspy.OutputField()
    mood: Literal["warm", "cold"] = dspy.OutputField()
`,
  )
  const dumped = python('-m', 'troupe_worker.signatures', 'dump', 'mine:Introduce')
  expect(dumped.stderr).toBe('')
  write('specs.json', dumped.stdout)
  mkdirSync(join(root, 'src'))
  expect(troupe('import', 'specs.json', '--out', 'src/from-python.gen.ts')).toMatchObject({ status: 0, stderr: '' })
  const use = (color: string) => `import { introduce, type Person } from './from-python.gen.ts'
export const ada: Person = { name: 'Ada', likes: [${color}] }
export const mood: 'warm' | 'cold' = introduce.output['~standard'].types!.output.mood
export const input: { person: Person; others: { [name: string]: Person } } = introduce.input['~standard'].types!.input
`
  write('src/use.ts', use("'red'"))
  expect(tsc()).toMatchObject({ status: 0, stdout: '' })
  write('src/use.ts', use("'green'"))
  expect(tsc().stdout).toContain(`'"green"' is not assignable`)
  const [spec] = JSON.parse(dumped.stdout)
  const loads = `import { introduce } from './src/from-python.gen.ts'
const ada = { name: 'Ada', age: null, likes: ['red'] }
console.log(introduce.hash, 'value' in introduce.input['~standard'].validate({ person: ada, others: { ada } }))`
  const loaded = run(process.execPath, '--conditions=troupe-source', '--input-type=module', '-e', loads)
  expect(loaded.stdout.trim()).toBe(`${spec.hash} true`)

  write('specs.json', dumped.stdout.replace('Introduce somebody.', 'Insult somebody.'))
  expect(troupe('import', 'specs.json', '--out', 'src/from-python.gen.ts')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('the spec says hash'),
  })
  expect(python('-m', 'troupe_worker.signatures', 'dump', 'mine:Person')).toMatchObject({ status: 2 })
})
