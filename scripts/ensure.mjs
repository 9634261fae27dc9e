// Makes the checkout ready: node_modules with the pinned Node, and .venv. `--dev` adds what `npm test` needs.
// Runs on any Node from 18 without dependencies; says nothing and takes a tenth of a second when nothing has changed.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withLock } from './ensure-lock.mjs'
import { installNode, nodeLevel, nodeState, settleNode } from './ensure-node.mjs'
import { installPython, pythonEnv, refuseForeignVenv, staleLayers } from './ensure-python.mjs'
import { findPython } from './find-python.mjs'
import { Problem, say } from './report.mjs'

// Measured on Linux x64 from empty caches, compressed.
const NPM_MB = { runtime: 70, dev: 145 }
const PYTHON_MB = { runtime: 55, dev: 12 }

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dev = process.argv.includes('--dev')
const level = nodeLevel(root, dev ? 'dev' : 'runtime')
const plan = () => ({ node: nodeState(root, level), layers: staleLayers(root, { dev }) })

/** @param {ReturnType<typeof plan>} missing */
const isReady = ({ node, layers }) => node === 'current' && layers.length === 0

/** @param {ReturnType<typeof plan>} missing */
function announce({ node, layers }) {
  const parts = [
    ...(node === 'stale' ? [`npm packages with Node itself (about ${NPM_MB[level]} MB)`] : []),
    ...layers.map(({ name }) => `Python packages for ${name} (about ${PYTHON_MB[name]} MB)`),
  ]
  if (parts.length > 0)
    say(`fetching ${parts.join(', ')}: 10 to 60 s by your line; not again until a lock file changes`)
}

async function ensure() {
  if (isReady(plan())) return
  announce(plan())
  await withLock(join(root, '.ensure.lock'), async () => {
    const { node, layers } = plan() // again: another set-up may have done the work while we waited
    if (layers.length > 0) refuseForeignVenv(root)
    const python = layers.length > 0 ? findPython(pythonEnv(process.env)) : undefined // before minutes of npm, not after
    if (node === 'stale') await installNode(root, level)
    if (node === 'by-hand') settleNode(root, level)
    if (python) await installPython(root, layers, python)
  })
}

try {
  await ensure()
} catch (error) {
  if (!(error instanceof Problem)) throw error
  say(error.message)
  process.exitCode = 1
}
