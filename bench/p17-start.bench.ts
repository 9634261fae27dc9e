/** P17: how long things take to start. Each measurement is a fresh process; the baseline is the bound of the target. */
import { spawnSync } from 'node:child_process'
import { natsServer } from '@troupe/core/testing'
import { interleave, type Row } from './harness.ts'

const here = import.meta.dirname

/** Runs a script that prints one number of milliseconds, on the built packages: that is what a user starts. */
function inFreshProcess(script: string): number {
  const args = ['--input-type=module', '-e', script]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: here })
  if (status !== 0) throw new Error(`${stderr}\nP17 measures the built packages: \`npm run build\` first`)
  return Number(stdout)
}

const timed = (work: string) =>
  `const begun = performance.now(); ${work}; process.stdout.write(String(performance.now() - begun));`

const bound = (row: string, what: string, boundMs: number, script: (url: string) => string): Row => ({
  row,
  what,
  baseline: `the bound itself: ${boundMs} ms`,
  unit: 'ms',
  kind: 'time',
  target: 1,
  notMeasured: 'bare Node, which takes about 25 ms by itself',
  async measure(rounds) {
    await using server = await natsServer()
    inFreshProcess(script(server.url)) // the namespace is made once
    return await interleave(
      rounds,
      async () => inFreshProcess(script(server.url)),
      async () => boundMs,
    )
  },
})

const prepare =
  "const { createSystem } = await import('@troupe/core'); const { counter } = await import('./counter.ts');"

export const rows: readonly Row[] = [
  bound('P17 import', "import '@troupe/core'", 40, () => timed("await import('@troupe/core')")),
  bound('P17 memory', 'a system in memory, first answer', 10, () => {
    const work =
      "const system = await createSystem({ actors: [counter] }); await system.get(counter, 'a').ask({ type: 'add', by: 1 })"
    return `${prepare} ${timed(work)} await system.drain()`
  }),
  bound('P17 nats', 'a node on NATS, first answer', 300, (url) => {
    const backend = `nats({ servers: '${url}', initialise: true })`
    const work = `const system = await createSystem({ actors: [counter], backend: ${backend} }); await system.get(counter, 'a' + process.pid).ask({ type: 'add', by: 1 }, { timeoutMs: 20_000 })`
    // A node that just went away would hold its shards for its whole lease.
    return `${prepare} const { nats } = await import('@troupe/core/nats'); ${timed(work)} await system.drain()`
  }),
]
