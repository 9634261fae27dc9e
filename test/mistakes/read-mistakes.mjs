// What the compiler says about a file of mistakes. JavaScript, so that every package may use it without being built with it.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const MARK = '// @mistake '
const TSC = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))

/** @type {typeof import('./read-mistakes.mjs').readMistakes} */
export function readMistakes(folder) {
  const at = (name) => fileURLToPath(new URL(name, folder))
  const source = readFileSync(at('api-mistakes.ts'), 'utf8').split('\n')
  const marked = (lines) => lines.filter((line) => line.startsWith(MARK)).map((line) => line.slice(MARK.length))
  const read = new Map(marked(source).map((name) => [name, []]))
  let current = 'none'
  for (const line of compilerOutput(at('tsconfig.json')).split('\n')) {
    const [, number, error] = /api-mistakes\.ts\((\d+),\d+\): (.*)/.exec(line) ?? []
    if (number !== undefined) current = marked(source.slice(0, Number(number))).at(-1) ?? 'none'
    const text = error ?? line.trim()
    if (text !== '') read.set(current, [...(read.get(current) ?? []), text])
  }
  return read
}

/** @type {typeof import('./read-mistakes.mjs').shown} */
export function shown(read) {
  return [...read].map(([name, lines]) => [name, ...lines.map((line) => `    ${line}`), ''].join('\n')).join('\n')
}

/** Fails to compile, so it throws; what it printed is on the error. */
function compilerOutput(tsconfig) {
  try {
    return execFileSync(process.execPath, [TSC, '-p', tsconfig, '--pretty', 'false'], { encoding: 'utf8' })
  } catch (error) {
    return typeof error === 'object' && error !== null && 'stdout' in error ? String(error.stdout) : String(error)
  }
}
