/**
 * `troupe signatures build|import`: what is made of signatures ahead of time, from TypeScript and from Python.
 *
 * 1. A problem in the sources ends with exit code 1 and leaves every file as it was.
 * 2. What no option says, `troupe.signatures` in the package.json of the folder says.
 */
import { type FSWatcher, watch } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuildOptions, BuildReport } from '@troupe/signatures/build'
import { Command } from 'commander'
import { z } from 'zod'
import { API_VERSION, count, print } from '../output.ts'
import { Problem } from '../problem.ts'

interface BuildCommandOptions extends Partial<Settings> {
  readonly source?: readonly string[]
  readonly check?: boolean
  readonly watch?: boolean
  readonly json?: boolean
}

export function signaturesCommand(): Command {
  const signatures = new Command('signatures').description('what is made of signatures ahead of time')
  signatures
    .command('build')
    .description('write types, checks and Python classes of all signatures in the sources')
    .option('--source <folder...>', 'folders with TypeScript (src)')
    .option('--out <file>', 'the TypeScript file (src/signatures.gen.ts)')
    .option('--python <file>', 'a Python module with a class for each')
    .option('--manifest <file>', 'a JSON file with the spec of each')
    .option('--check', 'write nothing; fail when a file is not what it would be')
    .option('--watch', 'go on, at every change')
    .option('--json', 'one JSON object on stdout')
    .action(build)
  signatures
    .command('import')
    .description('write the TypeScript of signatures that Python has: `python -m troupe_worker.signatures dump …`')
    .argument('<specs>', 'the JSON file with the specs')
    .requiredOption('--out <file>', 'the TypeScript file')
    .action(importSpecs)
  return signatures
}

const settings = z.strictObject({
  sources: z.array(z.string()).default(['src']),
  out: z.string().default('src/signatures.gen.ts'),
  python: z.string().optional(),
  manifest: z.string().optional(),
})
type Settings = z.output<typeof settings>

/** Of the package in `root`. */
async function settingsIn(root: string): Promise<Settings> {
  const text = await readFile(join(root, 'package.json'), 'utf8').catch(() => '{}')
  const { troupe } = z.object({ troupe: z.object({ signatures: z.unknown() }).optional() }).parse(JSON.parse(text))
  const found = settings.safeParse(troupe?.signatures ?? {})
  if (found.success) return found.data
  const what = `troupe.signatures in package.json: ${z.prettifyError(found.error)}`
  throw new Problem({ code: 'Usage', exit: 'usage', what })
}

async function build({ source, watch: forEver, json, ...options }: BuildCommandOptions): Promise<void> {
  const root = process.cwd()
  const asked = { root, ...(await settingsIn(root)), ...(source && { sources: source }), ...options }
  if (forEver) return watched(asked)
  const report = await built(asked)
  if (json) print(JSON.stringify({ apiVersion: API_VERSION, kind: 'SignaturesBuild', ...report }))
  else tell(report)
  if (report.problems.length > 0) throw malformed(report)
  if (options.check && report.changed.length > 0) {
    const what = `not up to date: ${report.changed.join(', ')}`
    throw new Problem({ code: 'SignaturesStale', exit: 'failed', what, fix: 'troupe signatures build' })
  }
}

/** The parser is loaded by those who build only. */
async function built(options: BuildOptions): Promise<BuildReport> {
  const { buildSignatures } = await import('@troupe/signatures/build')
  for (const source of options.sources) {
    const found = await stat(join(options.root, source)).catch(() => undefined)
    if (found?.isDirectory()) continue
    throw new Problem({
      code: 'Usage',
      exit: 'usage',
      what: `no folder '${source}'`,
      fix: 'name the sources: --source <folder>',
    })
  }
  return buildSignatures(options)
}

function tell({ signatures, changed, unbound, notInPython, problems }: BuildReport): void {
  for (const path of unbound) {
    process.stderr.write(
      `note: ${path} imports from the package; import from the generated file to use what is compiled\n`,
    )
  }
  for (const place of notInPython) {
    process.stderr.write(
      `note: ${place} has custom types and is not in the Python file; workers get it from the node\n`,
    )
  }
  if (problems.length === 0) print(`${count(signatures, 'signature')}; ${changed.join(', ') || 'nothing'} changed`)
}

function malformed({ problems }: BuildReport): Problem {
  const what = problems.map(({ place, message }) => `${place}: ${message}`).join('\n')
  return new Problem({ code: 'SignatureRefused', exit: 'failed', what })
}

const SETTLE_MS = 50

/** Until the process is told to end. Problems are told, and mended by the next change. */
async function watched(options: BuildOptions): Promise<void> {
  const again = async () => {
    try {
      const report = await built(options)
      tell(report)
      for (const { place, message } of report.problems) process.stderr.write(`${place}: ${message}\n`)
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
  await again()
  let wanted: NodeJS.Timeout | undefined
  const changed = () => {
    clearTimeout(wanted)
    wanted = setTimeout(() => void again(), SETTLE_MS)
  }
  const watchers: readonly FSWatcher[] = options.sources.map((source) =>
    watch(join(options.root, source), { recursive: true }, changed),
  )
  process.once('SIGINT', () => {
    clearTimeout(wanted)
    for (const watcher of watchers) watcher.close()
  })
}

async function importSpecs(specs: string, { out }: { readonly out: string }): Promise<void> {
  const { importedSource } = await import('@troupe/signatures/build')
  try {
    await writeFile(out, importedSource(JSON.parse(await readFile(specs, 'utf8'))))
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new Problem({ code: 'SpecsRefused', exit: 'failed', what: `${specs}: ${error.message}` }, error)
  }
}
