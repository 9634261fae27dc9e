/**
 * P18: what signatures cost when they are compiled ahead: the check of a value, and the time that `tsc` takes for a thousand of
 * them. The baseline is the bound of the target.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Signatures } from '@troupe/signatures'
import { buildSignatures } from '@troupe/signatures/build'
import { interleave, type Row } from './harness.ts'

const repository = join(import.meta.dirname, '..')
const TSC = join(repository, 'node_modules/typescript/bin/tsc')

/** A package with this source, that finds the packages of the repository; gone afterwards. */
async function inPackage<T>(source: string, compiled: boolean, work: (root: string) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), 'troupe-p18-'))
  try {
    mkdirSync(join(root, 'src'))
    symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'))
    writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
    const from = compiled ? './signatures.gen.ts' : '@troupe/signatures'
    writeFileSync(join(root, 'src/app.ts'), `import { signature } from '${from}'\n${source}`)
    if (compiled) {
      const { problems } = await buildSignatures({ root, sources: ['src'], out: 'src/signatures.gen.ts' })
      if (problems.length > 0) throw new Error(JSON.stringify(problems[0]))
    }
    writeFileSync(
      join(root, 'tsconfig.json'),
      JSON.stringify({
        extends: join(repository, 'tsconfig.base.json'),
        compilerOptions: { composite: false, noEmit: true, declaration: false, declarationMap: false },
        include: ['src'],
      }),
    )
    return await work(root)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** Seconds of `tsc` for a file with `count` signatures of four fields, all different, and a use of each. */
function tscSeconds(count: number, compiled: boolean): Promise<number> {
  const uses = Array.from({ length: count }, (_, n) => {
    const text = `question_${n}: str, context: list[str] -> answer_${n}: str, confidence: float`
    return `export const s${n} = signature('${text}')\n`
  })
  return inPackage(`void signature\n${uses.join('')}`, compiled, async (root) => {
    const begun = performance.now()
    const { status, stdout } = spawnSync(process.execPath, [TSC, '-p', root], { encoding: 'utf8' })
    if (status !== 0) throw new Error(stdout)
    return (performance.now() - begun) / 1_000
  })
}

const compileTime = (row: string, what: string, boundS: number, compiled: boolean): Row => ({
  row,
  what,
  baseline: `the bound itself: ${boundS} s`,
  unit: 's',
  kind: 'time',
  target: 1,
  notMeasured: 'the editor; the time that tsc takes for the same file without a signature is taken off',
  measure: (rounds) =>
    interleave(
      rounds,
      async () => (await tscSeconds(1_000, compiled)) - (await tscSeconds(0, compiled)),
      async () => boundS,
    ),
})

const EIGHT =
  "a: str, b: int, c: float, d: bool, e: list[str], f: Literal['x', 'y'], g: Optional[str], h: dict[str, int] -> out: str"
const CHECKS = 1_000_000

const check: Row = {
  row: 'P18 check',
  what: 'a value of eight fields, checked by a compiled plan',
  baseline: 'the bound itself: 0.3 µs',
  unit: 'µs',
  kind: 'time',
  target: 1,
  notMeasured: 'the call itself; no text was read, or the row fails',
  measure: (rounds) =>
    inPackage(`export const s = signature(${JSON.stringify(EIGHT)})\n`, true, async (root) => {
      const generated: Signatures = await import(join(root, 'src/signatures.gen.ts'))
      generated.requireCompiled()
      const { input } = generated.signature(EIGHT)
      const value = { a: 'hello', b: 1, c: 0.5, d: true, e: ['a', 'b'], f: 'y', g: null, h: { x: 1 } }
      const validate = input['~standard'].validate
      return interleave(
        rounds,
        async () => {
          let passed = 0
          const begun = performance.now()
          for (let n = 0; n < CHECKS; n++) if ('value' in validate(value)) passed++
          const micros = ((performance.now() - begun) / CHECKS) * 1_000
          if (passed !== CHECKS) throw new Error(`${CHECKS - passed} checks failed`)
          return micros
        },
        async () => 0.3,
      )
    }),
}

export const rows: readonly Row[] = [
  check,
  compileTime('P18 tsc', 'what 1,000 signatures add to tsc, without a generated file', 0.5, false),
  compileTime('P18 generated', 'what 1,000 signatures add to tsc, with the generated file', 0.1, true),
]
