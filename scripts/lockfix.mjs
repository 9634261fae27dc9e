// Completes package-lock.json with the packages of other platforms that the registry in use does not carry: npm drops
// them when it writes the lock, and `npm ci` then fails on the platforms that need them. Run after each lock update.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const OPERATING_SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']
const OTHER_NAMES = /** @type {Record<string, string>} */ ({ windows: 'win32', 64: 'x64' })
const EXACT = /^\d+\.\d+\.\d+(-[\w.-]+)?$/

/** @typedef {{ version?: string, dev?: boolean, optional?: boolean, os?: string[], cpu?: string[], libc?: string[], optionalDependencies?: Record<string, string> }} Entry */
/** @typedef {{ packages: Record<string, Entry> }} Lock */

/**
 * @param {Lock} lock
 * @returns {{ lock: Lock, added: string[], skipped: string[] }} `skipped`: absent, but its name or version does not say for what
 */
export function completeLock(lock) {
  const packages = { ...lock.packages }
  const added = []
  const skipped = []
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const found = resolve(packages, path, name)
      if (found && (found.version === version || !EXACT.test(version))) continue
      const platform = platformOf(name)
      if (platform === undefined || !EXACT.test(version)) {
        skipped.push(`${name}@${version}`)
        continue
      }
      const hoisted = `node_modules/${name}`
      const target = packages[hoisted] === undefined ? hoisted : `${path}/node_modules/${name}`
      packages[target] = { version, ...(entry.dev && { dev: true }), ...platform, optional: true }
      added.push(`${name}@${version}`)
    }
  }
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en')) // npm's own order
  return { lock: { ...lock, packages: Object.fromEntries(sorted) }, added, skipped }
}

/** The entry that Node's module resolution finds from a package's folder. @param {Record<string, Entry>} packages @param {string} from @param {string} name */
function resolve(packages, from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
    const found = packages[folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`]
    if (found || folder === '') return found
  }
}

/** @param {string} name */
function platformOf(name) {
  const words = name.split(/[/_-]/).map((word) => OTHER_NAMES[word] ?? word)
  const os = words.find((word) => OPERATING_SYSTEMS.includes(word))
  const cpu = words.filter((word) => PROCESSORS.includes(word)).at(-1)
  if (os === undefined || cpu === undefined) return undefined
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined
  return { os: [os], cpu: [cpu], ...(libc && { libc: [libc] }) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = join(dirname(dirname(fileURLToPath(import.meta.url))), 'package-lock.json')
  const before = readFileSync(file, 'utf8')
  const { lock, added, skipped } = completeLock(JSON.parse(before))
  const after = `${JSON.stringify(lock, null, 2)}\n`
  if (after !== before) writeFileSync(file, after)
  console.log(
    `package-lock.json: ${added.length} added${skipped.length > 0 ? `, left out: ${skipped.join(', ')}` : ''}`,
  )
}
