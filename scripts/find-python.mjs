// Finds a Python that can make the environment, or says what was tried and how to get one.
import { spawnSync } from 'node:child_process'
import { Problem } from './report.mjs'

const PROBE = `import struct, sys, importlib.util as u
print(*sys.version_info[:2], struct.calcsize("P") * 8, int(u.find_spec("venv") is not None), int(u.find_spec("pip") is not None))`

/** @typedef {{ command: string, minor: number, hasPip: boolean }} Python */

/** @param {NodeJS.ProcessEnv} env @returns {Python} */
export function findPython(env) {
  const chosen = env['TROUPE_PYTHON']
  const versions = [13, 12, 11, 10, 14].map((minor) => `python3.${minor}`)
  const commands = chosen
    ? [chosen]
    : ['python3', 'python', ...versions, ...(process.platform === 'win32' ? ['py'] : [])]
  const tried = []
  for (const command of commands) {
    const found = probe(command, env)
    if (typeof found !== 'string') return found
    tried.push(`    ${command}: ${found}`)
  }
  throw new Problem(
    [
      'no Python 3.10 to 3.14 (64 bit) found.',
      ...tried,
      '  Debian, Ubuntu: sudo apt install python3 python3-venv',
      '  macOS: brew install python@3.13',
      '  Windows: winget install Python.Python.3.13',
      '  One in another place: set TROUPE_PYTHON to its path.',
    ].join('\n'),
  )
}

/** @param {string} command @param {NodeJS.ProcessEnv} env @returns {Python | string} the Python, or why it will not do */
function probe(command, env) {
  const ended = spawnSync(command, ['-c', PROBE], { env, encoding: 'utf8', windowsHide: true })
  if (ended.error) return 'not there'
  if (ended.status !== 0) return 'does not run'
  const [major = 0, minor = 0, bits = 0, hasVenv = 0, hasPip = 0] = ended.stdout.trim().split(' ').map(Number)
  if (major !== 3 || minor < 10 || minor > 14) return `is ${major}.${minor}`
  if (bits !== 64) return `is a ${bits} bit build`
  if (hasVenv === 0) return `${major}.${minor} without its venv module`
  return { command, minor, hasPip: hasPip === 1 }
}
