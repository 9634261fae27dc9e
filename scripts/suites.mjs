// The suites of `npm test`: what each runs and how its outcome is counted.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pinnedNode } from './ensure-node.mjs'
import { venvPython } from './ensure-python.mjs'
import { run } from './run.mjs'

/** @typedef {{ name: string, reason: string }} Remark about one test */
/** @typedef {{ passed: number, failed: number, skipped: Remark[], failures?: Remark[] }} Counts */
/** @typedef {Counts & { output: string, note?: string, seconds: number }} Outcome `note`: what the output does not say */
/** @typedef {{ root: string, scratch: string, echo: boolean }} Context `scratch`: a folder for reports */
/**
 * @typedef {object} Suite
 * @property {string} name
 * @property {boolean} alone needs the machine to itself, because it runs processes and measures time
 * @property {(context: Context) => Promise<Outcome>} run
 */

const BIOME = 'node_modules/@biomejs/biome/bin/biome'
const TSC = 'node_modules/typescript/bin/tsc'
const PYRIGHT = 'node_modules/pyright/index.js'
const TROUPE = 'apps/node-runner/src/main.ts'

/** @type {readonly Suite[]} */
export const suites = [
  { name: 'unit', alone: false, run: (context) => vitest('unit', context) },
  { name: 'types', alone: false, run: ({ root, echo }) => check(root, echo, [[pinnedNode(root), TSC, '-b']]) },
  {
    name: 'lint',
    alone: false,
    run: ({ root, echo }) =>
      check(root, echo, [
        [pinnedNode(root), BIOME, 'check', '.'],
        [pinnedNode(root), '--conditions=troupe-source', TROUPE, 'signatures', 'build', '--check'],
      ]),
  },
  {
    name: 'python-types',
    alone: false,
    run: ({ root, echo }) =>
      checkPython(root, echo, [[pinnedNode(root), PYRIGHT, '--project', 'python', '--pythonpath', venvPython(root)]]),
  },
  {
    name: 'python-lint',
    alone: false,
    run: ({ root, echo }) =>
      checkPython(root, echo, [
        [venvPython(root), '-m', 'ruff', 'check', 'python'],
        [venvPython(root), '-m', 'ruff', 'format', '--check', 'python'],
      ]),
  },
  { name: 'python', alone: true, run: pytest },
  { name: 'cluster', alone: true, run: (context) => vitest('cluster', context) },
]

/**
 * Commands that pass or fail as one test.
 * @param {string} root
 * @param {boolean} echo
 * @param {readonly [string, ...string[]][]} commands
 * @returns {Promise<Outcome>}
 */
async function check(root, echo, commands) {
  let output = ''
  let note = ''
  let seconds = 0
  for (const [command, ...args] of commands) {
    const ended = await run(command, args, { cwd: root, echo })
    output += ended.output
    seconds += ended.seconds
    if (!ended.ok) note += `${args.slice(0, 3).join(' ')}: ${ended.why}\n`
  }
  return { passed: note ? 0 : 1, failed: note ? 1 : 0, skipped: [], output, note, seconds }
}

/** @type {typeof check} */
const checkPython = async (root, echo, commands) => pythonIsMissing(root) ?? check(root, echo, commands)

/** @param {string} project @param {Context} context @returns {Promise<Outcome>} */
async function vitest(project, { root, scratch, echo }) {
  const report = join(scratch, `${project}.json`)
  const reporters = ['--reporter=default', '--reporter=./scripts/count-reporter.mjs']
  const ended = await run(
    pinnedNode(root),
    ['node_modules/vitest/vitest.mjs', 'run', '--project', project, ...reporters],
    {
      cwd: root,
      echo,
      env: { ...process.env, TROUPE_TEST_COUNTS: report },
    },
  )
  if (!existsSync(report)) return crashed(ended)
  const { unfinished, ...counts } = JSON.parse(readFileSync(report, 'utf8'))
  return settle({ ...counts, failed: counts.failed + unfinished }, ended)
}

/** @param {Context} context @returns {Promise<Outcome>} */
async function pytest({ root, scratch, echo }) {
  const missing = pythonIsMissing(root)
  if (missing) return missing
  const report = join(scratch, 'pytest.xml')
  const ended = await run(venvPython(root), ['-m', 'pytest', `--junitxml=${report}`], {
    cwd: join(root, 'python'),
    echo,
  })
  return existsSync(report) ? settle(countJunit(readFileSync(report, 'utf8')), ended) : crashed(ended)
}

/** @param {string} xml a JUnit report as pytest writes it @returns {Counts} */
export function countJunit(xml) {
  const remarks = (/** @type {string} */ element) =>
    [...xml.matchAll(new RegExp(`<testcase\\b([^>]*)>\\s*<${element}\\b([^>]*)`, 'g'))].map(
      ([, test = '', remark = '']) => ({
        name: `${attribute(test, 'classname')}.${attribute(test, 'name')}`,
        reason: attribute(remark, 'message') || 'no reason given',
      }),
    )
  const suite = /<testsuite\b([^>]*)/.exec(xml)?.[1] ?? ''
  const failed = Number(attribute(suite, 'failures')) + Number(attribute(suite, 'errors'))
  const passed = Number(attribute(suite, 'tests')) - failed - Number(attribute(suite, 'skipped'))
  return { passed, failed, skipped: remarks('skipped'), failures: remarks('(?:failure|error)') }
}

/** @param {string} attributes @param {string} name */
function attribute(attributes, name) {
  const entities = /** @type {Record<string, string>} */ ({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" })
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? ''
  return value.replace(/&(\w+);/g, (whole, entity) => entities[entity] ?? whole)
}

/**
 * Counts and exit code must agree, or the suite counts as failed.
 * @param {Counts} counts
 * @param {import('./run.mjs').Ended} ended
 * @returns {Outcome}
 */
function settle(counts, ended) {
  const { ok, output, why, seconds } = ended
  const ranNothing = counts.passed + counts.failed + counts.skipped.length === 0
  if (ranNothing) return { ...counts, failed: 1, output, note: 'no test ran\n', seconds }
  if (!ok && counts.failed === 0)
    return { ...counts, failed: 1, output, note: `no test failed, but: ${why}\n`, seconds }
  return { ...counts, output, seconds }
}

/** @param {import('./run.mjs').Ended} ended @returns {Outcome} */
const crashed = ({ output, why, seconds }) => ({
  passed: 0,
  failed: 1,
  skipped: [],
  output,
  note: `ended without a report: ${why}\n`,
  seconds,
})

/** @param {string} root @returns {Outcome | undefined} */
function pythonIsMissing(root) {
  if (existsSync(join(root, 'python/pyproject.toml'))) return undefined
  return {
    passed: 0,
    failed: 1,
    skipped: [],
    output: '',
    note: 'python/pyproject.toml is missing, so nothing of it can run\n',
    seconds: 0,
  }
}
