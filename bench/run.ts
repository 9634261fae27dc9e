/**
 * `npm run bench [-- --json] [P1 P7 …]`: runs the rows, ours and baseline interleaved, and prints what they saw. Each row has a process
 * of its own: what one of them has made the compiler believe must not slow the next.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Result, type Row, resultOf } from './harness.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    /** Used by this file itself: the one row of this process. */
    only: { type: 'string' },
  },
})
const rounds = Math.max(5, Number(values.rounds))

async function rowsOf(): Promise<Row[]> {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.bench.ts'))
  const found: Row[] = []
  for (const file of files.sort()) {
    const module: { readonly rows?: readonly Row[] } = await import(`./${file}`)
    found.push(...(module.rows ?? []))
  }
  return found.filter(({ row }) => positionals.length === 0 || positionals.includes(row.split(' ')[0] ?? row))
}

function shown(value: number, unit: string): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${unit}`
}

function print(result: Result, { baseline, kind }: Row): void {
  const { row, what, ours, unit, ratio, target, met } = result
  const bound = kind === 'rate' ? '≥' : '≤'
  process.stdout.write(
    `${row.padEnd(4)} ${what}\n     ours ${shown(ours, unit)} · ${baseline} ${shown(result.baseline, unit)} · ` +
      `ratio ${ratio.toFixed(2)} (${bound} ${target}) ${met ? 'met' : 'MISSED'} · not measured: ${result.notMeasured}\n`,
  )
}

async function measure(row: Row): Promise<void> {
  const result = resultOf(row, await row.measure(rounds))
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`)
  else print(result, row)
}

/** @returns whether the row could be measured */
function measureApart({ row }: Row): boolean {
  const json = values.json ? ['--json'] : []
  const args = [...process.execArgv, import.meta.filename, '--only', row, '--rounds', String(rounds), ...json]
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status === 0
}

const all = await rowsOf()
const mine = all.find(({ row }) => row === values.only)
if (mine !== undefined) await measure(mine)
process.exit(mine !== undefined || all.map(measureApart).every(Boolean) ? 0 : 1)
