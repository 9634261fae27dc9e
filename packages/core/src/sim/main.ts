/**
 * `npm run sim`: runs seeds of the simulation until one fails.
 *
 *     npm run sim -- --seed X [--trace]    one seed; the trace shows every event
 *     npm run sim -- --minutes 10          fresh seeds for so long
 */
import { parseArgs } from 'node:util'
import { realClock } from '../clock.ts'
import { cryptoEntropy } from '../entropy.ts'
import { again, runSeed } from './run.ts'
import type { Report } from './world.ts'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, trace: { type: 'boolean' }, minutes: { type: 'string', default: '1' } },
})

function show({ seed, violations, trace, stats }: Report): void {
  console.log(`seed ${seed}: ${violations.length === 0 ? 'holds' : 'FAILS'}, trace ${trace}, ${JSON.stringify(stats)}`)
  for (const { invariant, what } of violations) console.log(`  ${invariant}. ${what}`)
  if (violations.length > 0) console.log(`  again: ${again(seed)}`)
}

if (values.seed !== undefined) {
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
