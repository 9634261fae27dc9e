// `npm test`: every check there is. The last line of stdout is `N passed, N failed`; exit 1 if anything failed.
// `npm test -- --only unit,types` runs some of them.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { suites } from './suites.mjs'

/** @import { Outcome, Suite } from './suites.mjs' */

const LANES = 2
/** Of a failure's message, in the summary at the end; the suite's own output has all of it. */
const SHOWN_CHARACTERS = 600

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const scratch = mkdtempSync(join(tmpdir(), 'troupe-test-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))

const chosen = choose(parseArgs({ options: { only: { type: 'string' } } }).values.only)
/** @type {Map<Suite, Outcome>} */
const outcomes = new Map()

// Suites without processes and clocks share the machine, and each shows its output when it is done ...
const queue = chosen.filter(({ alone }) => !alone)
if (queue.length > 0) console.log(`running ${queue.map(({ name }) => name).join(', ')}, ${LANES} at a time`)
await Promise.all(Array.from({ length: LANES }, lane))

// ... the others have it to themselves, and show their output as it comes.
for (const suite of chosen.filter(({ alone }) => alone)) {
  console.log(`\n=== ${suite.name}`)
  const outcome = await suite.run({ root, scratch, echo: true })
  finish(suite, outcome)
}

const all = [...outcomes.values()]
const failed = all.reduce((sum, outcome) => sum + outcome.failed, 0)
const passed = all.reduce((sum, outcome) => sum + outcome.passed, 0)
const skipped = [...outcomes].flatMap(([suite, outcome]) => outcome.skipped.map((skip) => ({ suite, ...skip })))
console.log()
for (const { suite, name, reason } of skipped) console.log(`skipped in ${suite.name}: ${name} (${reason})`)
for (const [suite, outcome] of outcomes) {
  if (outcome.failed > 0) console.log(`failed: ${suite.name}`)
  for (const { name, reason } of outcome.failures ?? [])
    console.log(`  ${name}\n    ${reason.slice(0, SHOWN_CHARACTERS).replaceAll('\n', '\n    ')}`)
}
if (skipped.length > 0)
  console.log(`${skipped.length} skipped: ${[...new Set(skipped.map(({ reason }) => reason))].join('; ')}`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

async function lane() {
  for (let suite = queue.shift(); suite; suite = queue.shift()) {
    const outcome = await suite.run({ root, scratch, echo: false })
    process.stdout.write(`\n=== ${suite.name}\n${outcome.output}`)
    finish(suite, outcome)
  }
}

/** @param {Suite} suite @param {Outcome} outcome */
function finish(suite, outcome) {
  outcomes.set(suite, outcome)
  if (outcome.note) process.stdout.write(outcome.note)
  console.log(`--- ${suite.name}: ${outcome.passed} passed, ${outcome.failed} failed (${outcome.seconds.toFixed(1)} s)`)
}

/** @param {string | undefined} only */
function choose(only) {
  if (only === undefined) return suites
  const names = only.split(',')
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name))
  if (unknown.length === 0) return suites.filter(({ name }) => names.includes(name))
  console.error(`no suite ${unknown.join(', ')}; there are ${suites.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
