/**
 * `npm run sim`: runs seeds of the simulation until one fails, or counts what membership costs.
 *
 *     npm run sim -- --seed X [--trace]    one seed; the trace shows every event
 *     npm run sim -- --minutes 10          fresh seeds for so long
 *     npm run sim -- --members 1000 [--shards 2000] [--actors 100000]
 *                                          what membership costs the store of a cluster of that size
 */
import { parseArgs } from 'node:util'
import { realClock } from '../clock.ts'
import { cryptoEntropy } from '../entropy.ts'
import { type Change, membersCost } from './members.ts'
import { again, runSeed } from './run.ts'
import type { Cost } from './store-cost.ts'
import type { Report } from './world.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    trace: { type: 'boolean' },
    minutes: { type: 'string', default: '1' },
    members: { type: 'string' },
    shards: { type: 'string' },
    actors: { type: 'string', default: '100000' },
  },
})

function show({ seed, violations, trace, stats }: Report): void {
  console.log(`seed ${seed}: ${violations.length === 0 ? 'holds' : 'FAILS'}, trace ${trace}, ${JSON.stringify(stats)}`)
  for (const { invariant, what } of violations) console.log(`  ${invariant}. ${what}`)
  if (violations.length > 0) console.log(`  again: ${again(seed)}`)
}

async function showMembers(members: number): Promise<void> {
  const options = {
    members,
    shards: Number(values.shards ?? 2 * members),
    actors: Number(values.actors),
    leaseMs: 20_000,
  }
  const { viewBytes, steady, join, death } = await membersCost(options)
  const row = ({ requests, lost, told, bytes }: Cost) =>
    `${requests} requests (${lost} lost races), ${told} messages to watchers, ${(bytes / 1e6).toFixed(2)} MB`
  const change = ({ cost, settledMs, shards, actors }: Change) =>
    `${row(cost)}; ${shards} shards with ${actors} actors moved, settled after ${settledMs} ms`
  console.log(
    `${members} members, ${options.shards} shards, ${options.actors} actors counted by their shard; lease 20 s`,
  )
  console.log(`the view has ${viewBytes} bytes`)
  console.log(`steady, per second: ${row(steady)}`)
  console.log(`one joins:          ${change(join)}`)
  console.log(`one dies:           ${change(death)}`)
  console.log('not measured: the CPU of one node, a real server, the activation of actors')
}

if (values.members !== undefined) await showMembers(Number(values.members))
else if (values.seed !== undefined) {
  const report = await runSeed(values.seed, values.trace === true ? { onTrace: (line) => console.log(line) } : {})
  show(report)
  process.exitCode = report.violations.length === 0 ? 0 : 1
} else {
  const clock = realClock()
  const end = clock.monotonic() + Number(values.minutes) * 60_000
  let seeds = 0
  for (; clock.monotonic() < end && process.exitCode !== 1; seeds++) {
    const report = await runSeed(cryptoEntropy().hex(32))
    if (report.violations.length === 0) continue
    show(report)
    process.exitCode = 1
  }
  console.log(`${seeds} seeds`)
}
