import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { natsServerBinary } from './server-binary.ts'

function folderWith(...binaries: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-binary-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const file of binaries) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), '', { mode: 0o755 })
  }
  return folder
}

test('what is named wins, then the nearest .venv, then the PATH', () => {
  const folder = folderWith('own', '.venv/bin/nats-server', 'path/nats-server', 'deep/er/file')
  const environment = { path: join(folder, 'path') }
  const own = join(folder, 'own')
  const deep = join(folder, 'deep', 'er')
  expect(natsServerBinary(own, { ...environment, natsServer: '/other' }, deep)).toBe(own)
  expect(natsServerBinary(undefined, { ...environment, natsServer: own }, deep)).toBe(own)
  expect(natsServerBinary(undefined, environment, deep)).toBe(join(folder, '.venv', 'bin', 'nats-server'))
  expect(natsServerBinary(undefined, environment, tmpdir())).toBe(join(folder, 'path', 'nats-server'))
})

test('what is named but not there is an error, not a reason to look elsewhere', () => {
  const folder = folderWith('path/nats-server')
  const environment = { natsServer: '/nowhere/nats-server', path: join(folder, 'path') }
  expect(() => natsServerBinary(undefined, environment, folder)).toThrow(/\/nowhere\/nats-server.*TROUPE_NATS_SERVER/)
  expect(() => natsServerBinary(undefined, { path: '' }, folder)).toThrow(/npm start/)
})
