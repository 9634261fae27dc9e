/** `npm run faults`: the long checks, too long for `npm test`. `--help` lists them. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chaos } from './chaos.ts'
import { killNodes } from './kill-nodes.ts'

const HELP = `npm run faults -- [--kills 20] [--seed S] [--sync-always]
    kills node processes at random instants under load, on a real server, and checks the ledger

npm run faults -- --chaos 60 [--servers 3] [--seed S]
    for so many seconds: kills, freezes and cuts off nodes, kills and restarts a server, makes stream leaders step down, in random
    order under load, on one server or on three as one cluster; checks the ledger

npm run faults -- --machines 1000 [--seed N]
    compares hosted machines with plain XState under every way to die: random ones drawn from the whole number N, the written
    ones with 100 random kill points each; then takes one protection of the host away at a time, which must be noticed

Each prints one line of JSON with its seed; exit code 1 when something is wrong.`

const ORACLE = fileURLToPath(new URL('../../packages/core/src/oracle/long.ts', import.meta.url))
const WHOLE = /^\d+$/

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    chaos: { type: 'string' },
    servers: { type: 'string', default: '1' },
    machines: { type: 'string' },
    seed: { type: 'string' },
    'sync-always': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(HELP)
else if (values.machines !== undefined) process.exitCode = await compareMachines(values.machines, values.seed)
else if (values.chaos !== undefined) {
  const { seed = `${Date.now()}` } = values
  const report = await chaos({ seed, servers: values.servers === '3' ? 3 : 1, seconds: Number(values.chaos) })
  const { log, ...line } = report
  for (const said of log) console.error(said)
  console.log(JSON.stringify(line))
  process.exitCode = report.problems.length > 0 ? 1 : 0
} else {
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
