/** Which interpreter runs the workers: the option, `TROUPE_PYTHON`, the nearest `.venv` above the working folder, `python3`. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pythonEnvironment } from './config.ts'

const IN_VENV = process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']

export function pythonPath(option: string | undefined, from: string = process.cwd()): string {
  return option ?? pythonEnvironment().python ?? venvAbove(from) ?? 'python3'
}

function venvAbove(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const python = join(at, '.venv', ...IN_VENV)
    if (existsSync(python)) return python
    if (dirname(at) === at) return undefined
  }
}
