/** The two parsers, at run time and as a type, on texts drawn from a seed: one assertion for each, judged by the real compiler. */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type TypeWords, typeSource } from './build/expression.ts'
import type { FieldType } from './field-type.ts'
import { parseFields, parseFieldType } from './parse.ts'
import { CUSTOM, randomFieldType, randomText, seededDice } from './random-text.ts'
import { MAX_CHARS, SignatureRefused } from './refusal.ts'

const seed = Number(process.env['AGREE_SEED'] ?? randomInt(2 ** 31))
const many = process.env['AGREE_TEXTS']
const count = Number(many ?? 400)
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

test(`both parsers say the same of random texts (AGREE_SEED=${seed})`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-agree-'))
  try {
    const cases = drawn()
    const refused = cases.filter(({ wanted }) => wanted.startsWith('Refused')).length
    if (many !== undefined) console.info(`${cases.length - refused} accepted, ${refused} refused`)
    expect(Math.min(refused, cases.length - refused)).toBeGreaterThan(count / 5)
    writeFileSync(join(folder, 'agree.ts'), `${[...HEAD, ...cases.map(assertion)].join('\n')}\n`)
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CONFIG))
    expect(disagreements(folder, cases)).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 600_000)

interface Case {
  readonly parser: 'ParseSignature' | 'ParseFieldType'
  readonly text: string
  /** What the run-time parser says of it, as a type. */
  readonly wanted: string
}

const CONFIG = {
  compilerOptions: {
    ...{ noEmit: true, strict: true, target: 'es2024', module: 'nodenext', types: [], skipLibCheck: true },
    ...{ allowImportingTsExtensions: true, noErrorTruncation: true },
  },
  files: ['agree.ts'],
}

const HEAD = [
  `import type { ParseFieldType, ParseSignature, Refused } from ${JSON.stringify(path('./parse-type.ts'))}`,
  `interface Types { ${CUSTOM.map((name) => `${name}: { readonly ${name}: 0 }`).join('; ')} }`,
  // Once for each type: the compiler compares unions by their members, and takes two dicts of one type for two members.
  'interface Keyed<T> { str: { [key: string]: T }; int: { [key: number]: T } }',
  'type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false',
  `type Agree<Given, Wanted> = Equal<Given, Wanted> extends true ? 'agree' : { given: Given }`,
  'declare function say<Verdict>(verdict: Verdict): void',
]

const assertion = ({ parser, text, wanted }: Case) =>
  `say<Agree<${parser}<${JSON.stringify(text)}, Types>, ${wanted}>>('agree')`

function drawn(): Case[] {
  const dice = seededDice(seed)
  const cases: Case[] = []
  while (cases.length < count) {
    const isType = dice.throw(4) === 0
    const text = isType ? randomFieldType(dice) : randomText(dice)
    if (text.length > MAX_CHARS) continue
    const parser = isType ? 'ParseFieldType' : 'ParseSignature'
    cases.push({ parser, text, wanted: isType ? wantedFieldType(text) : wantedSignature(text) })
  }
  return cases
}

const types = new Set(CUSTOM)

function wantedSignature(text: string): string {
  return wantedOr(() => {
    const fields = parseFields(text, types)
    const side = (io: string) =>
      `{ ${fields.flatMap((field) => (field.io === io ? [`${field.name}: ${written(field.type)}`] : [])).join('; ')} }`
    return `{ in: ${side('input')}; out: ${side('output')} }`
  })
}

function wantedFieldType(text: string): string {
  return wantedOr(() => `{ type: ${written(parseFieldType(text, types))} }`)
}

function wantedOr(read: () => string): string {
  try {
    return read()
  } catch (error) {
    if (error instanceof SignatureRefused) return `Refused<${JSON.stringify(error.reason)}>`
    throw error
  }
}

const WORDS: TypeWords = { dict: (key, of) => `Keyed<${of}>['${key}']`, custom: (name) => `Types['${name}']` }
const written = (type: FieldType) => typeSource(type, WORDS)

/** Each with its text and what the compiler says. */
function disagreements(folder: string, cases: readonly Case[]) {
  const tsc = path('../../../node_modules/typescript/bin/tsc')
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '--pretty', 'false', '-p', folder], {
    ...{ cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 28 },
  })
  if (status === 0) return []
  const said = `${stdout}${stderr}`.trim().split('\n')
  return said.map((line) => {
    const at = /^agree\.ts\((\d+),/.exec(line)?.[1]
    return { ...cases[Number(at) - 1 - HEAD.length], compiler: line }
  })
}
