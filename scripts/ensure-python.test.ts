import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pythonEnv, refuseForeignVenv, staleLayers } from './ensure-python.mjs'
import { findPython } from './find-python.mjs'
import { Problem } from './report.mjs'
import { scratchFolder } from './scratch.ts'

describe('the Python environment', () => {
  it('leaves a .venv alone that somebody else made', () => {
    const root = scratchFolder()
    mkdirSync(join(root, '.venv'))
    writeFileSync(join(root, '.venv', 'theirs'), '')
    expect(() => refuseForeignVenv(root)).toThrow(/was not made by this set-up.*Move it away/)
    expect(existsSync(join(root, '.venv', 'theirs'))).toBe(true)
  })

  it('takes both layers for missing in a fresh checkout, the runtime first', () => {
    const root = scratchFolder()
    mkdirSync(join(root, 'python'))
    for (const name of ['requirements.txt', 'requirements-dev.txt']) writeFileSync(join(root, 'python', name), 'x==1\n')
    expect(staleLayers(root, { dev: true }).map(({ name }) => name)).toEqual(['runtime', 'dev'])
    expect(staleLayers(root, { dev: false }).map(({ name }) => name)).toEqual(['runtime'])
  })

  it("drops what would send pip elsewhere, and gives uv pip's mirror and authority", () => {
    const env = pythonEnv({
      PIP_TARGET: '/elsewhere',
      PYTHONPATH: '/theirs',
      PIP_INDEX_URL: 'mirror',
      PIP_CERT: 'ca.pem',
      PATH: 'p',
    })
    expect(env).not.toHaveProperty('PIP_TARGET')
    expect(env).not.toHaveProperty('PYTHONPATH')
    expect(env).toMatchObject({ PATH: 'p', UV_DEFAULT_INDEX: 'mirror', SSL_CERT_FILE: 'ca.pem', PIP_USER: '0' })
  })

  it("keeps uv's own settings where there are any", () => {
    expect(pythonEnv({ PIP_CERT: 'pip.pem', SSL_CERT_FILE: 'own.pem' })).toMatchObject({ SSL_CERT_FILE: 'own.pem' })
  })
})

describe('findPython', () => {
  it('names what it tried and how to get a Python when there is none', () => {
    const find = () => findPython({ PATH: scratchFolder() })
    expect(find).toThrow(Problem)
    expect(find).toThrow(
      /no Python 3\.10 to 3\.14.*python3: not there.*sudo apt install python3 python3-venv.*TROUPE_PYTHON/s,
    )
  })

  it.skipIf(process.platform === 'win32')('says why a Python will not do', () => {
    const old = join(scratchFolder(), 'python')
    writeFileSync(old, '#!/bin/sh\necho 3 9 64 1 1\n', { mode: 0o755 })
    expect(() => findPython({ TROUPE_PYTHON: old })).toThrow(`${old}: is 3.9`)
  })
})
