import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, vi } from 'vitest'
import { pythonPath } from './python-path.ts'

const folder = mkdtempSync(join(tmpdir(), 'troupe-python-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('an option wins over the environment, that over the nearest .venv above, that over the path', () => {
  const bin = process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']
  const python = join(folder, '.venv', ...bin)
  expect(pythonPath(undefined, folder)).not.toBe(python)
  mkdirSync(join(python, '..'), { recursive: true })
  writeFileSync(python, '')
  mkdirSync(join(folder, 'a', 'b'), { recursive: true })
  expect(pythonPath(undefined, join(folder, 'a', 'b'))).toBe(python)
  vi.stubEnv('TROUPE_PYTHON', 'from-environment')
  expect(pythonPath(undefined, folder)).toBe('from-environment')
  expect(pythonPath('from-option', folder)).toBe('from-option')
  vi.unstubAllEnvs()
})
