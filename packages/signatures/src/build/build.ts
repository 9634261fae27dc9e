/**
 * `troupe signatures build`: from the sources of a package to the files that are committed beside them.
 *
 * 1. The same sources give the same bytes, on every machine: nothing of time, order of discovery or absolute paths is in them.
 * 2. Files are written when there is no problem at all, and only those that change.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { hasCustom } from '../field-type.ts'
import { KEYWORDS } from '../names.ts'
import { toldSpec } from '../signature.ts'
import type { Spec } from '../spec.ts'
import { pythonOf } from './emit-python.ts'
import { typescriptOf } from './emit-typescript.ts'
import { type FoundSignature, findSignatures, type Problem } from './find.ts'

export interface BuildOptions {
  /** Where paths begin. */
  readonly root: string
  /** Folders with TypeScript, from `root`. */
  readonly sources: readonly string[]
  /** The generated TypeScript file, from `root`. */
  readonly out: string
  /** The generated Python module, from `root`; none when absent. */
  readonly python?: string | undefined
  /** All specs as JSON, from `root`; none when absent. */
  readonly manifest?: string | undefined
  /** Compare with what is there, and write nothing. */
  readonly check?: boolean | undefined
}

export interface BuildReport {
  readonly signatures: number
  readonly problems: readonly Problem[]
  /** Files that were written or, by a check, are not as they would be written. */
  readonly changed: readonly string[]
  /** Files that import `signature` from the package, not from the generated file: their texts are read at run time. */
  readonly unbound: readonly string[]
  /** Signatures with custom types: a worker gets their specs from the node that calls it. */
  readonly notInPython: readonly string[]
}

export async function buildSignatures(options: BuildOptions): Promise<BuildReport> {
  const { root, sources, out, check = false } = options
  const generated = basename(out).replace(/\.[cm]?ts$/, '')
  const found: FoundSignature[] = []
  const problems: Problem[] = []
  const unbound: string[] = []
  for (const path of await typescriptFiles(root, sources)) {
    if (resolve(root, path) === resolve(root, out)) continue
    const file = findSignatures(path, await readFile(join(root, path), 'utf8'), generated)
    found.push(...file.found)
    problems.push(...file.problems)
    if (file.unbound) unbound.push(path)
  }
  const specs = new Map<string, Spec>()
  const notInPython: string[] = []
  if (options.python !== undefined || options.manifest !== undefined) {
    for (const signature of found) {
      if (signature.fields.some(({ type }) => hasCustom(type))) notInPython.push(signature.place)
      else if (signature.told === undefined) {
        const message = 'what a model is told must be written out, so that Python has it too'
        problems.push({ place: signature.place, message })
      } else problems.push(...addSpec(specs, signature, signature.told))
    }
  }
  if (problems.length > 0) return { signatures: found.length, problems, changed: [], unbound, notInPython }

  const texts = new Map(found.map(({ text, fields }) => [text, fields] as const).sort(([a], [b]) => (a < b ? -1 : 1)))
  const files: [string, string][] = [[out, typescriptOf(texts)]]
  if (options.python !== undefined) files.push([options.python, pythonOf(specs)])
  if (options.manifest !== undefined)
    files.push([options.manifest, `${JSON.stringify([...specs.values()], null, 2)}\n`])
  const changed: string[] = []
  for (const [path, content] of files) {
    if ((await contentOf(join(root, path))) === content) continue
    changed.push(path)
    if (check) continue
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  return { signatures: found.length, problems, changed, unbound, notInPython }
}

/** The class of a signature is named as its variable is; two signatures that are the same share one. */
function addSpec(
  specs: Map<string, Spec>,
  { place, fields, variable }: FoundSignature,
  told: NonNullable<FoundSignature['told']>,
): Problem[] {
  const name = told.name ?? (variable === undefined ? undefined : classNameOf(variable))
  const spec = toldSpec(fields, { ...told, ...(name === undefined ? {} : { name }) })
  const className = name ?? `Signature_${spec.hash.slice(0, 8)}`
  if (!isClassName(className)) return [{ place, message: `'${className}' is no name for a class in Python` }]
  const other = specs.get(className)
  if (other !== undefined && other.hash !== spec.hash) {
    return [{ place, message: `there is another signature named ${className}; give one of them a 'name'` }]
  }
  specs.set(className, spec)
  return []
}

/** What a class of the generated module may not be named: keywords, and what the module itself uses. */
const USED = [
  'Annotated',
  'Any',
  'Field',
  'Final',
  'Literal',
  'Mapping',
  'SIGNATURES',
  'bool',
  'dict',
  'dspy',
  'float',
  'int',
].concat('list', 'set', 'str', 'tuple', 'type')
const CLASS_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

function isClassName(name: string): boolean {
  return CLASS_NAME.test(name) && !USED.includes(name) && !KEYWORDS.some((keyword) => keyword === name)
}

function classNameOf(variable: string): string {
  const name = variable.charAt(0).toUpperCase() + variable.slice(1)
  return isClassName(name) ? name : `${name.replace(/[^A-Za-z0-9_]/g, '')}Signature`
}

async function typescriptFiles(root: string, sources: readonly string[]): Promise<readonly string[]> {
  const files: string[] = []
  for (const source of sources) {
    for (const entry of await readdir(join(root, source), { recursive: true, withFileTypes: true })) {
      const path = relative(root, join(entry.parentPath, entry.name))
      if (entry.isFile() && isSource(entry.name) && !path.split(/[\\/]/).some(isSkipped))
        files.push(path.replaceAll('\\', '/'))
    }
  }
  return [...new Set(files)].sort()
}

function isSource(name: string): boolean {
  return /\.[cm]?tsx?$/.test(name) && !/\.(d|test|test-d)\.[cm]?tsx?$/.test(name)
}

function isSkipped(folder: string): boolean {
  return folder === 'node_modules' || folder === 'dist' || (folder.startsWith('.') && folder.length > 2)
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
