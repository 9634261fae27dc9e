// .venv exactly as the hash-locked files in python/ say, in two layers: what workers need, and what `npm test` adds.
//
// A layer's stamp is written last, so an interrupted set-up starts over. The first layer is built from nothing, never
// repaired; a .venv without our marker is somebody else's and stays as it is.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Problem, say } from './report.mjs'
import { run, sixLines } from './run.mjs'

const windows = process.platform === 'win32'
const MARKER = '.made-by-troupe'
const LOCKED = ['--quiet', '--no-deps', '--require-hashes', '--only-binary', ':all:']

/** @typedef {{ name: 'runtime' | 'dev', lock: string, stamp: string }} Layer */
const RUNTIME = /** @type {Layer} */ ({ name: 'runtime', lock: 'python/requirements.txt', stamp: '.ensure-runtime' })
const DEV = /** @type {Layer} */ ({ name: 'dev', lock: 'python/requirements-dev.txt', stamp: '.ensure-dev' })

/** @param {string} root */
export const venvPython = (root) => join(root, '.venv', windows ? 'Scripts/python.exe' : 'bin/python')

/** The layers to install, the lower one first. @param {string} root @param {{ dev: boolean }} options */
export function staleLayers(root, { dev }) {
  const wanted = dev ? [RUNTIME, DEV] : [RUNTIME]
  const minor = runningMinor(root)
  const firstStale = wanted.findIndex(
    ({ lock, stamp }) => read(join(root, '.venv', stamp)) !== stampOf(root, lock, minor),
  )
  return firstStale === -1 ? [] : wanted.slice(firstStale)
}

/** Refuses to touch an environment that we have not made. @param {string} root */
export function refuseForeignVenv(root) {
  const venv = join(root, '.venv')
  if (existsSync(venv) && !existsSync(join(venv, MARKER))) {
    throw new Problem(`${venv} was not made by this set-up, so it is left alone. Move it away and start again.`)
  }
}

/**
 * @param {string} root
 * @param {readonly Layer[]} layers
 * @param {import('./find-python.mjs').Python} python
 */
export async function installPython(root, layers, python) {
  const venv = join(root, '.venv')
  const env = pythonEnv(process.env)
  /** @param {string} command @param {readonly string[]} args @param {string} [beat] */
  const runHere = (command, args, beat) => run(command, args, { cwd: root, env, ...(beat && { beat }) })
  refuseForeignVenv(root)
  if (layers.includes(RUNTIME)) {
    rmSync(venv, { recursive: true, force: true })
    mkdirSync(venv)
    writeFileSync(join(venv, MARKER), '')
    const made = await runHere(python.command, ['-m', 'venv', '--without-pip', venv]) // needs no ensurepip
    if (!made.ok) throw new Problem(`${python.command} -m venv failed:\n${sixLines(made, 'last')}`)
  }
  const minor = runningMinor(root)
  let install = await getUv(root, python, runHere)
  for (const { name, lock, stamp } of layers) {
    let ended = install && (await runHere(install.command, [...install.args, '-r', lock], `Python packages (${name})`))
    if (!ended?.ok) {
      say(`without uv${ended ? ` (${sixLines(ended, 'last').trim().split('\n').at(-1)})` : ''}; pip takes longer`)
      install = await getPip(root, python, runHere)
      ended = await runHere(install.command, [...install.args, '-r', lock], `Python packages (${name}) by pip`)
    }
    if (!ended.ok) throw new Problem(`could not install ${lock}:\n${sixLines(ended, 'last')}\n  ${NEEDS_INDEX}`)
    if (name === 'runtime') linkWorker(root)
    writeFileSync(join(venv, stamp), stampOf(root, lock, minor))
    say(`Python packages (${name}) ready after ${ended.seconds.toFixed(1)} s`)
  }
  rmSync(uvFolder(root), { recursive: true, force: true }) // 60 MB that nothing needs again
}

const NEEDS_INDEX =
  'It needs the Python package index once. Check the network; behind a proxy set HTTPS_PROXY; with a mirror set PIP_INDEX_URL; with an own CA set PIP_CERT.'

/** @typedef {{ command: string, args: string[] }} Installer */
/** @typedef {(command: string, args: readonly string[], beat?: string) => Promise<import('./run.mjs').Ended>} RunHere */

/**
 * uv, itself hash-locked, needs one second where pip needs ten to thirty.
 * @param {string} root @param {import('./find-python.mjs').Python} python @param {RunHere} runHere
 * @returns {Promise<Installer | undefined>} nothing where pip cannot get it: no wheel for this platform, no network
 */
async function getUv(root, python, runHere) {
  const folder = uvFolder(root)
  const pip = python.hasPip ? python.command : (await getPip(root, python, runHere)).command
  const args = [
    '-m',
    'pip',
    'install',
    ...LOCKED,
    '--no-compile',
    '--target',
    folder,
    '-r',
    'python/requirements-uv.txt',
  ]
  const got = await runHere(pip, args, 'uv, the installer of Python packages')
  if (!got.ok) return undefined
  const command = join(folder, 'bin', windows ? 'uv.exe' : 'uv')
  return { command, args: ['pip', 'install', ...LOCKED, '--python', venvPython(root)] }
}

/**
 * @param {string} root @param {import('./find-python.mjs').Python} python @param {RunHere} runHere
 * @returns {Promise<Installer>}
 */
async function getPip(root, python, runHere) {
  const command = venvPython(root)
  const ended = await runHere(command, ['-m', 'ensurepip', '--default-pip'], 'pip')
  if (!ended.ok) {
    throw new Problem(
      `${python.command} has no ensurepip, and uv is not to be had without pip:\n${sixLines(ended, 'last')}\n  Debian, Ubuntu: sudo apt install python3-venv`,
    )
  }
  return { command, args: ['-m', 'pip', 'install', ...LOCKED] }
}

/** Makes python/src importable: a path file is enough, and changes to the sources need no new install. @param {string} root */
function linkWorker(root) {
  const ended = spawnSync(venvPython(root), ['-I', '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'], {
    encoding: 'utf8',
  })
  const sitePackages = ended.stdout.trim()
  writeFileSync(join(sitePackages, 'troupe-worker.pth'), `${relative(sitePackages, join(root, 'python/src'))}\n`)
}

/**
 * The user's settings without those that would send pip or Python elsewhere. A mirror and a CA stay; uv, which does not
 * read pip's, gets them under its own names.
 * @param {NodeJS.ProcessEnv} user
 */
export function pythonEnv(user) {
  const { PYTHONHOME, PYTHONPATH, PIP_TARGET, PIP_PREFIX, PIP_ROOT, VIRTUAL_ENV, CONDA_PREFIX, ...env } = user
  return {
    ...(env['PIP_INDEX_URL'] && { UV_DEFAULT_INDEX: env['PIP_INDEX_URL'] }),
    ...(env['PIP_CERT'] && { SSL_CERT_FILE: env['PIP_CERT'] }),
    ...env,
    PIP_USER: '0',
    PIP_REQUIRE_VIRTUALENV: '0',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_NO_INPUT: '1',
    PIP_ROOT_USER_ACTION: 'ignore',
    UV_NO_CONFIG: '1',
    UV_PYTHON_DOWNLOADS: 'never',
  }
}

/** The minor version that .venv's Python has now: a system upgrade swaps the interpreter below it. @param {string} root */
function runningMinor(root) {
  if (!existsSync(venvPython(root))) return ''
  const args = ['-I', '-S', '-c', 'import sys; print(sys.version_info[1])']
  return spawnSync(venvPython(root), args, { encoding: 'utf8', windowsHide: true }).stdout?.trim() ?? ''
}

/** @param {string} root @param {string} lock @param {string} minor */
const stampOf = (root, lock, minor) =>
  createHash('sha256')
    .update(`${process.platform}-${process.arch} 3.${minor}\n`)
    .update(readFileSync(join(root, lock)))
    .digest('hex')

/** @param {string} root */
const uvFolder = (root) => join(root, '.venv', '.uv')

/** @param {string} file */
const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')
