/** `npm run faults`: the long checks, too long for `npm test`. `--help` lists them. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { killNodes } from './kill-nodes.ts'

const HELP = `npm run faults -- [--kills 20] [--seed S] [--sync-always]
    kills node processes at random instants under load, on a real server, and checks the ledger

npm run faults -- --machines 1000 [--seed N]
    compares hosted machines with plain XState under every way to die: random ones drawn from the whole number N, the written
    ones with 100 random kill points each; then takes one protection of the host away at a time, which must be noticed

Each prints one line of JSON with its seed; exit code 1 when something is wrong.`

const ORACLE = fileURLToPath(new URL('../../packages/core/src/oracle/long.ts', import.meta.url))
const WHOLE = /^\d+$/

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    machines: { type: 'string' },
    seed: { type: 'string' },
    'sync-always': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(HELP)
else if (values.machines !== undefined) process.exitCode = await compareMachines(values.machines, values.seed)
else {
  const { seed = `${Date.now()}` } = values
  const report = await killNodes({ kills: Number(values.kills), seed, syncAlways: values['sync-always'] })
  console.log(JSON.stringify(report))
  process.exitCode = report.problems.length > 0 ? 1 : 0
}

/** In a process of its own: the oracle belongs to core and is no part of what core exports. */
function compareMachines(machines: string, seed: string | undefined): Promise<number> {
  const wrong = [machines, seed ?? '0'].find((text) => !WHOLE.test(text))
  if (wrong !== undefined) {
    console.error(`'${wrong}' is no whole number; machines and their seed must be`)
    return Promise.resolve(2)
  }
  const args = ['--conditions=troupe-source', ORACLE, '--machines', machines, ...(seed ? ['--seed', seed] : [])]
  return new Promise((resolve) => {
    spawn(process.execPath, args, { stdio: 'inherit' }).once('exit', (code) => resolve(code ?? 1))
  })
}
